"""10x Genomics HDF5 matrices (.h5), of Cell Ranger, Cell Ranger ARC and Space Ranger."""

from __future__ import annotations

from pathlib import Path

from spatialweave.io.bounds import check_hdf5
from spatialweave.io.measurement import Measurement, reading


def read(path: Path) -> list[Measurement]:
    """The matrix of a 10x .h5 file, all feature types."""
    import h5py
    import scanpy

    with reading(path, "10x .h5 file", "give a filtered_feature_bc_matrix.h5; name AnnData files .h5ad, MuData .h5mu"):
        with h5py.File(path, "r") as file:
            check_hdf5(path, file)
        data = scanpy.read_10x_h5(path, gex_only=False)
    return [Measurement(str(path), data.obs, {"matrix": lambda: (data.X, data.var)})]
