"""Files that are read by blocks of spots give the section that they give in one piece, and the same complaints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import mudata
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io import contract, count_matrix, stored_counts
from spatialweave.io.section import Section, SectionInput, understand_section

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

N, GENES = 60, [f"g{i}" for i in range(11)]
SPOTS = [f"b{i}" for i in range(N)]
DENSE = np.where(np.random.default_rng(0).random((N, 11)) < 0.3, 1.0 + np.arange(11 * N).reshape(N, 11), 0.0)
TYPES = ["Gene Expression"] * 6 + ["Antibody Capture"] * 3 + ["Custom"] * 2
PLACES = np.array([(i % 8, i // 8) for i in range(N)], dtype=float)
SECOND = np.arange(N) % 4 > 1
"""The spots of section "two"."""

ONE_PIECE, SMALL = 4_000_000, 7


def unsorted(dense: np.ndarray) -> sparse.csr_matrix:
    """Every row from the last feature to the first, each value as two that add up to it, and a stored zero."""
    columns = [np.concatenate([[0], np.repeat(np.flatnonzero(row)[::-1], 2)]) for row in dense]
    values = [np.concatenate([[0.0], np.repeat(row[row != 0][::-1], 2) / 2]) for row in dense]
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in columns])])
    return sparse.csr_matrix((np.concatenate(values), np.concatenate(columns), indptr), shape=dense.shape)


def wide(dense: np.ndarray) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix(dense)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "CSR": lambda dense: sparse.csr_matrix(dense, dtype=np.float32),
    "CSC": sparse.csc_matrix,
    "dense": np.asarray,
    "whole numbers": lambda dense: sparse.csr_matrix(dense.astype(np.int64)),
    "64-bit indices": wide,
    "unsorted": unsorted,
}


def adata(matrix: Any, spots: list[str] = SPOTS, **var: list[str]) -> anndata.AnnData:
    obs = pd.DataFrame({"part": np.where(SECOND, "two", "one"), "in_tissue": 1}, index=SPOTS).loc[spots]
    data = anndata.AnnData(matrix, obs=obs, var=pd.DataFrame(var, index=GENES))
    data.obsm["spatial"] = PLACES[[SPOTS.index(spot) for spot in spots]]
    return data


def h5ad(path: Path, matrix: Any, **var: list[str]) -> Path:
    adata(matrix, **var).write_h5ad(path)
    return path


def read(path: Path, block: int, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Section:
    monkeypatch.setattr(count_matrix, "BLOCK_ENTRIES", block)
    given = {"files": {"rna": path}, "section": "s", **more}
    return understand_section(SectionInput("d", **given))[0]


def written(section: Section, path: Path) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of the counts of each modality in the file that INGEST writes."""
    contract.write(section.data, path, counts=section.counts)
    with h5py.File(path) as file:
        return {
            name: {key: group["X"][key][...] for key in ("data", "indices", "indptr")}
            for name, group in file["mod"].items()
        }


def holds(arrays: dict[str, np.ndarray], dense: np.ndarray) -> None:
    """The counts are canonical CSR of `dense`."""
    rows, columns = np.nonzero(dense)
    np.testing.assert_array_equal(arrays["data"], dense[rows, columns].astype(np.float32))
    np.testing.assert_array_equal(arrays["indices"], columns)
    np.testing.assert_array_equal(arrays["indptr"], np.concatenate([[0], np.cumsum((dense != 0).sum(axis=1))]))


@pytest.mark.parametrize("block", [SMALL, ONE_PIECE], ids=["many blocks", "one block"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_anndata(ending: str, form: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"rna.{ending}"
    data = adata(FORMS[form](DENSE), feature_types=TYPES)
    data.write_zarr(path) if ending == "zarr" else data.write_h5ad(path)
    both = written(read(path, block, monkeypatch, files={}, multi=path), tmp_path / "both.h5mu")
    holds(both["rna"], DENSE[:, :6])
    holds(both["adt"], DENSE[:, 6:9])
    some = written(
        read(path, block, monkeypatch, section="two", section_column="part", files={"adt": path}),
        tmp_path / "some.h5mu",
    )
    holds(some["adt"], DENSE[SECOND][:, 6:9])


@pytest.mark.parametrize("block", [SMALL, ONE_PIECE], ids=["many blocks", "one block"])
def test_mudata_and_tenx(block: int, tmp_path: Path, write_tenx_h5, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {
        "rna": adata(sparse.csr_matrix(DENSE[:50]), SPOTS[:50]),
        "adt": adata(sparse.csr_matrix(DENSE[5:] * 2), SPOTS[5:]),
    }
    mudata.MuData(parts).write(tmp_path / "both.h5mu")
    found = written(
        read(tmp_path, block, monkeypatch, files={}, multi=tmp_path / "both.h5mu"), tmp_path / "mudata.out.h5mu"
    )
    holds(found["rna"], DENSE[:50])
    holds(found["adt"], DENSE[5:] * 2)
    tenx = write_tenx_h5(tmp_path / "m.h5", SPOTS, list(zip(GENES, TYPES, strict=True)), DENSE.astype(int))
    with h5py.File(tenx, "r+") as file:
        # Cell Ranger sorts the features of a barcode, other programs may not.
        last = slice(file["matrix/indptr"][-2], file["matrix/indptr"][-1])
        for name in ("data", "indices"):
            file[f"matrix/{name}"][last] = file[f"matrix/{name}"][last][::-1]
    table = pd.DataFrame({"barcode": SPOTS, "x": PLACES[:, 0], "y": PLACES[:, 1]})
    table.assign(in_tissue=SECOND.astype(int)).to_csv(tmp_path / "xy.csv", index=False)
    more = {"files": {}, "multi": tenx, "spatial": tmp_path / "xy.csv"}
    found = written(read(tenx, block, monkeypatch, **more), tmp_path / "tenx.h5mu")
    holds(found["rna"], DENSE[SECOND][:, :6])
    holds(found["adt"], DENSE[SECOND][:, 6:9])


@pytest.mark.parametrize("form", ["CSR", "whole numbers", "64-bit indices", "unsorted", "dense"])
def test_no_more_than_a_block_is_read(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    get = h5py.Dataset.__getitem__

    def counted(dataset: h5py.Dataset, *arguments: Any, **more: Any) -> Any:
        values = get(dataset, *arguments, **more)
        if dataset.name in ("/X", "/X/data", "/X/indices"):
            lengths.append(np.size(values))
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    path = h5ad(tmp_path / "rna.h5ad", FORMS[form](DENSE))
    found = written(read(path, SMALL, monkeypatch), tmp_path / "out.h5mu")
    holds(found["rna"], DENSE)
    with h5py.File(path) as file:
        per_row = np.full(N, 11) if form == "dense" else np.diff(get(file["X/indptr"], ...))
    # Blocks of rows are cut by the mean number of entries: 7 of them are two rows at most.
    assert len(lengths) > N / 2
    assert max(lengths) <= 2 * per_row.max()


def stored_anew(file: h5py.File, chunk: int, n_more: int = 0) -> None:
    """Other chunks, and further values behind those of the last row, which nothing refers to."""
    for name in ("data", "indices"):
        values = file[f"X/{name}"][...]
        del file[f"X/{name}"]
        file["X"].create_dataset(name, data=np.concatenate([values, values[:n_more]]), chunks=(chunk,))


@pytest.mark.parametrize(("chunk", "n_more", "by_blocks"), [(16, 0, True), (17, 0, False), (16, 3, False)])
def test_what_is_odd_is_read_whole(
    chunk: int, n_more: int, by_blocks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_counts, "LONGEST_CHUNK", 16)
    path = h5ad(tmp_path / "rna.h5ad", sparse.csr_matrix(DENSE))
    with h5py.File(path, "r+") as file:
        stored_anew(file, chunk, n_more)
    section = read(path, SMALL, monkeypatch)
    assert bool(section.counts) == by_blocks
    holds(written(section, tmp_path / "out.h5mu")["rna"], DENSE)


@pytest.mark.parametrize("form", ["CSR", "dense"])
def test_half_precision_is_refused_as_by_scipy(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = h5ad(tmp_path / "rna.h5ad", FORMS[form](DENSE))
    with h5py.File(path, "r+") as file:
        name = "X/data" if form == "CSR" else "X"
        values, attributes = file[name][...].astype(np.float16), dict(file[name].attrs)
        del file[name]
        file[name] = values
        file[name].attrs.update(attributes)
    with pytest.raises(InputError, match=r"readable matrix in X \(scipy\.sparse does not support dtype float16"):
        read(path, SMALL, monkeypatch)


def test_a_negative_number_of_features_is_told(tmp_path: Path, write_tenx_h5, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tenx_h5(tmp_path / "m.h5", SPOTS, [(gene, "Gene Expression") for gene in GENES], DENSE.astype(int))
    with h5py.File(path, "r+") as file:
        file["matrix/shape"][0] = -7
    with pytest.raises(InputError, match=r"'shape' elements cannot be negative"):
        read(path, SMALL, monkeypatch)


def test_dense_chunks_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are whole chunks, unless these are larger than what may be in memory."""
    path = h5ad(tmp_path / "rna.h5ad", DENSE)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file.create_dataset("X", data=DENSE, chunks=(8, 3), compression="gzip")
    holds(written(read(path, SMALL, monkeypatch), tmp_path / "out.h5mu")["rna"], DENSE)
    blocks = {
        (block, most): [one.shape[0] for one in _blocks(path, block, most, monkeypatch)]
        for block, most in ((SMALL, 1000), (SMALL, 33), (220, 1000))
    }
    assert blocks == {
        (SMALL, 1000): [8] * 7 + [4],
        (SMALL, 33): [3] * 20,
        (220, 1000): [16] * 3 + [12],
    }


def _blocks(path: Path, block: int, most: int, monkeypatch: pytest.MonkeyPatch) -> list[sparse.csr_matrix]:
    monkeypatch.setattr(stored_counts, "LONGEST_CHUNK", most)
    return list(read(path, block, monkeypatch).counts["rna"].blocks())


@pytest.mark.parametrize("block", [SMALL, ONE_PIECE], ids=["many blocks", "one block"])
@pytest.mark.parametrize("form", ["CSR", "CSC", "dense"])
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({(51, 2): -1.0}, r"row 52 \('b51'\), column 'g2': value -1 is negative"),
        ({(44, 3): 0.5}, r"row 45 \('b44'\), column 'g3': value 0.5 is not a whole number"),
        ({(59, 10): np.nan}, r"row 60 \('b59'\), column 'g10': value nan is not finite"),
        # What is not finite is told first, then what is negative; of several the first in the file.
        (
            {(3, 1): 0.5, (4, 7): -2.0, (50, 9): np.inf, (50, 2): np.nan, (51, 0): np.nan},
            r"row 51 \('b50'\), column 'g2': value nan",
        ),
        ({(3, 1): 0.5, (40, 8): -2.0, (40, 4): -3.0, (41, 0): -4.0}, r"row 41 \('b40'\), column 'g4': value -3 is neg"),
        ({(7, 1): 1e300}, r"row 8 \('b7'\), column 'g1': value inf is not finite"),
    ],
)
def test_a_value_that_is_no_count_is_named(
    values: dict[tuple[int, int], float],
    words: str,
    form: str,
    block: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = DENSE.copy()
    for place, value in values.items():
        wrong[place] = value
    kind = {"CSR": sparse.csr_matrix, "CSC": sparse.csc_matrix, "dense": np.asarray}[form]
    with pytest.raises(InputError, match=rf"rna\.h5ad, X, {words}"):
        read(h5ad(tmp_path / "rna.h5ad", kind(wrong)), block, monkeypatch)


def test_values_of_other_spots_and_features_may_be_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = DENSE.copy()
    wrong[:, 9], wrong[~SECOND, 4] = np.nan, -1.0
    path = h5ad(tmp_path / "rna.h5ad", sparse.csr_matrix(wrong), feature_types=TYPES)
    section = read(path, SMALL, monkeypatch, section="two", section_column="part")
    holds(written(section, tmp_path / "out.h5mu")["rna"], DENSE[SECOND][:, :6])
    # Rows are counted among the spots of the section.
    wrong[np.flatnonzero(SECOND)[20], 4] = -7.0
    path = h5ad(tmp_path / "rna.h5ad", sparse.csr_matrix(wrong), feature_types=TYPES)
    with pytest.raises(InputError, match=rf"row 21 \('{np.array(SPOTS)[SECOND][20]}'\), column 'g4': value -7"):
        read(path, SMALL, monkeypatch, section="two", section_column="part")


@pytest.mark.parametrize("block", [SMALL, ONE_PIECE], ids=["many blocks", "one block"])
@pytest.mark.parametrize(
    ("array", "at", "value", "words"),
    [
        ("indices", -2, 11, "indices must be < 11"),
        ("indices", -2, 2**40, "indices must be < 11"),
        ("indices", -2, -1, "indices must be >= 0"),
        ("indptr", 50, 0, "indptr must be a non-decreasing sequence"),
        ("indptr", -1, 10**6, "Last value of index pointer should be less than the size"),
        ("indptr", 0, 1, "index pointer should start with 0"),
    ],
)
@pytest.mark.parametrize("ending", ["h5ad", "h5"])
def test_damage_of_the_last_rows_is_told(
    ending: str,
    array: str,
    at: int,
    value: int,
    words: str,
    block: int,
    tmp_path: Path,
    write_tenx_h5,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In scipy's words, whether the matrix is read by blocks or in one piece."""
    path, inner, slot = tmp_path / f"rna.{ending}", "X", "X"
    if ending == "h5ad":
        h5ad(path, sparse.csr_matrix(DENSE))
    else:
        write_tenx_h5(path, SPOTS, [(gene, "Gene Expression") for gene in GENES], DENSE.astype(int))
        inner = slot = "matrix"
    with h5py.File(path, "r+") as file:
        values = file[f"{inner}/{array}"][...].astype(np.int64)
        values[at] = value
        del file[f"{inner}/{array}"]
        file[f"{inner}/{array}"] = values
    with pytest.raises(InputError, match=rf"is not a readable matrix in {slot} \({words}"):
        read(path, block, monkeypatch)


def test_chunks_that_are_lost_or_damaged_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adata(sparse.csr_matrix(DENSE)).write_zarr(tmp_path / "rna.zarr")
    values = zarr.open_group(tmp_path / "rna.zarr", mode="r")["X/data"]
    group = zarr.open_group(tmp_path / "rna.zarr", mode="r+")["X"]
    group.create_array("data", data=values[...], chunks=(16,), overwrite=True)
    zarr.consolidate_metadata(tmp_path / "rna.zarr")
    assert read(tmp_path / "rna.zarr", SMALL, monkeypatch).counts
    last = max((tmp_path / "rna.zarr" / "X" / "data").rglob("[0-9]*"), key=lambda file: int(file.name))
    last.write_bytes(b"no chunk")
    with pytest.raises(InputError, match=r"rna\.zarr"):
        read(tmp_path / "rna.zarr", SMALL, monkeypatch)


@pytest.mark.parametrize("form", ["CSR", "CSC", "unsorted", "dense"])
def test_one_matrix_given_twice_is_refused(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the form, and so the blocks, of the second."""
    rna = h5ad(tmp_path / "rna.h5ad", sparse.csr_matrix(DENSE))
    adt = h5ad(tmp_path / "adt.h5ad", FORMS[form](DENSE))
    with pytest.raises(InputError, match="adt is the same matrix as rna"):
        read(rna, SMALL, monkeypatch, files={"rna": rna, "adt": adt})
    other = DENSE.copy()
    other[59, np.flatnonzero(other[59])[-1]] += 1
    adt = h5ad(tmp_path / "adt.h5ad", FORMS[form](other))
    found = written(read(rna, SMALL, monkeypatch, files={"rna": rna, "adt": adt}), tmp_path / "out.h5mu")
    holds(found["adt"], other)


def test_the_layer_of_counts_is_found_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = adata(sparse.csr_matrix(DENSE / 3))
    data.layers["umi"], data.layers["log"] = sparse.csr_matrix(DENSE), sparse.csr_matrix(np.log1p(DENSE))
    data.write_h5ad(tmp_path / "rna.h5ad")
    with pytest.raises(InputError, match=r"column layer: umi \(whole numbers\)"):
        read(tmp_path / "rna.h5ad", SMALL, monkeypatch)
    section = read(tmp_path / "rna.h5ad", SMALL, monkeypatch, layers={"": "umi"})
    holds(written(section, tmp_path / "out.h5mu")["rna"], DENSE)
