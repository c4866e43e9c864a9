"""Ranks and verdicts, by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from spatialweave.comparison.leaderboard import leaderboard, over_datasets, overall
from spatialweave.io.result_tables import DIFFERENCES, RUNS, SCORES

RUN_COSTS = RUNS.frame([(d, m, 1, "completed", 1, 2.0, 100.0, 0.0) for d in "xyz" for m in ("a", "b", "pca_smooth")])


def tables(dataset: str, metric: str, means: dict[str, float], width: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores, and differences whose intervals are as wide to both sides."""
    scores = SCORES.frame(
        (dataset, m, metric, "mclust", 2, v, 0.1, v - 0.1, v + 0.1, "seeds") for m, v in means.items()
    )
    rows = []
    for one, other in permutations(means, 2):
        gap = means[one] - means[other]
        rows.append((dataset, metric, one, other, gap, gap - width, gap + width, "seeds", abs(gap) > width))
    return scores, DIFFERENCES.frame(rows).astype({"distinguishable": bool})


def test_ranks_are_as_far_apart_as_the_intervals_say() -> None:
    means = {"a": 0.9, "b": 0.8, "pca_smooth": 0.75, "weave": 0.95}
    board = leaderboard(*tables("x", "ari", means, 0.12), RUN_COSTS).set_index("method")
    # The consensus is first by its mean, has no rank, and gives none to the others.
    assert board.index.tolist() == ["weave", "a", "b", "pca_smooth"]
    assert board.loc["a", ["best_rank", "worst_rank"]].tolist() == [1, 2]
    assert board.loc["b", ["best_rank", "worst_rank"]].tolist() == [1, 3]
    assert board.loc["pca_smooth", ["best_rank", "worst_rank"]].tolist() == [2, 3]
    assert board.loc["weave", ["best_rank", "worst_rank"]].isna().all()
    assert not board["starred"].any()
    assert board["verdict"].tolist() == [
        "better than the control", "better than the control", "indistinguishable from the control", "the control",
    ]  # fmt: skip
    assert board.loc["a", "control_difference"] == pytest.approx(0.15)
    assert board.loc["a", ["seconds", "peak_rss_mb"]].tolist() == [2.0, 100.0]


def test_two_methods_of_the_same_score_are_not_starred() -> None:
    board = leaderboard(*tables("x", "ari", {"a": 0.923, "b": 0.923, "pca_smooth": 0.5}, 0.01), RUN_COSTS)
    assert not board["starred"].any()
    assert (
        leaderboard(*tables("x", "ari", {"a": 0.95, "b": 0.923, "pca_smooth": 0.5}, 0.01), RUN_COSTS)["starred"].sum()
        == 1
    )


def test_lower_is_better_where_the_metric_says_so() -> None:
    board = leaderboard(*tables("x", "pas", {"a": 0.1, "b": 0.3, "pca_smooth": 0.2}, 0.01), RUN_COSTS).set_index(
        "method"
    )
    assert board.index.tolist() == ["a", "pca_smooth", "b"]
    assert board.loc["a", ["starred", "verdict"]].tolist() == [True, "better than the control"]
    assert board.loc["b", ["best_rank", "verdict"]].tolist() == [3, "worse than the control"]


def test_without_intervals_or_control_that_is_said() -> None:
    scores, differences = tables("x", "pas", {"a": 0.1, "pca_smooth": 0.2}, 0.01)
    unknown = differences.assign(low=np.nan, high=np.nan, distinguishable=False)
    assert leaderboard(scores, unknown, RUN_COSTS)["verdict"].tolist() == ["one seed: no interval", "the control"]
    alone = leaderboard(*tables("x", "pas", {"a": 0.1, "b": 0.2}, 0.01), RUN_COSTS)
    assert alone["verdict"].unique().tolist() == ["no control"]
    # Metrics without a direction have no leaders.
    assert leaderboard(*tables("x", "labelled_spots", {"a": 1.0}, 0.0), RUN_COSTS).empty


def test_overall_is_over_datasets() -> None:
    found = [
        tables(d, "ari", {"a": 0.5 + gap, "b": 0.5, "pca_smooth": 0.5}, 0.05)
        for d, gap in zip("xyz", (0.1, 0.2, 0.3), strict=True)
    ]
    board = leaderboard(pd.concat([s for s, _ in found]), pd.concat([d for _, d in found]), RUN_COSTS)
    table = overall(board).set_index("method")
    # a is first everywhere; the two others share the second and third rank.
    assert table["mean_rank"].to_dict() == {"a": 1.0, "b": 2.5, "pca_smooth": 2.5}
    assert table.loc["b", ["rank_low", "rank_high"]].tolist() == [2.0, 3.0]
    assert table.loc["a", ["rank_low", "rank_high"]].tolist() == [1.0, 1.0]
    assert table.loc["a", ["datasets", "above", "below", "indistinguishable"]].tolist() == [3, 3, 0, 0]
    assert table.loc["b", ["above", "below", "indistinguishable"]].tolist() == [0, 0, 3]
    # Mean 0.2, standard error 0.1 / sqrt 3, t with two degrees of freedom 4.30265.
    half = 4.30265 * 0.1 / 3**0.5
    assert table.loc["a", ["control_low", "control_high"]].tolist() == pytest.approx([0.2 - half, 0.2 + half], abs=1e-5)
    assert table.loc["a", "verdict"] == "indistinguishable from the control"
    assert table.loc["pca_smooth", "verdict"] == "the control"
    assert np.isnan(over_datasets(np.array([0.3]))[1])
    # A dataset without the control says nothing of the difference to it.
    alone = board.assign(control_difference=board["control_difference"].where(board["dataset"] == "z"))
    one = overall(alone).set_index("method").loc["a"]
    assert (one["control_difference"], one["verdict"]) == (pytest.approx(0.3), "better than the control")
