"""CosMx flat files: the matrix of an experiment (exprMat_file.csv) and its table of cells (metadata_file.csv).

A cell is named by its field of view and its number there, which is unique only inside the field.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.cell_names import CELL, FIELD, cell_names, has_fields
from spatialweave.io.column_names import CONTROL, facts_among
from spatialweave.io.measurement import Measurement
from spatialweave.io.notices import warn
from spatialweave.io.readers import table
from spatialweave.io.readers.cells import place, read_cells
from spatialweave.io.readers.folder import find, need

COUNTS, CELLS = "exprMat_file.csv", "metadata_file.csv"

NAMES = (FIELD, CELL.lower(), "cell", "slide_id")
"""Columns (lower case) that name or locate cells and are not features."""

OUTSIDE = "0"
"""The cell number of everything outside the cells of a field."""


def is_cosmx(path: Path) -> bool:
    """Return whether a folder holds flat files of CosMx."""
    return find(path, COUNTS) is not None


def is_matrix(header: Sequence[str]) -> bool:
    """Return whether a text table is a matrix of CosMx: it begins with field and cell, in either order."""
    return has_fields(header[:3])


def read(path: Path) -> list[Measurement]:
    """Read the matrix of a folder with flat files, with the positions of its cells on the slide (pixels)."""
    cells_file = need(path, CELLS, what="the table of cells beside the matrix of CosMx")
    (measurement,) = read_matrix(need(path, COUNTS, what="the matrix of CosMx"))
    place(measurement, read_cells(cells_file, NAMES, cell_names), cells_file)
    measurement.where = str(path)
    return [measurement]


def read_matrix(path: Path) -> list[Measurement]:
    """Read a matrix of CosMx, with field and cell in either order; rows outside the cells are left out."""
    header = tables.read_header(path)
    facts = {i for i, name in enumerate(header) if name.lower() in NAMES}
    facts |= set(facts_among(header))
    obs, matrix = table.parse(path, len(header), sorted(facts | {0}))
    obs.columns = pd.Index([header[i] for i in sorted(facts | {0})], dtype=object)
    features = pd.DataFrame(
        index=pd.Index([name for i, name in enumerate(header) if i and i not in facts], dtype=object)
    )
    if not len(features):
        raise InputError(str(path), "has no features besides field and cell", "one column per gene or protein")
    kind = _kind(features.index, matrix.data)
    if kind:
        control = features.index.str.fullmatch(CONTROL)
        features["feature_types"] = np.where(control, "Control", kind)
    number = tables.find_column(path, obs, (CELL,))
    inside = np.flatnonzero(obs[number].astype(str).str.strip() != OUTSIDE)
    obs.index = pd.Index(cell_names(path, obs), dtype=object)
    measurement = Measurement(str(path), obs, {"matrix": lambda: (matrix, features)}, platform="cosmx")
    if len(inside) < len(obs):
        warn(str(path), f"{len(obs) - len(inside)} rows with {number} {OUTSIDE} are outside the cells, left out")
        measurement.keep(inside)
    if not len(inside):
        raise InputError(str(path), f"every row has {number} {OUTSIDE}, outside the cells", "cells")
    return [measurement]


def _kind(names: pd.Index, values: np.ndarray) -> str:
    """Return the type of the features in 10x terms; "" if the file does not show it."""
    if names.str.fullmatch(CONTROL).any():
        return "Gene Expression"
    return "Protein Expression" if (values != np.floor(values)).any() else ""
