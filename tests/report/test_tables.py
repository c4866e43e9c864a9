"""Tables, strips, texts and headlines of the reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.io.joined_counts import SectionSize
from spatialweave.io.result_tables import GRAPH_STATISTICS
from spatialweave.metrics import metric_list
from spatialweave.report import tables, text
from spatialweave.report.dataset import headline
from spatialweave.report.strips import Seeds, strip
from spatialweave.results.first_run import BestRun
from spatialweave.results.runs import MethodRun
from spatialweave.results.spots import DatasetSpots


@pytest.mark.parametrize("values", [[0.2, 0.9], [0.5], [-1e-3, 2e-3], [1e4, 3.7e4], [0.0, 0.0]])
def test_strip_ticks_enclose_all_dots(values: list[float]) -> None:
    plot = strip(metric_list.METRIC_INFO["ari"], {"a": Seeds(values), "b": Seeds([])})
    assert plot is not None
    left, right = plot.ticks[0][0], plot.ticks[-1][0]
    assert 2 <= len(plot.ticks) <= 8
    assert all(left - 0.1 <= dot <= right + 0.1 for dot in plot.rows[0].dots)
    assert len(plot.rows[0].dots) == len(values)


def test_graph_statistics_are_rows_and_graphs_are_columns(tmp_path: Path) -> None:
    rows = [("spatial", "edges", 264), ("spatial", "median_length", 3.5), ("rna", "edges", 1000)]
    GRAPH_STATISTICS.write(tmp_path / "smart.spatial.graph.csv", GRAPH_STATISTICS.frame(rows))
    (table,) = tables.graph_tables([tmp_path / "smart.spatial.graph.csv"])
    assert (table.caption, table.header) == ("smart.spatial", ["statistic", "spatial", "rna"])
    assert [[str(cell) for cell in row] for row in table.rows] == [
        ["edges", "264.0", "1000.0"],
        ["median length", "3.5", "nan"],
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (42.4, "42 s"),
        (59.6, "1 min 0 s"),
        (119.6, "2 min 0 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (None, "–"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_the_headline_adds_spots_and_takes_the_most_features() -> None:
    sections = [
        SectionSize("b", "dbit", {"rna": 2, "adt": 1}, {"rna": 5, "adt": 3}),
        SectionSize("a", "visium", {"rna": 7}, {"rna": 4}),
    ]
    obs = pd.DataFrame({"barcode": ["x", "y", "x"], "section": ["b", "b", "a"]}, index=["b:x", "b:y", "a:x"])
    spots = DatasetSpots(obs, ["p", "", "p"], np.zeros((3, 2)), "square")
    runs = [MethodRun("m", 1, domains=np.array([1, 2, 1])), MethodRun("m", 2, domains=np.array([1, 1, 1]))]
    facts = headline(spots, sections, runs, BestRun("m", 1, "only"))
    assert facts["modalities"] == [("rna", 9, 5), ("adt", 1, 3)]
    assert (facts["platforms"], facts["sections"], facts["domains"]) == (["dbit", "visium"], 2, 2)
    assert (facts["labels"], facts["labelled"], facts["methods"], facts["runs"]) == (1, 2, 1, 2)
