"""AnnData in HDF5 (.h5ad)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from spatialweave.io.bounds import check_hdf5
from spatialweave.io.hdf5 import open_hdf5
from spatialweave.io.measurement import Measurement, reading
from spatialweave.io.readers.store import measure


def read(path: Path) -> list[Measurement]:
    """Read the matrix of an .h5ad file."""
    with reading(path, ".h5ad file"):
        with open_hdf5(path) as file:
            check_hdf5(path, file)
        return [measure(str(path), partial(open_hdf5, path))]
