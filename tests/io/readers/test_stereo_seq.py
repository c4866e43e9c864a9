"""Stereo-seq files, written from the description of SAW's manual, come back as bins and as cells."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.io.section import SectionInput, understand_section

from . import machines
from .reading import section

GENES = ["Actb", "Gad1", "Sst"]


def records(seed: int = 0, n: int = 3000, side: int = 300) -> pd.DataFrame:
    """Records (gene, place, count) as bin1 has them: one per gene and place, ordered by gene."""
    draw = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"gene": draw.integers(0, 3, n), "x": draw.integers(0, side, n), "y": draw.integers(0, side, n)}
    ).drop_duplicates()
    table["count"] = draw.integers(1, 5, len(table))
    return table.sort_values(["gene", "x", "y"], ignore_index=True)


def binned(table: pd.DataFrame, size: int) -> pd.DataFrame:
    """Counts of bins (named by their first place) and genes, by pandas."""
    names = (table["x"] // size * size).astype(str) + "_" + (table["y"] // size * size).astype(str)
    genes = table["gene"].map(dict(enumerate(GENES)))
    return table["count"].groupby([names.rename("bin"), genes]).sum().unstack(fill_value=0)


def gef(path: Path, table: pd.DataFrame, *sizes: int, **more: object) -> Path:
    return machines.gef(path, GENES, table, *sizes, **more)


def holds(part, expected: pd.DataFrame) -> None:
    assert list(part.var_names) == list(expected.columns)
    assert sorted(part.obs_names) == sorted(expected.index)
    np.testing.assert_array_equal(part[expected.index].X.toarray(), expected.to_numpy())


@pytest.mark.parametrize(("sizes", "size"), [((1,), 20), ((1, 20), 20), ((1, 10, 20), 60), ((50,), 50), ((1,), 1)])
def test_bins_of_a_gef(tmp_path: Path, sizes: tuple[int, ...], size: int) -> None:
    table = records()
    path = gef(tmp_path / "S.tissue.gef", table, *sizes)
    result, understood = understand_section(SectionInput("d", "s", {"rna": path}, bins={"": str(size)}))
    data = result.in_memory()
    holds(data.mod["rna"], binned(table, size))
    place = np.array([name.split("_") for name in data.obs_names], dtype=float)
    np.testing.assert_allclose(data.obsm["spatial"], (place + (size - 1) / 2) * 0.5)
    assert data.uns["spatialweave"]["coordinate_unit"] == "micrometre"
    assert f"counts of S.tissue.gef, bin{size}" in understood.line()
    assert size == 1 or "platform stereo_seq (by the format of the files)" in understood.line()


def test_the_default_is_bins_of_50_and_is_said(tmp_path: Path) -> None:
    table = records(n=20_000, side=1000)
    path = gef(tmp_path / "S.gef", table, 1, name="geneName", resolution=None)
    with pytest.warns(InputWarning, match=r"S.gef: is counted in bins of 50 x 50 DNB \(the column bin sets another"):
        data = section(multi=path)
    holds(data.mod["rna"], binned(table, 50))
    assert data.uns["spatialweave"]["coordinate_unit"] == "unknown"


CELLS = pd.DataFrame({"id": [7, 9, 12, 40], "x": [10, 50, 90, 17], "y": [5, 7, 100, 77]})
OF_CELLS = np.array([[1, 0, 2], [0, 3, 0], [5, 1, 1], [2, 0, 0]])


def cell_gef(path: Path) -> Path:
    counts = (OF_CELLS > 0).sum(axis=1)
    kinds = [("id", "<u4"), ("x", "<i4"), ("y", "<i4"), ("offset", "<u4"), ("geneCount", "<u2")]
    cells = np.zeros(4, dtype=kinds)
    for name in ("id", "x", "y"):
        cells[name] = CELLS[name]
    cells["geneCount"], cells["offset"] = counts, np.cumsum(counts) - counts
    genes = np.zeros(3, dtype=[("geneID", "S64"), ("geneName", "S64"), ("offset", "<u4"), ("cellCount", "<u4")])
    genes["geneID"], genes["geneName"] = ["ENS1", "ENS2", "ENS3"], GENES
    pairs = [(gene, OF_CELLS[cell, gene]) for cell in range(4) for gene in np.flatnonzero(OF_CELLS[cell])]
    with h5py.File(path, "w") as file:
        file["cellBin/cell"], file["cellBin/gene"] = cells, genes
        file["cellBin/cellExp"] = np.array(pairs, dtype=[("geneID", "<u4"), ("count", "<u2")])
        file.attrs["resolution"] = np.array([500], dtype=np.uint32)
    return path


@pytest.mark.parametrize("named", ["cell", None])
def test_cells_of_a_gef(tmp_path: Path, named: str | None) -> None:
    data = section(multi=cell_gef(tmp_path / "S.cellbin.gef"), bins={"": named} if named else {})
    holds(data.mod["rna"], pd.DataFrame(OF_CELLS, index=CELLS["id"].astype(str), columns=GENES))
    np.testing.assert_allclose(data.obsm["spatial"], CELLS[["x", "y"]].to_numpy() * 0.5)
    assert data.uns["spatialweave"]["platform"] == "cells"


def gem(table: pd.DataFrame, count: str, cells: bool = False, comments: bool = True, stored: object = 1) -> bytes:
    columns = {
        "geneID": table["gene"].map(dict(enumerate(GENES))),
        "x": table["x"],
        "y": table["y"],
        count: table["count"],
    }
    if cells:
        columns |= {"ExonCount": 0, "CellID": table["x"] // 60 * (table["y"] > 100)}
    text = pd.DataFrame(columns).to_csv(sep="\t", index=False)
    return ((f"#FileFormat=GEMv0.1\n#BinSize={stored}\n#OffsetX=0\n" if comments else "") + text).encode()


@pytest.mark.parametrize("name", ["S.gem", "S.gem.gz", "S.tsv", "S.tsv.gz"])
@pytest.mark.parametrize(("count", "comments"), [("MIDCount", True), ("MIDCounts", False), ("UMICount", True)])
def test_bins_of_a_gem(tmp_path: Path, name: str, count: str, comments: bool) -> None:
    table = records()
    content = gem(table, count, comments=comments)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    data = section({"rna": tmp_path / name}, bins={"": "20"})
    expected = binned(table, 20)
    holds(data.mod["rna"], expected)


def test_cells_of_a_gem(tmp_path: Path) -> None:
    """Where their records are, without what is outside."""
    table = records()
    (tmp_path / "S.gem").write_bytes(gem(table, "MIDCount", cells=True))
    table["cell"] = table["x"] // 60 * (table["y"] > 100)
    outside = int((table["cell"] == 0).sum())
    with pytest.warns(InputWarning, match=f"{outside} records are outside the cells"):
        data = section(multi=tmp_path / "S.gem", bins={"": "cell"})
    inside = table[table["cell"] > 0]
    names = inside["cell"].astype(str)
    genes = inside["gene"].map(dict(enumerate(GENES)))
    holds(data.mod["rna"], inside["count"].groupby([names, genes]).sum().unstack(fill_value=0))
    means = inside.groupby(names)[["x", "y"]].mean().loc[data.obs_names]
    np.testing.assert_allclose(data.obsm["spatial"], means.to_numpy())


def stored_in(size: int, table: pd.DataFrame) -> pd.DataFrame:
    """Records of bins, at their first places, as a .gem of larger bins than 1 has them."""
    return table.assign(x=table["x"] // size * size, y=table["y"] // size * size)


@pytest.mark.parametrize(
    ("stored", "chosen", "size"),
    [(100, None, 100), (100, 300, 300), (50, None, 50), (20, None, 60), (20, 20, 20), (1, None, 50)],
)
def test_bins_of_a_gem_that_is_binned_already(tmp_path: Path, stored: int, chosen: int | None, size: int) -> None:
    """The default is the least multiple of its bins from 50 on; with larger bins than its own, no spots are empty."""
    table = records(n=20_000, side=1200)
    (tmp_path / "S.gem").write_bytes(gem(stored_in(stored, table), "MIDCount", stored=stored))
    data = section(multi=tmp_path / "S.gem", bins={"": str(chosen)} if chosen else {})
    holds(data.mod["rna"], binned(table, size))
    place = np.array([name.split("_") for name in data.obs_names], dtype=float)
    np.testing.assert_allclose(data.obsm["spatial"], place + (size - 1) / 2)


def test_cells_of_a_gem_that_is_binned_already(tmp_path: Path) -> None:
    """Two bins of 10: their middle is between 4.5 and 14.5."""
    lines = "#BinSize=10\ngeneID\tx\ty\tMIDCount\tCellID\nA\t0\t20\t1\t7\nA\t10\t20\t2\t7\nA\t50\t50\t4\t8\n"
    (tmp_path / "S.gem").write_text(lines)
    data = section(multi=tmp_path / "S.gem", bins={"": "cell"})
    assert data.obs_names.tolist() == ["7", "8"]
    assert data.obsm["spatial"].tolist() == [[9.5, 24.5], [54.5, 54.5]]


@pytest.mark.parametrize(
    ("stored", "chosen", "message"),
    [
        (100, "150", "S.gem, #BinSize: its records are bins of 100 DNB, and 150 is not a multiple of 100; expected"),
        (50, "20", "its records are bins of 50 DNB, and 20 is not a multiple of 50"),
        ("bin50", "20", "its records are bins of 50 DNB, and 20 is not a multiple of 50"),
    ],
)
def test_bins_that_a_gem_does_not_make_up(tmp_path: Path, stored: object, chosen: str | None, message: str) -> None:
    (tmp_path / "S.gem").write_bytes(gem(records(n=100), "MIDCount", stored=stored))
    with pytest.raises(InputError, match=message):
        section(multi=tmp_path / "S.gem", bins={"": chosen} if chosen else {})


@pytest.mark.parametrize("stored", [0, "", "1.5", "CellBin", "9" * 30])
def test_an_invalid_bin_width_causes_a_warning(tmp_path: Path, stored: object) -> None:
    table = records(n=500)
    (tmp_path / "S.gem").write_bytes(gem(table, "MIDCount", stored=stored))
    with pytest.warns(InputWarning, match=f"S.gem, #BinSize: '{stored}' is not a bin width"):
        holds(section(multi=tmp_path / "S.gem", bins={"": "20"}).mod["rna"], binned(table, 20))


def no_records(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["geneExp/bin1/expression"]


def fewer_records(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        values = file["geneExp/bin1/expression"][:-5]
        del file["geneExp/bin1/expression"]
        file["geneExp/bin1/expression"] = values


def other_file(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = 1


def far(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        values = file["geneExp/bin1/expression"][:]
        values["x"][3] = 2**30
        file["geneExp/bin1/expression"][:] = values


@pytest.mark.parametrize(
    ("damage", "chosen", "message"),
    [
        (no_records, None, "S.gef: is not a readable .gef file"),
        (fewer_records, None, "its genes have .* records, but the file has"),
        (other_file, None, "it has neither a group 'geneExp' nor a group 'cellBin'"),
        (far, None, "a position is not within 0 .. 2097152"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), None, "S.gef: is not a readable .gef file"),
        (lambda path: None, "cell", "holds no cells .no group 'cellBin'.; expected a .cellbin.gef"),
        (lambda path: None, "7.5", "--bin: '7.5' cannot be used; expected a whole number"),
        (lambda path: cell_gef(path), "50", "holds cells and no bins"),
    ],
)
def test_damaged_gef(tmp_path: Path, damage: Callable[[Path], object], chosen: str | None, message: str) -> None:
    path = gef(tmp_path / "S.gef", records())
    damage(path)
    with pytest.raises(InputError, match=message):
        section(multi=path, bins={"": chosen} if chosen else {})


def test_bins_that_do_not_make_up_those_wanted(tmp_path: Path) -> None:
    path = gef(tmp_path / "S.gef", records(), 50, 100)
    with pytest.raises(
        InputError, match=r"has no bins whose width divides 20; expected a multiple of (50, 100|100, 50)"
    ):
        section(multi=path, bins={"": "20"})


@pytest.mark.parametrize(
    ("content", "chosen", "message"),
    [
        ("geneID\tx\ty\nA\t1\t2\n", None, "S.gem: has no column 'count'"),
        ("geneID\tx\ty\tMIDCount\nA\t1\tb\t3\n", None, "S.gem: is not a readable .gem table"),
        ("geneID\tx\ty\tMIDCount\nA\t1\t2\n", None, "S.gem: is not a readable .gem table"),
        ("geneID\tx\ty\tMIDCount\nA\t-1\t2\t3\n", None, "a position is not within"),
        ("geneID\tx\ty\tMIDCount\n", None, "S.gem: is not a readable .gem table .Empty CSV file"),
        ("geneID\tx\ty\tMIDCount\nA\t1\t2\t3\n", "cell", "S.gem: has no column of cells"),
        ("geneID\tx\ty\tMIDCount\tlabel\nA\t1\t2\t3\t0\n", "cell", "none of its records is in a cell"),
        (
            "geneID\tx\ty\tMIDCount\tlabel\nA\t1\t2\t3\t-4\n",
            "cell",
            "a cell number is negative or larger than 4398046511103",
        ),
    ],
)
def test_damaged_gem(tmp_path: Path, content: str, chosen: str | None, message: str) -> None:
    (tmp_path / "S.gem").write_text(content)
    with pytest.raises(InputError, match=message):
        section(multi=tmp_path / "S.gem", bins={"": chosen} if chosen else {})


def test_a_bin_for_files_that_have_none_is_refused(tissue, tmp_path: Path, spatial_csv: Path) -> None:
    tissue.table("rna").to_csv(tmp_path / "rna.csv")
    with pytest.raises(InputError, match=r"--bin: '50' does not apply to any file of this row; expected \.gef"):
        section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv, bins={"": "50"})


def test_genes_of_one_name_are_not_added_up_in_a_gem(tmp_path: Path) -> None:
    lines = ["g1\tA\t1\t1\t3", "g2\tA\t1\t1\t4", "g3\tB\t1\t61\t5", "g2\tA\t1\t61\t6"]
    (tmp_path / "S.gem").write_text("\n".join(["geneID\tgeneName\tx\ty\tMIDCount", *lines]) + "\n")
    with pytest.warns(InputWarning, match=r"1 repeated feature names \(first: 'A'\) were made unique"):
        part = section(multi=tmp_path / "S.gem", bins={"": "50"}).mod["rna"]
    assert part.var_names.tolist() == ["A", "A-1", "B"]
    assert part.X.toarray().tolist() == [[3, 4, 0], [0, 6, 5]]
