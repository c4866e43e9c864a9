"""10x Genomics HDF5 matrices (.h5), of Cell Ranger, Cell Ranger ARC and Space Ranger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_hdf5
from spatialweave.io.hdf5 import open_hdf5
from spatialweave.io.measurement import Measurement, reading
from spatialweave.io.stored_counts import CompressedRows, Opener, is_by_blocks

if TYPE_CHECKING:
    from scipy import sparse


def read(path: Path) -> list[Measurement]:
    """Read the matrix of a 10x .h5 file with all feature types; it is loaded when it is needed."""
    fix = "give a filtered_feature_bc_matrix.h5; name AnnData files .h5ad, MuData .h5mu"
    with reading(path, "10x .h5 file", fix), open_hdf5(path) as file:
        check_hdf5(path, file)
        if len(file) > 1 and all(f"{name}/barcodes" in file for name in file):
            raise InputError(
                str(path),
                f"holds a matrix for each of the genomes {', '.join(file)}, as Cell Ranger 2 wrote them",
                "a file of one genome",
                "write the matrix of one genome to an .h5ad file with scanpy.read_10x_h5(..., genome=...)",
            )
        # Version 2 has a group for each genome.
        group = file["matrix"] if "matrix" in file else next(iter(file.values()))
        barcodes = pd.Index(group["barcodes"][:].astype(str), dtype=object)

    @contextmanager
    def open_matrix() -> Iterator[CompressedRows]:
        with open_hdf5(path) as file:
            yield _barcodes_in_rows(file["matrix"])

    def load() -> tuple[sparse.csr_matrix | Opener, pd.DataFrame]:
        with open_hdf5(path) as file:
            if "matrix/features" in file:
                group = file["matrix"]
                matrix = open_matrix if is_by_blocks(_barcodes_in_rows(group)) else _read_whole(group)
                return matrix, _features(group)
        import scanpy

        data = scanpy.read_10x_h5(path, gex_only=False)
        return data.X, data.var

    return [Measurement(str(path), pd.DataFrame(index=barcodes), {"matrix": load})]


def _barcodes_in_rows(group: Any) -> CompressedRows:
    """Return the matrix of version 3, which is stored barcode by barcode."""
    n_features, n_barcodes = (int(length) for length in group["shape"][:])
    return CompressedRows(group["data"], group["indices"], group["indptr"], (n_barcodes, n_features))


def _read_whole(group: Any) -> sparse.csr_matrix:
    """Read the whole matrix of version 3; HDF5 converts the types, which takes half the memory of scanpy."""
    from scipy import sparse

    n_features, n_barcodes = (int(length) for length in group["shape"][:])
    data = group["data"].astype(np.float32)[:]
    # A number that does not fit becomes the largest that does, and is refused with the matrix.
    kind = np.int32 if len(data) < 2**31 else np.int64
    indices, indptr = group["indices"].astype(kind)[:], group["indptr"].astype(kind)[:]
    return sparse.csr_matrix((data, indices, indptr), shape=(n_barcodes, n_features))


def _features(group: Any) -> pd.DataFrame:
    """Return the features of version 3, as in scanpy."""
    n_features = int(group["shape"][0])
    # Records and opaque bytes are ignored.
    columns = {
        name: item[:]
        for name, item in group["features"].items()
        if getattr(item, "shape", None) == (n_features,) and item.dtype.kind in "SObiuf"
    }
    texts = {name: values.astype(str) if values.dtype.kind in "SO" else values for name, values in columns.items()}
    names, ids = texts.pop("name"), texts.pop("id")
    features = {"gene_ids": ids, "feature_types": texts.pop("feature_type"), **texts}
    return pd.DataFrame(features, index=pd.Index(names, dtype=object))
