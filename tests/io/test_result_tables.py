"""Tables between stages: what is written is read back, whatever the order; anything else is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.result_table import ResultTable
from spatialweave.io.result_tables import (
    ALIGNMENT,
    COORDINATES,
    DOMAINS,
    GRAPH_STATISTICS,
    INDEX,
    METRICS,
    PAIRS,
    QC_SUMMARY,
    RUNS,
    SPOTS,
    TRANSFORMS,
)
from spatialweave.io.spot_tables import coordinates_table, read_aligned_coordinates, read_domains

OBS = pd.DataFrame({"section": ["s1", "s1", "s2"], "barcode": ["a", "007", "a"]}, index=["s1:a", "s1:007", "s2:a"])
POINTS = np.array([[0.1, -2.0], [3.0, 1e-7], [1 / 3, 5.0]])

# One row of each table, with names that pandas would take for something else.
ROWS: dict[str, tuple[ResultTable, tuple[Any, ...]]] = {
    "domains": (DOMAINS, ("007", "NA", 12)),
    "metrics": (METRICS, ("1", "nan", -3, "mclust", 7, "ari", 0.25)),
    "metrics without a value": (METRICS, ("d", "m", 3, "mclust", 7, "ari", np.nan)),
    "alignment": (ALIGNMENT, ("d", "m", 2**31 - 1, "True", "2", "pairs", 7.0)),
    "pairs": (PAIRS, ("s1", "1e5", 0.5, -1.5, "s2", "", 1e-9, 2.0, 0.5, -0.25, False, np.nan)),
    "spots": (SPOTS, ("s1", "007", "", -0.5, 1.0)),
    "coordinates": (COORDINATES, ("null", "None", 1.5, -2.0)),
    "transforms": (
        TRANSFORMS,
        ("s1", "", np.nan, False, np.nan, 0.0, 1.0, True, 0.5, 0.0, 1.0, 0.0, 0.5, 0.0, 1.0, 0.0),
    ),
    "runs": (RUNS, ("d", "m", 1, "failed", np.nan, np.nan, 512.5, np.nan)),
    "index": (INDEX, ("d", "m", 1, "failed", "", "", "d/integrated.h5mu", "d/report.html")),
    "graph": (GRAPH_STATISTICS, ("spatial", "edges", 264.0)),
    "qc": (QC_SUMMARY, ("s", "rna", "spots", "any", np.nan, 9, 3, 33.3333, 6)),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_written_table_is_read_back(tmp_path: Path, name: str) -> None:
    kind, row = ROWS[name]
    kind.write(tmp_path / "t.csv", kind.frame([row, row]))
    found = kind.read(tmp_path / "t.csv")
    assert list(found.columns) == kind.columns
    for value, expected in zip(found.iloc[1], row, strict=True):
        assert isinstance(value, str) == isinstance(expected, str)
        np.testing.assert_equal(value, expected)


@pytest.mark.parametrize("name", ROWS)
def test_a_table_without_rows_has_the_same_types(tmp_path: Path, name: str) -> None:
    kind, row = ROWS[name]
    kind.write(tmp_path / "none.csv", kind.frame([]))
    kind.write(tmp_path / "one.csv", kind.frame([row]))
    one = kind.read(tmp_path / "one.csv")
    for none in (kind.read(tmp_path / "none.csv"), kind.read_all([])):
        assert none.empty and none.dtypes.to_dict() == one.dtypes.to_dict()
    joined = kind.read_all([tmp_path / "one.csv", tmp_path / "none.csv", tmp_path / "one.csv"])
    assert joined.index.tolist() == [0, 1] and joined.dtypes.to_dict() == one.dtypes.to_dict()


def test_tables_are_joined_in_the_order_of_their_files(tmp_path: Path) -> None:
    for name, statistic in (("b", "first"), ("a", "second")):
        GRAPH_STATISTICS.write(tmp_path / name, GRAPH_STATISTICS.frame([("g", statistic, 1), ("g", "last", 2)]))
    joined = GRAPH_STATISTICS.read_all([tmp_path / "b", tmp_path / "a"])
    assert joined["statistic"].tolist() == ["first", "last", "second", "last"]


def test_only_the_columns_of_a_table_are_written(tmp_path: Path) -> None:
    swapped = DOMAINS.frame([("a", "s", 1)])[["section", "barcode", "domain"]]
    with pytest.raises(ValueError, match=r"t\.csv has the columns"):
        DOMAINS.write(tmp_path / "t.csv", swapped)
    assert not (tmp_path / "t.csv").exists()


def test_further_columns_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("domain,note,section,barcode\n2,x,s,b\n")
    assert DOMAINS.read(tmp_path / "t.csv").to_dict("records") == [{"barcode": "b", "section": "s", "domain": 2}]


@pytest.mark.parametrize(
    ("name", "column", "cell", "message"),
    [
        ("domains", "domain", "0", "a whole number from 1"),
        ("domains", "domain", "-1", "a whole number from 1"),
        ("domains", "domain", "1.5", "a whole number from 1"),
        ("domains", "domain", "", "a whole number from 1"),
        ("metrics", "seed", "1.0", "a whole number"),
        ("metrics", "seed", "True", "a whole number"),
        ("metrics", "n_domains", "many", "a whole number"),
        ("metrics", "value", "high", "a finite number or nothing"),
        ("metrics", "value", "inf", "a finite number or nothing"),
        ("coordinates", "x", "", "a finite number"),
        ("coordinates", "y", "nan", "a finite number"),
        ("coordinates", "y", "True", "a finite number"),
        ("pairs", "accepted", "maybe", "True or False"),
        ("pairs", "accepted", "", "True or False"),
        ("transforms", "reflected", "1", "True or False"),
        ("runs", "epochs", "1e999", "a finite number or nothing"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, name: str, column: str, cell: str, message: str) -> None:
    kind, row = ROWS[name]
    table = kind.frame([row, row, row]).astype(object)
    table.loc[1, column] = cell
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError) as raised:
        kind.read(tmp_path / "t.csv")
    assert f"t.csv, line 3, column '{column}': value '{cell}'; expected" in str(raised.value)
    assert str(raised.value).endswith(f"expected {message}")


@pytest.mark.parametrize(
    "text", ["", "barcode,section,domain\na,s1,1,9\n", 'barcode,section,domain\n"a,s1,1\n', "\x00\x01"]
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=r"t\.csv: (is not a readable CSV file|has no column)"):
        DOMAINS.read(tmp_path / "t.csv")
    with pytest.raises(InputError, match="is not a readable CSV file"):
        DOMAINS.read(tmp_path / "none.csv")


def test_coordinates_are_read_back_in_the_order_of_the_spots(tmp_path: Path) -> None:
    path = tmp_path / "coordinates.csv"
    COORDINATES.write(path, coordinates_table(OBS, POINTS).iloc[[2, 0, 1]])
    np.testing.assert_array_equal(read_aligned_coordinates(path, OBS), POINTS)
    np.testing.assert_array_equal(read_aligned_coordinates(path, OBS.iloc[[1, 2]]), POINTS[[1, 2]])
    with pytest.raises(InputError, match="line 3: spot 'a' of section 's1' is not in the dataset"):
        read_aligned_coordinates(path, OBS.iloc[[1, 2]], others=False)


def test_domains_are_read_back_in_the_order_of_the_spots(tmp_path: Path) -> None:
    path = tmp_path / "m.seed1.domains.csv"
    DOMAINS.write(path, DOMAINS.frame([("a", "s2", 3), ("a", "s1", 1), ("007", "s1", 12)]))
    found = read_domains(path, OBS)
    assert (found.tolist(), found.dtype) == ([1, 12, 3], np.int64)
    with pytest.raises(InputError, match="line 2: spot 'a' of section 's2' is not in the dataset"):
        read_domains(path, OBS.iloc[:2])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("s1,a,1,2\ns1,007,3,4\ns1,a,3,4\ns2,a,5,6", "line 4: spot 'a' of section 's1' also has an earlier line"),
        ("s1,a,1,2\ns2,a,5,6", "1 spots are missing, the first is '007' of section 's1'"),
        ("s2,007,1,2", "3 spots are missing, the first is 'a' of section 's1'"),
    ],
)
def test_each_spot_has_one_line(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "coordinates.csv"
    path.write_text(f"section,barcode,x,y\n{lines}\n")
    with pytest.raises(InputError, match=message):
        read_aligned_coordinates(path, OBS)
