"""AnnData in HDF5 (.h5ad)."""

from __future__ import annotations

from pathlib import Path

from spatialweave.io.bounds import check_hdf5
from spatialweave.io.measurement import Measurement, reading
from spatialweave.io.readers.store import measure


def read(path: Path) -> list[Measurement]:
    """The one matrix of an .h5ad file."""
    import h5py

    with reading(path, ".h5ad file"):
        with h5py.File(path, "r") as file:
            check_hdf5(path, file)
        return [measure(str(path), lambda: h5py.File(path, "r"))]
