"""Xenium output folders: the cell-feature matrix and the table of cells (positions in micrometres).

10x Genomics describes them under "Understanding Xenium Outputs". Features of types other than genes and proteins are
controls: negative control probes and codewords, unassigned, deprecated and blank codewords, genomic controls.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import stored_blocks
from spatialweave.io.measurement import Loader, Measurement
from spatialweave.io.readers import tenx_h5, tenx_matrix, xenium_transcripts
from spatialweave.io.readers.cells import named_by, place, read_cells
from spatialweave.io.readers.folder import find, need
from spatialweave.io.stored_counts import as_counts

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

MATRIX = "cell_feature_matrix"
TRANSCRIPTS = "transcripts.parquet"


def is_xenium(path: Path) -> bool:
    """Return whether a folder was written by Xenium."""
    return (path / "experiment.xenium").is_file() or find(path, f"{MATRIX}.h5", MATRIX) is not None


def read(path: Path) -> list[Measurement]:
    """Read the matrix of a Xenium folder; its layers count selected transcripts. Proteins are intensities."""
    cells_file = need(path, "cells.parquet", "cells.csv", what="the table of cells of a Xenium folder")
    measurement = _matrix(path)
    measurement.layers = {
        name: _layer(path, measurement, choice) for name, choice in xenium_transcripts.CHOICES.items()
    }
    place(measurement, read_cells(cells_file, ("cell_id",), named_by("cell_id", "")), cells_file)
    measurement.where, measurement.platform = str(path), "xenium"
    return [measurement]


def _matrix(path: Path) -> Measurement:
    matrix = find(path, f"{MATRIX}.h5", MATRIX)
    if matrix is None:
        raise InputError(
            str(path),
            f"has no {MATRIX}.h5 or folder {MATRIX}",
            "a Xenium output folder",
            f"copy it, or unpack {MATRIX}.tar.gz",
        )
    if matrix.is_dir() and not tenx_matrix.is_matrix_folder(matrix):
        raise InputError(str(matrix), "holds no matrix.mtx", "a 10x matrix folder", "copy the whole folder")
    return (tenx_matrix if matrix.is_dir() else tenx_h5).read(matrix)[0]


def _layer(path: Path, measurement: Measurement, choice: xenium_transcripts.Choice) -> Loader:
    """Return a loader of the matrix with the genes counted from selected transcripts."""
    cells, load_matrix = measurement.obs.index, measurement.slots["matrix"]

    def load() -> tuple[sparse.spmatrix, pd.DataFrame]:
        from scipy.sparse import hstack, vstack

        file = need(path, TRANSCRIPTS, what="the table of transcripts, which such a layer counts")
        matrix, features = load_matrix()
        is_gene = (features["feature_types"] == "Gene Expression").to_numpy()
        others = vstack([block[:, ~is_gene] for block in stored_blocks(as_counts(matrix))], format="csr")
        counts = xenium_transcripts.count(file, cells, features.index[is_gene], choice)
        order = np.argsort(~is_gene, kind="stable")
        return hstack([counts, others], format="csr"), features.iloc[order]

    return load
