"""MERSCOPE output folders: cell_by_gene.csv and cell_metadata.csv (positions in micrometres)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spatialweave.io.column_names import CONTROL
from spatialweave.io.measurement import Measurement
from spatialweave.io.readers import table
from spatialweave.io.readers.cells import named_by, place, read_cells
from spatialweave.io.readers.folder import find, need

COUNTS, CELLS = "cell_by_gene.csv", "cell_metadata.csv"
NAMES = ("entityid", "cell", "cell_id", "")
"""Names of the column of cells, in the versions of the software."""


def is_merscope(path: Path) -> bool:
    """Return whether a folder was written by MERSCOPE."""
    return find(path, COUNTS) is not None


def read(path: Path) -> list[Measurement]:
    """Read the matrix of a MERSCOPE folder without blank barcodes."""
    cells_file = need(path, CELLS, what="the table of cells of a MERSCOPE folder")
    (measurement,) = table.read(need(path, COUNTS, what="a MERSCOPE folder"))
    matrix, features = measurement.slots["matrix"]()
    blank = features.index.str.fullmatch(CONTROL)
    features["feature_types"] = np.where(blank, "Blank", "Gene Expression")
    measurement.slots = {"matrix": lambda: (matrix, features)}
    measurement.turned = None
    place(measurement, read_cells(cells_file, NAMES, named_by(*NAMES)), cells_file)
    measurement.where, measurement.platform = str(path), "merfish"
    return [measurement]
