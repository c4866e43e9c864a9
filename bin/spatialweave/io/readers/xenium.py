"""Xenium output folders: the cell-feature matrix and the table of cells (positions in micrometres).

Described by 10x Genomics under "Understanding Xenium Outputs". The features of other types than genes and proteins are
controls: negative control probes and codewords, unassigned, deprecated and blank codewords, genomic controls.
"""

from __future__ import annotations

from pathlib import Path

from spatialweave.errors import InputError
from spatialweave.io.measurement import Measurement
from spatialweave.io.readers import tenx_h5, tenx_matrix
from spatialweave.io.readers.cells import named_by, place, read_cells
from spatialweave.io.readers.folder import find, need

MATRIX = "cell_feature_matrix"


def is_xenium(path: Path) -> bool:
    """Whether a folder is what Xenium writes."""
    return (path / "experiment.xenium").is_file() or find(path, f"{MATRIX}.h5", MATRIX) is not None


def read(path: Path) -> list[Measurement]:
    """The matrix of a Xenium folder; proteins are intensities."""
    cells_file = need(path, "cells.parquet", "cells.csv", what="the table of cells of a Xenium folder")
    measurement = _matrix(path)
    place(measurement, read_cells(cells_file, ("cell_id",), named_by("cell_id", "")), cells_file)
    measurement.where, measurement.platform = str(path), "xenium"
    return [measurement]


def _matrix(path: Path) -> Measurement:
    found = find(path, f"{MATRIX}.h5", MATRIX)
    if found is None:
        raise InputError(
            str(path),
            f"has no {MATRIX}.h5 or folder {MATRIX}",
            "a Xenium output folder",
            f"copy it, or unpack {MATRIX}.tar.gz",
        )
    if found.is_dir() and not tenx_matrix.is_matrix_folder(found):
        raise InputError(str(found), "holds no matrix.mtx", "a 10x matrix folder", "copy the whole folder")
    return (tenx_matrix if found.is_dir() else tenx_h5).read(found)[0]
