"""INGEST refuses text tables of counts, coordinates and labels in one clear line each."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from .ingest_inputs import (
    COUNTS,
    Build,
    adata,
    check_refusal,
    good_coordinates,
    good_csv,
    h5ad,
    run,
    text,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def csv_with(content: str | bytes, name: str = "bad.csv") -> Build:
    return lambda folder: ["--rna", text(folder, name, content), "--spatial", good_coordinates(folder)]


def coordinates_with(content: str | bytes, name: str = "bad.csv") -> Build:
    return lambda folder: ["--rna", good_csv(folder), "--spatial", text(folder, name, content)]


def labels_with(content: str, name: str = "bad.csv") -> Build:
    return lambda folder: ["--rna", h5ad(folder), "--labels", text(folder, name, content)]


def unequal_labels(folder: Path) -> list[str]:
    other = adata(COUNTS + 1)
    other.obs["region"] = ["right", "left"] * 6
    other.write_h5ad(folder / "bad.h5ad")
    return ["--rna", h5ad(folder), "--adt", str(folder / "bad.h5ad"), "--labels", "region"]


def some_empty_labels(folder: Path) -> list[str]:
    data = adata()
    data.obs["empty"] = pd.Categorical([None] * 12, categories=["x"])
    data.write_h5ad(folder / "bad.h5ad")
    return ["--rna", str(folder / "bad.h5ad"), "--labels", "empty"]


def fractions_and_labels(labels: Callable[[Path], str]) -> Build:
    """Counts that would be refused too, if they were read before the labels are looked for."""

    def build(folder: Path) -> list[str]:
        adata(COUNTS / 8).write_h5ad(folder / "bad.h5ad")
        return ["--rna", str(folder / "bad.h5ad"), "--labels", labels(folder)]

    return build


REFUSED: dict[str, tuple[Build, str, str]] = {
    "CSV empty": (csv_with("\n\n"), "bad.csv", "is empty"),
    "CSV header only": (csv_with("barcode,A,B\n"), "bad.csv", "has a header but no rows"),
    "CSV text cell": (
        csv_with("barcode,A,B\nb0,1,2\nb1,3,many\n"),
        "bad.csv, line 3, column 'B'",
        "'many' is not a number",
    ),
    "CSV empty cell": (csv_with("barcode,A,B\nb0,1,\nb1,3,4\n"), "bad.csv, line 2, column 'B'", "the cell is empty"),
    "CSV NaN cell": (
        csv_with("barcode,A,B\nb0,1,2\nb1,nan,4\n"),
        "bad.csv, line 3, column 'A'",
        "value nan is not finite",
    ),
    "CSV NA cell": (csv_with("barcode,A,B\nb0,1,2\nb1,NA,4\n"), "bad.csv, line 3, column 'A'", "'NA' is not a number"),
    "CSV infinite": (
        csv_with("barcode,A,B\nb0,1,2\nb1,inf,4\n"),
        "bad.csv, line 3, column 'A'",
        "value inf is not finite",
    ),
    "CSV negative": (
        csv_with("barcode,A,B\nb0,1,2\nb1,-1,4\n"),
        "bad.csv, matrix, row 2 ('b1'), column 'A'",
        "is negative",
    ),
    "CSV fraction": (csv_with("barcode,A,B\nb0,1,2\nb1,1,4.5\n"), "row 2 ('b1'), column 'B'", "is not a whole number"),
    "CSV short row": (csv_with("barcode,A,B\nb0,1,2\nb1,3\n"), "bad.csv, line 3", "has 2 cells"),
    "CSV long row": (csv_with("barcode,A,B\nb0,1,2\nb1,3,4,5\n"), "bad.csv, line 3", "has 4 cells"),
    "CSV all rows long": (
        csv_with("barcode,A,B\nb0,1,2,9\nb1,3,4,9\n"),
        "bad.csv, line 2",
        "has 4 cells; expected 3, as in the header",
    ),
    "CSV trailing comma": (csv_with("barcode,A,B\nb0,1,2,\nb1,3,4,\n"), "bad.csv, line 2", "has 4 cells"),
    "CSV nameless column": (csv_with("barcode,A,\nb0,1,2\n"), "bad.csv, line 1, column 3", "has no name"),
    "CSV without separators": (csv_with("barcode A B\nb0 1 2\n"), "bad.csv", "has only one column"),
    "CSV decimal commas": (csv_with("barcode;A;B\nb0;1,5;2\n"), "bad.csv, line 2", "write a point before decimals"),
    "CSV thousands": (
        csv_with('barcode,A,B\nb0,"1,234,567",2\n'),
        "bad.csv, line 2",
        "fix this, remove the thousands separators (1234567)",
    ),
    "CSV thousands or decimals": (
        csv_with("barcode;A;B\nb0;1,234;2\n"),
        "bad.csv, line 2",
        "remove the thousands separators (1234), or write a point before decimals (1.234)",
    ),
    "CSV column of text": (
        csv_with("barcode,A,kind\nb0,1,T\n"),
        "bad.csv, line 2, column 'kind'",
        "fix this, leave out the column if it is no feature",
    ),
    "CSV cell without a count": (csv_with("barcode,A\nb0,NA\n"), "column 'A'", "write 0 where nothing was counted"),
    "CSV not UTF-8": (csv_with(b"barcode,A\nb0,1\nb\xe4,2\n"), "bad.csv, line 3", "byte 0xe4 is not UTF-8"),
    "CSV duplicated barcode": (csv_with("barcode,A\nb0,1\nb0,2\n"), "bad.csv", "barcode 'b0' names row 1 and row 2"),
    "CSV empty barcode": (csv_with("barcode,A\nb0,1\n,2\n"), "bad.csv", "spot 2 has no name"),
    "CSV gzip broken": (
        csv_with(gzip.compress(b"barcode,A\n" + b"b0,1\n" * 9999)[:40], "bad.csv.gz"),
        "bad.csv.gz",
        "not a readable",
    ),
    "CSV of another gzip": (csv_with(b"\x1f\x8bA\n", "bad.csv.gz"), "bad.csv.gz", "not a readable text table"),
    "coordinates missing": (
        lambda f: ["--rna", good_csv(f), "--spatial", str(f / "bad.csv")],
        "bad.csv",
        "no such file",
    ),
    "coordinates of unknown kind": (
        coordinates_with("barcode,x,y\nb0,1,2\n", "bad.xlsx"),
        "bad.xlsx",
        "unknown kind of table",
    ),
    "coordinates parquet broken": (
        coordinates_with("PAR1", "bad.parquet"),
        "bad.parquet",
        "not a readable parquet file",
    ),
    "coordinates empty": (coordinates_with(""), "bad.csv", "is empty"),
    "coordinates header only": (coordinates_with("barcode,x,y\n"), "bad.csv", "has a header but no rows"),
    "coordinates without y": (
        coordinates_with("barcode,x\nb0,1\n"),
        "bad.csv",
        "has no column 'y' (found: 'barcode', 'x')",
    ),
    "coordinates without barcode": (coordinates_with("x,y\n1,2\n"), "bad.csv", "has no column 'barcode'"),
    "coordinates, x twice": (coordinates_with("barcode,X,X,y\nb0,1,2,3\n"), "bad.csv", "has 2 columns named 'x'"),
    "coordinates text": (
        coordinates_with("barcode,x,y\nb0,1,2\nb1,left,3\n"),
        "bad.csv, line 3, column 'x'",
        "'left' is not a",
    ),
    "coordinates with decimal commas": (
        coordinates_with("barcode;x;y\nb0;1,5;2\n"),
        "bad.csv, line 2, column 'x'",
        "write a point before decimals",
    ),
    "coordinates NaN": (
        coordinates_with("barcode,x,y\nb0,1,nan\n"),
        "bad.csv, line 2, column 'y'",
        "'nan' is not a finite number",
    ),
    "coordinates empty cell": (
        coordinates_with("barcode,x,y\nb0,1,\n"),
        "bad.csv, line 2, column 'y'",
        "'' is not a finite number",
    ),
    "coordinates duplicated": (
        coordinates_with("barcode,x,y\nb0,1,2\nb0,1,2\n"),
        "bad.csv, line 3",
        "'b0' appears a second time",
    ),
    "coordinates nameless": (
        coordinates_with("barcode,x,y\nb0,1,2\n,1,2\n"),
        "bad.csv, line 3, column 'barcode'",
        "is empty",
    ),
    "coordinates ragged": (coordinates_with("barcode,x,y\nb0,1\n"), "bad.csv, line 2", "has 2 cells"),
    "coordinates not UTF-8": (coordinates_with(b"barcode,x,y\nb\xff,1,2\n"), "bad.csv, line 2", "is not UTF-8"),
    "coordinates of others": (
        coordinates_with("barcode,x,y\nz0,1,2\n"),
        "bad.csv",
        "match no barcode of the section (first: 'b0')",
    ),
    "coordinates of some": (
        coordinates_with("barcode,x,y\nb0,1,2\nb1,2,2\n"),
        "bad.csv",
        "10 of 12 spots have no coordinates (first: 'b2')",
    ),
    "labels missing": (lambda f: ["--rna", h5ad(f), "--labels", str(f / "bad.csv")], "bad.csv", "no such file"),
    "labels of others": (labels_with("barcode,label\nz,1\n"), "bad.csv", "match no barcode of the section"),
    "labels without label": (labels_with("barcode,what,why\nb0,1,2\n"), "bad.csv", "has no column 'label'"),
    "labels of another length": (labels_with("a\na\nb\n", "bad.txt"), "bad.txt", "has 3 lines; expected one per spot"),
    "labels duplicated": (labels_with("barcode,label\nb0,1\nb0,2\n"), "bad.csv, line 3", "appears a second time"),
    "labels all empty": (labels_with("barcode,label\nb0,\nb1,NA\n"), "bad.csv", "holds no label"),
    "labels column absent": (
        lambda f: ["--rna", h5ad(f, "bad.h5ad"), "--labels", "regoin"],
        "bad.h5ad",
        "obs has no column 'regoin' for the labels; expected one of its columns ('region')",
    ),
    "labels column absent, before counts": (
        fractions_and_labels(lambda folder: "regoin"),
        "bad.h5ad",
        "obs has no column 'regoin' for the labels",
    ),
    "labels without label, before counts": (
        fractions_and_labels(lambda folder: text(folder, "labels.csv", "barcode,what,why\nb0,1,2\n")),
        "labels.csv",
        "has no column 'label'",
    ),
    "labels column empty": (some_empty_labels, "bad.h5ad, obs column 'empty'", "holds no label"),
    "labels that disagree": (unequal_labels, "bad.h5ad, obs column 'region'", "spot 'b0' is 'right' here, 'left' in"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, tmp_path: Path) -> None:
    build, where, message = REFUSED[case]
    result = run(tmp_path, *build(tmp_path))
    check_refusal(tmp_path, result.exit_code, result.stderr, where, message)
