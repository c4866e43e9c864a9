"""Counts that are walked over on disk, against the same matrix in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import read_elem, write_elem
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io import contract, count_matrix
from spatialweave.io.contract import join_modalities, read_h5mu, stamp, write
from spatialweave.io.count_matrix import FeatureSums, feature_sums, in_memory
from spatialweave.io.section_file import read_section_file
from spatialweave.io.stored_counts import StoredCounts

COUNTS = sparse.random(60, 11, 0.3, "csr", np.float32, np.random.default_rng(0), data_rvs=lambda n: np.arange(1, n + 1))
COUNTS.sort_indices()

FORMS = {
    "CSR": COUNTS,
    "CSC": COUNTS.tocsc(),
    "dense": COUNTS.toarray(),
    "whole numbers": COUNTS.astype(np.int64),
    "with zeros": sparse.csr_matrix((COUNTS.data * (COUNTS.data > 9), COUNTS.indices, COUNTS.indptr), copy=True),
}


@pytest.fixture(params=[7, 4_000_000], ids=["many blocks", "one block"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(count_matrix, "BLOCK_ENTRIES", request.param)
    return int(request.param)


def stored(path: Path, matrix: object) -> StoredCounts:
    with h5py.File(path, "w") as file:
        write_elem(file, "X", matrix)

    @contextmanager
    def source() -> Iterator[h5py.Group]:
        with h5py.File(path) as file:
            yield file["X"]

    return StoredCounts(source, nullcontext, lambda _block, _first: None)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("form", FORMS)
def test_blocks_are_the_matrix(form: str, tmp_path: Path) -> None:
    counts = stored(tmp_path / "x.h5", FORMS[form])
    expected = sparse.csr_matrix(FORMS[form], dtype=np.float32, copy=True)
    assert counts.shape == expected.shape
    for _again in range(2):
        found = list(counts.blocks())
        assert all(block.dtype == np.float32 and block.has_canonical_format and block.data.all() for block in found)
        assert (sparse.vstack(found) != expected).nnz == 0
    assert counts.is_canonical == (form == "CSR")
    sums, truth = feature_sums(counts), feature_sums(expected)
    for name in FeatureSums.__annotations__:
        if name != "detected":
            np.testing.assert_array_equal(getattr(sums, name), getattr(truth, name))
    np.testing.assert_array_equal(in_memory(counts).toarray(), expected.toarray())


def section(path: Path, matrix: object) -> Path:
    data = ad.AnnData(
        matrix, obs=pd.DataFrame(index=[f"b{i}" for i in range(60)]), var=pd.DataFrame(index=list("abcdefghijk"))
    )
    obs = pd.DataFrame({"section": "s"}, index=data.obs_names)
    facts = {"dataset": "d", "section": "s", "platform": "square", "layout": "square"}
    uns = {"spatialweave": stamp("section", **facts)}
    write(join_modalities({"rna": data}, obs, np.random.default_rng(0).random((60, 2)), uns), path)
    return path


def arrays(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[f"mod/rna/X/{name}"][...] for name in ("data", "indices", "indptr")}


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("form", FORMS)
def test_counts_are_written_as_from_memory(form: str, tmp_path: Path) -> None:
    """Copied where they are canonical, appended block by block where not: the arrays are those of one piece."""
    file = read_section_file(section(tmp_path / "in.h5mu", FORMS[form]))
    write(file.data, tmp_path / "out.h5mu", counts=dict(file.counts))
    expected = sparse.csr_matrix(FORMS[form], dtype=np.float32, copy=True)
    expected.eliminate_zeros()
    for name, values in arrays(tmp_path / "out.h5mu").items():
        np.testing.assert_array_equal(values, getattr(expected, name))
    again = read_h5mu(tmp_path / "out.h5mu", "section")
    assert again.obs_names.equals(file.data.obs_names) and (expected != again["rna"].X).nnz == 0


def test_bounds_beyond_32_bits_are_written_in_64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_matrix, "BLOCK_ENTRIES", 7)
    file = read_section_file(section(tmp_path / "in.h5mu", FORMS["with zeros"]))
    file.counts["rna"].nnz = 2**31
    write(file.data, tmp_path / "out.h5mu", counts=dict(file.counts))
    assert arrays(tmp_path / "out.h5mu")["indptr"].dtype == np.int64
    with h5py.File(tmp_path / "out.h5mu") as stored_file:
        assert (read_elem(stored_file["mod/rna/X"]) != FORMS["with zeros"]).nnz == 0


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rows", [[3, 4, 5], [51, 7, 30]])
def test_some_spots_are_those_of_the_matrix(form: str, rows: list[int], tmp_path: Path) -> None:
    found = stored(tmp_path / "x.h5", FORMS[form]).at(np.array(rows))
    assert found.dtype == np.float32 and (found != sparse.csr_matrix(FORMS[form])[rows]).nnz == 0


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_some_spots_are_checked(form: Callable[[np.ndarray], object], tmp_path: Path) -> None:
    wrong = COUNTS.toarray()
    wrong[51, 2] = -1
    path = section(tmp_path / "in.h5mu", COUNTS)
    with h5py.File(path, "r+") as file:
        del file["mod/rna/X"]
        write_elem(file, "mod/rna/X", form(wrong))
    (counts,) = read_section_file(path).counts.values()
    with pytest.raises(InputError, match=r"row 'b51', column 'c': value -1 is negative"):
        counts.at(np.array([50, 51]))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("value", "words"), [(-1.0, "is negative"), (0.5, "not a whole number"), (np.nan, "finite")])
def test_a_value_that_is_no_count_is_named(value: float, words: str, tmp_path: Path) -> None:
    wrong = COUNTS.copy()
    wrong.data[COUNTS.indptr[51]] = value
    (counts,) = read_section_file(section(tmp_path / "in.h5mu", wrong)).counts.values()
    with pytest.raises(InputError, match=rf"in\.h5mu, modality rna, X, row 'b51', column '[a-k]': value .*{words}"):
        list(counts.blocks())


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    ("array", "change", "words"),
    [
        ("indptr", lambda values: values[::-1], r"bounds of the rows"),
        ("indptr", lambda values: values[:-1], r"differ in length"),
        ("indptr", lambda values: values + 0.5, r"not whole numbers"),
        ("indices", lambda values: values[:-1], r"differ in length"),
        ("indices", lambda values: values + 11, r"indices"),
        ("data", lambda values: values.astype("S3"), r"not numbers"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(
    array: str, change: Callable[[np.ndarray], np.ndarray], words: str, tmp_path: Path
) -> None:
    path = section(tmp_path / "in.h5mu", COUNTS)
    with h5py.File(path, "r+") as file:
        values = change(file[f"mod/rna/X/{array}"][...])
        del file[f"mod/rna/X/{array}"]
        file[f"mod/rna/X/{array}"] = values
    with pytest.raises(InputError, match=rf"in\.h5mu, modality rna, X.*{words}"):
        list(read_section_file(path).counts["rna"].blocks())


def test_a_matrix_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = section(tmp_path / "in.h5mu", COUNTS)
    with h5py.File(path, "r+") as file:
        del file["mod/rna/X"]
        write_elem(file, "mod/rna/X", COUNTS[:, :5])
    with pytest.raises(InputError, match=r"X: has the shape \(60, 5\); expected \(60, 11\)"):
        read_section_file(path)


def test_all_but_the_counts_is_read_as_by_mudata(tmp_path: Path) -> None:
    path = section(tmp_path / "in.h5mu", COUNTS)
    found, expected = contract.read_without_counts(path, "section"), read_h5mu(path, "section")
    assert found["rna"].X is None
    assert found.obs.equals(expected.obs) and found["rna"].var.equals(expected["rna"].var)
    assert list(found.mod) == list(expected.mod) and found.uns == expected.uns
    assert {key: np.asarray(value).tolist() for key, value in found.obsm.items()} == {
        key: np.asarray(value).tolist() for key, value in expected.obsm.items()
    }
