"""Summaries of metrics, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.io.dataset import Dataset
from spatialweave.io.result_tables import GRAPH_STATISTICS
from spatialweave.metrics.integration import across_sections
from spatialweave.report import metric_list, scores, tables, text
from spatialweave.report.strips import Seeds, strip


def make_metrics(rows: list[tuple[str, int, str, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["method", "seed", "metric", "value"])
    return table.assign(dataset="d", clustering="mclust", n_domains="3")


def test_summarise_mean_and_sample_sd() -> None:
    table = make_metrics([("a", 1, "pas", 0.1), ("a", 2, "pas", 0.3), ("b", 1, "pas", 0.15), ("b", 2, "ari", 0.5)])
    found = scores.summarise(table)
    assert list(found) == ["ari", "pas"]
    assert (found["pas"]["a"].mean, found["pas"]["a"].sd) == (pytest.approx(0.2), pytest.approx(0.02**0.5))
    # Lower is better for PAS; a metric of one method only has no best.
    assert not any(score.best for row in found.values() for score in row.values())


def make_differences(rows: list[tuple[str, str, str, float, bool]]) -> pd.DataFrame:
    both = [(m, one, other, d, x) for m, one, other, d, x in rows] + [(m, o, one, -d, x) for m, one, o, d, x in rows]
    names = ["metric", "method", "other", "difference", "distinguishable"]
    return pd.DataFrame(both, columns=names).astype({"distinguishable": bool})


def test_a_star_needs_to_be_better_than_every_other_method() -> None:
    pairs = [("pas", "a", "b", -0.1, True), ("pas", "a", "c", -0.2, True), ("pas", "b", "c", -0.1, False)]
    # Lower is better for PAS; that a cannot be told from the consensus, which is made of all, does not matter.
    assert scores.starred(make_differences([*pairs, ("pas", "a", "weave", 0.0, False)])) == {("pas", "a")}
    assert scores.starred(make_differences([("pas", "a", "b", -0.1, False), *pairs[1:]])) == set()
    # The consensus has none, and neither has a metric without a direction.
    assert (
        scores.starred(make_differences([("pas", "weave", "a", -0.1, True), ("brand_new", "a", "b", 1.0, True)]))
        == set()
    )
    assert scores.starred(make_differences([])) == set()
    starred = scores.summarise(make_metrics([("a", 1, "pas", 0.1), ("b", 1, "pas", 0.2)]), {("pas", "a")})
    assert (starred["pas"]["a"].best, starred["pas"]["b"].best) == (True, False)


def test_domain_metrics_and_counts_are_left_out() -> None:
    table = make_metrics([("a", 1, "morans_i_domain_3", 0.1), ("a", 1, "labelled_spots", 10), ("a", 1, "chaos", 1)])
    assert scores.ordered_metrics(table) == ["chaos"]


def test_metrics_across_sections_have_a_group_and_a_direction() -> None:
    names = ["knn_overlap_rna", "kbet", "ilisi", "domain_section_ami", "ari_within_sections", "pas"]
    not_shown = ["effective_sections", "ari_section_s1"]
    table = make_metrics(
        [(method, 1, name, value) for method, value in (("a", 0.1), ("b", 0.4)) for name in names + not_shown]
    )
    found = scores.summarise(table)
    assert list(found) == ["ari_within_sections", "pas", "ilisi", "kbet", "domain_section_ami", "knn_overlap_rna"]
    assert {name for name in found if metric_list.describe(name).higher is False} == {"pas", "domain_section_ami"}
    assert {metric_list.describe(name).group for name in ("ilisi", "kbet", "domain_section_ami")} == {
        metric_list.SECTIONS
    }


def test_every_metric_across_sections_is_described() -> None:
    """Metrics of three small sections: none falls into the group of the unknown, and all ranked or lead ones exist."""
    values = np.random.default_rng(0).normal(size=(90, 3))
    obs = pd.DataFrame({"section": np.repeat(["s", "t", "u"], 30), "label": np.tile(["x", "y"], 45)})
    points = np.random.default_rng(1).random((90, 2))
    dataset = Dataset("d", obs, points, [], aligned=points)
    found = across_sections(dataset, values, np.tile([1, 2, 2], 30), seed=0)
    shown = scores.ordered_metrics(make_metrics([("a", 1, name, value) for name, value in found.items()]))
    assert {metric_list.describe(name).group for name in shown} == {metric_list.WITH_LABELS, metric_list.SECTIONS}
    assert {"ilisi", "section_agreement"} <= set(shown) & set(metric_list.RANKED)
    assert {"ilisi", "label_transfer"} <= set(shown) & set(metric_list.KEY_METRICS)


def test_ranking_without_labels_counts_mixing() -> None:
    rows = [("a", 1, "pas", 0.1), ("b", 1, "pas", 0.2), ("a", 1, "ilisi", 0.1), ("b", 1, "ilisi", 0.9)]
    rows += [("a", 1, "section_agreement", 0.2), ("b", 1, "section_agreement", 0.3)]
    # Ranks of a: 1, 2, 2; of b: 2, 1, 1.
    assert scores.mean_ranks(make_metrics(rows), ["method"]).to_dict() == pytest.approx({"b": 4 / 3, "a": 5 / 3})


def test_modality_is_named() -> None:
    found = metric_list.describe("knn_overlap_adt")
    assert found.title == "Neighbourhood overlap, protein (ADT)"
    assert found.higher
    assert metric_list.describe("brand_new").higher is None


def available(*runs: tuple[str, int]) -> dict[tuple[str, int], np.ndarray]:
    """Runs with the same domains."""
    return {run: np.array([1, 1, 2, 2]) for run in runs}


def test_best_run_takes_the_best_method_by_mean() -> None:
    table = make_metrics([("a", 1, "ari", 0.9), ("a", 2, "ari", 0.1), ("b", 1, "ari", 0.6), ("b", 2, "ari", 0.7)])
    best = scores.best_run(table, available(("a", 1), ("a", 2), ("b", 1), ("b", 2)))
    assert best is not None
    assert (best.method, best.seed, best.by_labels) == ("b", 1, True)
    assert "0.650" in best.why


def test_labels_do_not_choose_the_seed() -> None:
    table = make_metrics([("a", seed, "ari", value) for seed, value in ((1, 0.9), (2, 0.2), (3, 0.3))])
    # Seeds 2 and 3 are alike but for one spot, seed 1, the one nearest to the labels, is like neither.
    domains = {
        ("a", 1): np.array([1, 1, 2, 2, 3, 3]),
        ("a", 2): np.array([1, 2, 1, 2, 1, 2]),
        ("a", 3): np.array([1, 2, 1, 2, 1, 1]),
    }
    best = scores.best_run(table, domains)
    assert best is not None
    assert best.seed != 1
    assert "agrees most with the others" in best.why


def test_an_only_method_is_not_compared() -> None:
    best = scores.best_run(make_metrics([("a", 1, "silhouette", 0.2)]), available(("a", 1)))
    assert best is not None and best.why == "the only method"


def test_without_labels_the_first_method_that_was_given_is_shown() -> None:
    """Smoothness is no reason: b is smoother by every metric, and a was given first."""
    table = make_metrics([(m, s, "pas", v) for m, v in (("a", 0.5), ("b", 0.2)) for s in (1, 2, 3)])
    # Seeds 1 and 3 of a each differ from seed 2 at one spot, and from each other at two.
    domains = {("a", 1): [*"112232"], ("a", 2): [*"112233"], ("a", 3): [*"122233"]} | available(("b", 1))
    best = scores.best_run(table, domains, ["a", "b"])
    assert best is not None and (best.method, best.seed, best.by_labels) == ("a", 2, False)
    assert best.why.startswith("the first method in --methods, controls aside, since without labels nothing shows")
    assert best.why.endswith("the seed that agrees most with the others")
    best = scores.best_run(table, domains, ["b", "a"])
    assert best is not None and best.method == "b"
    # A control that was given first is shown only where there is nothing else.
    best = scores.best_run(table, domains | available(("noise", 1)), ["noise", "b", "a"])
    assert best is not None and best.method == "b"


def test_mean_ranks_without_labels() -> None:
    table = make_metrics(
        [
            ("a", 1, "silhouette", 0.2),
            ("a", 1, "pas", 0.5),
            ("a", 1, "chaos", 2.0),
            ("b", 1, "silhouette", 0.1),
            ("b", 1, "pas", 0.2),
            ("b", 1, "chaos", 1.0),
        ]
    )
    # Ranks of a: 1, 2, 2; of b: 2, 1, 1.
    ranks = scores.mean_ranks(table, ["method"])
    assert ranks.to_dict() == pytest.approx({"b": 4 / 3, "a": 5 / 3})


def test_a_control_is_shown_first_only_where_there_is_nothing_else() -> None:
    values = [("pca_smooth", 0.9), ("coordinates", 0.8), ("a", 0.2)]
    for metric in ("ari", "silhouette"):
        table = make_metrics([(method, 1, metric, value) for method, value in values])
        best = scores.best_run(table, available(*((method, 1) for method, _ in values), ("weave", 1)))
        assert best is not None and best.method == "a"
        best = scores.best_run(table, available(("pca_smooth", 1), ("coordinates", 1)), ["pca_smooth", "coordinates"])
        assert best is not None and best.method == "pca_smooth"


def test_best_run_needs_domains() -> None:
    table = make_metrics([("a", 1, "ari", 0.9), ("b", 1, "ari", 0.5)])
    best = scores.best_run(table, available(("b", 1)))
    assert best is not None
    assert best.method == "b"
    assert scores.best_run(table, {}) is None
    without = scores.best_run(table.iloc[:0], available(("z", 3)))
    assert without is not None
    assert (without.method, without.seed) == ("z", 3)


@pytest.mark.parametrize("values", [[0.2, 0.9], [0.5], [-1e-3, 2e-3], [1e4, 3.7e4], [0.0, 0.0]])
def test_strip_ticks_enclose_all_dots(values: list[float]) -> None:
    plot = strip(metric_list.METRIC_INFO["ari"], {"a": Seeds(values), "b": Seeds([])})
    assert plot is not None
    left, right = plot.ticks[0][0], plot.ticks[-1][0]
    assert 2 <= len(plot.ticks) <= 8
    assert all(left - 0.1 <= dot <= right + 0.1 for dot in plot.rows[0].dots)
    assert len(plot.rows[0].dots) == len(values)


def test_of_equal_seeds_the_first_is_shown() -> None:
    best = scores.best_run(make_metrics([("a", 3, "ari", 0.5), ("a", 2, "ari", 0.5)]), available(("a", 3), ("a", 2)))
    assert best is not None
    assert (best.method, best.seed) == ("a", 2)


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
