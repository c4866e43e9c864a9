"""Known domains from tables, lists and columns of obs."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.labels import find_labels
from spatialweave.io.notices import InputWarning

from .inputs import grid, h5ad, read


def test_labels_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("label,Barcode\nA, p \nNA,q\n,r\nB,unknown\n")
    with pytest.warns(InputWarning, match="1 of 4 rows name no spot"):
        labels = find_labels(str(tmp_path / "l.csv"), {}, pd.Index(["r", "p", "q", "s"]))
    assert labels.tolist() == ["", "A", "", ""]


def test_labels_of_columns_are_joined() -> None:
    one = pd.DataFrame({"domain": pd.Categorical(["a", None])}, index=["p", "q"])
    two = pd.DataFrame({"domain": ["b", "nan"]}, index=["q", "r"])
    assert find_labels("domain", {"one": one, "two": two}, pd.Index(["p", "q", "r"])).tolist() == ["a", "b", ""]
    clash = pd.DataFrame({"domain": ["c"]}, index=["p"])
    with pytest.raises(InputError, match="spot 'p' is 'c' here, 'a' in one"):
        find_labels("domain", {"one": one, "clash": clash}, pd.Index(["p", "q"]))


def test_numeric_labels_lose_no_digit() -> None:
    obs = pd.DataFrame({"k": [1.0, np.nan, 12.0]}, index=list("pqr"))
    assert find_labels("k", {"f": obs}, pd.Index(list("pqr"))).tolist() == ["1", "", "12"]


def test_beside_barcodes_the_other_column_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "annotation.csv").write_text("Barcode,what the pathologist saw\np,cortex\nq,capsule\n")
    assert find_labels(str(tmp_path / "annotation.csv"), {}, pd.Index(["q", "p"])).tolist() == ["capsule", "cortex"]
    (tmp_path / "three.csv").write_text("Barcode,score,seen\np,1,cortex\n")
    with pytest.raises(InputError, match="has no column 'label'"):
        find_labels(str(tmp_path / "three.csv"), {}, pd.Index(["p"]))


def listed(path: Path, *lines: str) -> str:
    """Write a list of labels; its path."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def frame(*names: str) -> pd.DataFrame:
    """A table of spots without columns."""
    return pd.DataFrame(index=list(names))


def test_labels_of_a_list_are_in_the_order_of_a_file(tmp_path: Path) -> None:
    spots = pd.Index(["q", "p", "r", "elsewhere"])
    path = listed(tmp_path / "GT_labels.txt", "1", "2", "2")
    assert find_labels(path, {"one": frame("p", "q", "r")}, spots).tolist() == ["2", "1", "2", ""]
    zipped = tmp_path / "GT.txt.gz"
    zipped.write_bytes(gzip.compress(Path(path).read_bytes()))
    assert find_labels(str(zipped), {"one": frame("p", "q", "r")}, spots).tolist() == ["2", "1", "2", ""]
    # Of two files it is the one that has as many spots.
    both = {"one": frame("p", "q", "r", "s"), "two": frame("r", "q", "p")}
    assert find_labels(path, both, spots).tolist() == ["2", "2", "1", ""]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        # Line 1 is spot 0, whatever the order of the file.
        (("2", "0", "1", "3"), ["b", "a", "a", "c"]),
        (("0002", "0000", "0001", "0003"), ["b", "a", "a", "c"]),
        # Numbers that cannot be those of the lines are names like others.
        (("1", "2", "3", "4"), ["a", "a", "b", "c"]),
        (("0", "0.5", "1", "3"), ["a", "a", "b", "c"]),
    ],
)
def test_spots_called_by_numbers_are_lines_of_the_list(
    tmp_path: Path, names: tuple[str, ...], wanted: list[str]
) -> None:
    path = listed(tmp_path / "anno.txt", "a", "a", "b", "c")
    assert find_labels(path, {"f": frame(*names)}, pd.Index(names)).tolist() == wanted


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a", "b"], r"has 2 lines; expected one per spot of a file of the section \(3 or 4\)"),
        (["", "NA", ""], "holds no label"),
        (["p,1", "q,2", "r,2"], "3 different labels in 3 lines; expected one label per line"),
    ],
)
def test_a_list_that_is_none_of_this_section(tmp_path: Path, lines: list[str], message: str) -> None:
    files = {"one": frame("p", "q", "r"), "two": frame("p", "q", "r", "s")}
    with pytest.raises(InputError, match=message):
        find_labels(listed(tmp_path / "labels.txt", *lines), files, pd.Index(["p", "q", "r", "s"]))


def test_a_section_takes_its_labels_from_a_list(tmp_path: Path) -> None:
    spots = [f"b{i}" for i in range(12)]
    files = {"rna": h5ad(tmp_path / "rna.h5ad", spots[::-1], obsm={"spatial": grid(3, 4)[::-1]})}
    labels = [f"region {i % 3}" for i in range(12)]
    section = read(files, labels=listed(tmp_path / "GT.txt", *labels))
    assert section.obs["label"][spots[::-1]].tolist() == labels


@pytest.mark.parametrize("given", ["column", "table"])
def test_labels_in_a_text_matrix_are_no_feature(tmp_path: Path, given: str) -> None:
    """Whatever they are called: a method that saw them would find them."""
    spots, regions = [f"p{i}" for i in range(20)], np.repeat([1, 2], 10)
    points = dict(zip("xy", grid(4, 5).T, strict=True))
    table = pd.DataFrame({"my regions": regions, "A": range(1, 21), "B": range(2, 22), **points}, index=spots)
    table.to_csv(tmp_path / "rna.csv", index_label="barcode")
    table[["my regions"]].to_csv(tmp_path / "regions.csv", index_label="barcode")
    option = "my regions" if given == "column" else str(tmp_path / "regions.csv")
    data = read({"rna": tmp_path / "rna.csv"}, labels=option)
    assert data.obs["label"].tolist() == [str(region) for region in regions]
    assert data.mod["rna"].var_names.tolist() == ["A", "B"]
