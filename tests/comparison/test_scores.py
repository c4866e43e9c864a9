"""Metrics over seeds, the best method, ranks, and what is known of each metric."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spatialweave.comparison import scores
from spatialweave.io.dataset import Dataset
from spatialweave.metrics import metric_list
from spatialweave.metrics.integration import across_sections

from .made import make_metrics


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
