"""Sizes by the headers of files."""

from __future__ import annotations

import gzip
from pathlib import Path

import anndata
import h5py
import mudata
import numpy as np
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.sizes import DatasetSize, dataset_size, matrix_sizes

COUNTS = sparse.csr_matrix(np.array([[0, 1, 2], [0, 0, 3], [4, 0, 0], [0, 5, 0]], dtype=np.float32))


def h5ad(path: Path, counts: object = COUNTS, **parts: object) -> Path:
    """AnnData of four spots and three features, five values above 0."""
    anndata.AnnData(counts, **parts).write_h5ad(path)
    return path


def test_sparse_counts(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "a.h5ad")
    (size,) = matrix_sizes(path)
    assert (size.spots, size.features, size.values, size.guessed) == (4, 3, 5, False)
    assert size.bytes == path.stat().st_size


def test_the_layer_of_counts_comes_before_x_and_every_value_of_a_dense_matrix_counts(tmp_path: Path) -> None:
    dense = np.ones((4, 3), dtype=np.float32)
    (size,) = matrix_sizes(h5ad(tmp_path / "a.h5ad", dense))
    assert size.values == 12
    (size,) = matrix_sizes(h5ad(tmp_path / "b.h5ad", dense, layers={"counts": COUNTS}))
    assert size.values == 5


def test_modalities_of_one_file(tmp_path: Path) -> None:
    other = sparse.csr_matrix(np.ones((4, 2), dtype=np.float32))
    parts = {"rna": anndata.AnnData(COUNTS), "adt": anndata.AnnData(other)}
    mudata.MuData(parts).write(tmp_path / "a.h5mu")
    sizes = sorted((size.features, size.values) for size in matrix_sizes(tmp_path / "a.h5mu"))
    assert sizes == [(2, 8), (3, 5)]
    assert dataset_size([[tmp_path / "a.h5mu"]]).bytes == (tmp_path / "a.h5mu").stat().st_size


def test_the_matrix_of_a_machines_folder(tmp_path: Path) -> None:
    folder = tmp_path / "outs"
    folder.mkdir()
    (folder / "morphology.tif").write_bytes(bytes(10_000))
    with h5py.File(folder / "raw_feature_bc_matrix.h5", "w") as file:
        file["matrix/shape"], file["matrix/data"], file["matrix/barcodes"] = [3, 99], np.ones(50), np.zeros(99)
    with h5py.File(folder / "filtered_feature_bc_matrix.h5", "w") as file:
        file["matrix/shape"], file["matrix/data"], file["matrix/barcodes"] = [3, 4], np.ones(5), np.zeros(4)
    (size,) = matrix_sizes(folder)
    assert (size.spots, size.features, size.values) == (4, 3, 5)
    assert size.bytes == sum(path.stat().st_size for path in folder.glob("*.h5"))


def test_modalities_of_a_10x_file(tmp_path: Path) -> None:
    kinds = ["Antibody Capture"] * 2 + ["Gene Expression"] * 3 + ["Blank Codeword"]
    with h5py.File(tmp_path / "filtered_feature_bc_matrix.h5", "w") as file:
        file["matrix/shape"], file["matrix/data"], file["matrix/barcodes"] = [6, 4], np.ones(5), np.zeros(4)
        file["matrix/features/feature_type"] = np.array(kinds, dtype="S")
    sizes = matrix_sizes(tmp_path / "filtered_feature_bc_matrix.h5")
    assert [(size.spots, size.features) for size in sizes] == [(4, 2), (4, 3)]
    size = dataset_size([[tmp_path / "filtered_feature_bc_matrix.h5"]])
    assert (size.spots, size.values, size.features) == (4, 5, (2, 3))
    assert size.bytes == (tmp_path / "filtered_feature_bc_matrix.h5").stat().st_size


def test_the_first_line_of_a_matrix_market_file(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "matrix.mtx.gz", "wt") as file:
        file.write("%%MatrixMarket matrix coordinate integer general\n% made by hand\n3 4 5\n1 2 1\n")
    (size,) = matrix_sizes(tmp_path / "matrix.mtx.gz")
    assert (size.spots, size.features, size.values) == (4, 3, 5)


@pytest.mark.parametrize("features", ["features.tsv.gz", "features.tsv"])
def test_modalities_of_a_matrix_market_file_are_in_the_table_beside_it(tmp_path: Path, features: str) -> None:
    with gzip.open(tmp_path / "GSM1_matrix.mtx.gz", "wt") as file:
        file.write("%%MatrixMarket matrix coordinate integer general\n5 700 9000\n1 1 3\n")
    types = ["Gene Expression"] * 3 + ["Antibody Capture"] * 2
    text = "".join(f"id{i}\tname{i}\t{kind}\n" for i, kind in enumerate(types))
    beside = tmp_path / f"GSM1_{features}"
    beside.write_bytes(gzip.compress(text.encode()) if features.endswith(".gz") else text.encode())
    rna, adt = matrix_sizes(tmp_path / "GSM1_matrix.mtx.gz")
    assert (rna.spots, rna.features, rna.values) == (700, 3, 9000)
    assert (adt.spots, adt.features, adt.values, adt.bytes) == (700, 2, 0, 0)
    # A matrix of another name is not of that table.
    (tmp_path / "other.mtx.gz").write_bytes((tmp_path / "GSM1_matrix.mtx.gz").read_bytes())
    beside.with_name(features).write_bytes(beside.read_bytes())
    assert [size.features for size in matrix_sizes(tmp_path / "other.mtx.gz")] == [5]
    # Space Ranger 1 wrote no types.
    beside.write_bytes(gzip.compress(b"id\tname\n" * 5) if features.endswith(".gz") else b"id\tname\n" * 5)
    assert [size.features for size in matrix_sizes(tmp_path / "GSM1_matrix.mtx.gz")] == [5]


def test_other_files_are_guessed_from_their_size(tmp_path: Path) -> None:
    (tmp_path / "counts.csv").write_bytes(b"," * 10_000)
    (size,) = matrix_sizes(tmp_path / "counts.csv")
    assert (size.spots, size.values, size.guessed) == (10, 3000, True)


def test_sections_add_up_and_modalities_share_their_spots(tmp_path: Path) -> None:
    rna, adt = h5ad(tmp_path / "rna.h5ad"), h5ad(tmp_path / "adt.h5ad")
    second = h5ad(tmp_path / "second.h5ad")
    found = dataset_size([[rna, adt], [second]])
    assert found == DatasetSize(8, 15, (3, 3), rna.stat().st_size + adt.stat().st_size, guessed=False)
    # A file from which a column selects several sections holds all of them.
    assert dataset_size([[rna], [rna]]).spots == 4


@pytest.mark.parametrize("name", ["a.h5ad", "a.h5", "a.mtx", "a.mtx.gz"])
def test_damaged_and_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=name):
        matrix_sizes(tmp_path / name)
    (tmp_path / name).write_text("%\nnot three numbers but words\n")
    with pytest.raises(InputError, match=name):
        matrix_sizes(tmp_path / name)
