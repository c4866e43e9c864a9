"""10x Genomics HDF5 matrices (.h5), of Cell Ranger, Cell Ranger ARC and Space Ranger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spatialweave.io.bounds import check_hdf5
from spatialweave.io.measurement import Measurement, reading

if TYPE_CHECKING:
    from scipy import sparse


def read(path: Path) -> list[Measurement]:
    """The matrix of a 10x .h5 file, all feature types; it is loaded when it is needed."""
    import h5py

    fix = "give a filtered_feature_bc_matrix.h5; name AnnData files .h5ad, MuData .h5mu"
    with (
        reading(path, "10x .h5 file", fix),
        h5py.File(path, "r") as file,
    ):
        check_hdf5(path, file)
        # Version 2 has a group for each genome, and scanpy reads files of one genome.
        group = file["matrix"] if "matrix" in file else next(iter(file.values()))
        barcodes = group["barcodes"][:].astype(str)

    def load() -> tuple[sparse.csr_matrix, pd.DataFrame]:
        import scanpy

        data = scanpy.read_10x_h5(path, gex_only=False)
        return data.X, data.var

    return [Measurement(str(path), pd.DataFrame(index=pd.Index(barcodes, dtype=object)), {"matrix": load})]
