"""DBiT-seq folders, as in GEO: a matrix whose pixels are called "12x7", and position.txt with those in the tissue."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.coordinates import in_names
from spatialweave.io.measurement import Measurement
from spatialweave.io.notices import warn
from spatialweave.io.readers import table
from spatialweave.io.readers.folder import find

POSITIONS = ("position.txt", "positions.txt")
"""Files with the names of the pixels in the tissue, on one line."""


def is_dbit(path: Path) -> bool:
    """Return whether a folder holds a list of pixels and text tables."""
    return find(path, *POSITIONS) is not None and bool(_matrices(path))


def _matrices(path: Path) -> list[Path]:
    listed = find(path, *POSITIONS)
    files = [
        file for file in sorted(path.iterdir()) if file.is_file() and file != listed and tables.is_text_table(file)
    ]
    return [file for file in files if len(tables.read_header(file)) > 1]


def read(path: Path) -> list[Measurement]:
    """Read the only matrix of a folder, restricted to the pixels in the tissue; the modality is not named."""
    matrix, *others = _matrices(path)
    if others:
        listed = ", ".join(file.name for file in (matrix, *others))
        raise InputError(str(path), f"holds several tables ({listed})", "one matrix", "make a folder for each")
    measurement = table.read(matrix)[0]
    turned = measurement.turned() if measurement.turned is not None else measurement
    if in_names(turned.obs.index, "") is not None:
        measurement = turned
    measurement.coordinates = in_names(measurement.obs.index, str(matrix))
    if measurement.coordinates is None:
        name = measurement.obs.index[0]
        raise InputError(str(matrix), f"its spots (first: '{name}') have no names like 12x7", "the matrix of DBiT-seq")
    inside = _listed(path, measurement)
    if len(inside) < len(measurement.obs):
        left_out = len(measurement.obs) - len(inside)
        warn(str(path), f"{left_out} of {len(measurement.obs)} pixels are outside the tissue, left out")
        measurement.keep(inside)
    measurement.where, measurement.platform, measurement.turned = str(path), "dbit", None
    return [measurement]


def _listed(path: Path, measurement: Measurement) -> np.ndarray:
    """Return the rows of the pixels in the tissue; a list of other pixels is refused."""
    file = find(path, *POSITIONS) or path / POSITIONS[0]
    with tables.open_text(file) as stream:
        names = {name.strip() for line in stream for name in line.replace("\t", ",").split(",")} - {""}
    inside = np.flatnonzero(measurement.obs.index.isin(names))
    if not len(inside):
        first = measurement.obs.index[0]
        raise InputError(str(file), f"lists no pixel of the matrix (first: '{first}')", "the pixels in the tissue")
    return inside
