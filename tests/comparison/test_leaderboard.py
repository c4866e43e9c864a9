"""Ranks and verdicts, by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from spatialweave.comparison.leaderboard import leaderboard, over_datasets, overall
from spatialweave.io.result_tables import DIFFERENCES, RUNS, SCORES

RUN_COSTS = RUNS.frame([(d, m, 1, "completed", 1, 2.0, 100.0, 0.0) for d in "xyz" for m in ("a", "b", "pca_smooth")])


NONE = (np.nan, np.nan, np.nan)


def tables(dataset: str, metric: str, means: dict[str, float], width: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores, and differences whose intervals are as wide to both sides, those to the control half as wide."""
    control = {m: v - means["pca_smooth"] for m, v in means.items() if "pca_smooth" in means and m != "pca_smooth"}
    scores = SCORES.frame(
        (dataset, m, metric, "mclust", 2, v, 0.1, v - 0.1, v + 0.1, "seeds",
         *((control[m], control[m] - width / 2, control[m] + width / 2, "seeds") if m in control else (*NONE, "none")))
        for m, v in means.items()
    )  # fmt: skip
    rows = []
    for one, other in permutations(means, 2):
        gap = means[one] - means[other]
        rows.append((dataset, metric, one, other, gap, gap - width, gap + width, "seeds", abs(gap) > width))
    return scores, DIFFERENCES.frame(rows).astype({"distinguishable": bool})


def test_ranks_are_as_far_apart_as_the_intervals_say() -> None:
    means = {"a": 0.9, "b": 0.8, "pca_smooth": 0.73, "weave": 0.95}
    board = leaderboard(*tables("x", "ari", means, 0.12), RUN_COSTS).set_index("method")
    # The consensus is first by its mean, has no rank, and gives none to the others.
    assert board.index.tolist() == ["weave", "a", "b", "pca_smooth"]
    assert board.loc["a", ["best_rank", "worst_rank"]].tolist() == [1, 2]
    assert board.loc["b", ["best_rank", "worst_rank"]].tolist() == [1, 3]
    assert board.loc["pca_smooth", ["best_rank", "worst_rank"]].tolist() == [2, 3]
    assert board.loc["weave", ["best_rank", "worst_rank"]].isna().all()
    assert not board["starred"].any()
    # The intervals of the comparison with the control are its own: b shares ranks with it and is better all the same.
    assert board["verdict"].tolist() == [*["better than the control"] * 3, "the control"]
    assert board.loc["a", "control_difference"] == pytest.approx(0.17)
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
    unknown = scores.assign(control_low=np.nan, control_high=np.nan)
    assert leaderboard(unknown, differences, RUN_COSTS)["verdict"].tolist() == ["one seed: no interval", "the control"]
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
    # Mean 0.2, standard error 0.1 / sqrt 3, t with two degrees of freedom for 97.5% (two methods) 6.20535.
    half = 6.20535 * 0.1 / 3**0.5
    assert table.loc["a", ["control_low", "control_high"]].tolist() == pytest.approx([0.2 - half, 0.2 + half], abs=1e-5)
    assert table.loc["a", "verdict"] == "indistinguishable from the control"
    assert table.loc["pca_smooth", "verdict"] == "the control"
    assert np.isnan(over_datasets(np.array([0.3]))[1])
    # A dataset without the control says nothing of the difference to it.
    alone = board.assign(control_difference=board["control_difference"].where(board["dataset"] == "z"))
    one = overall(alone).set_index("method").loc["a"]
    assert (one["control_difference"], one["verdict"]) == (pytest.approx(0.3), "better than the control")


def board_of(scores: dict[tuple[str, str], float]) -> pd.DataFrame:
    """The leaderboard of the scores of datasets and methods."""
    found = [
        tables(dataset, "ari", {m: v for (d, m), v in scores.items() if d == dataset}, 0.005)
        for dataset in dict.fromkeys(d for d, _ in scores)
    ]
    return leaderboard(pd.concat([s for s, _ in found]), pd.concat([d for _, d in found]), RUN_COSTS)


def test_a_method_without_a_result_on_the_hard_datasets_does_not_lead() -> None:
    levels = {"easy": 0.97, "hard": 0.3, "harder": 0.25}
    scores = {(d, m): v - gap for d, v in levels.items() for m, gap in (("a", 0.0), ("b", 0.01), ("pca_smooth", 0.02))}
    table = overall(board_of(scores | {("easy", "only"): 0.98}))
    assert table["method"].tolist() == ["a", "b", "pca_smooth", "only"]
    only = table.set_index("method").loc["only"]
    assert only[["datasets", "of_datasets"]].tolist() == [1, 3]
    assert only[["mean", "mean_rank", "rank_low", "rank_high"]].isna().all()
    # On the datasets that both have, its difference to the control is as for any method.
    assert only["control_difference"] == pytest.approx(0.98 - 0.95)
    assert table.set_index("method").loc["a", "mean"] == pytest.approx(np.mean(list(levels.values())))


def test_of_many_methods_that_equal_the_control_few_are_called_different_over_datasets() -> None:
    """22 methods on six datasets; one interval of 95% for each would call some different in half of the runs."""
    rng, names, datasets = np.random.default_rng(1), [f"m{k}" for k in range(22)], range(6)
    one = board_of({(str(d), m): 0.5 for d in datasets for m in (*names, "noise", "pca_smooth")})
    runs, wrong = 60, 0
    for _ in range(runs):
        scores = {m: rng.normal(0, 0.02, len(datasets)) for m in (*names, "noise", "pca_smooth")}
        gaps = [
            scores[m][int(d)] - scores["pca_smooth"][int(d)] for d, m in zip(one["dataset"], one["method"], strict=True)
        ]
        table = overall(one.assign(control_difference=np.where(one["method"] == "pca_smooth", np.nan, gaps)))
        verdicts = table.loc[table["method"].isin(names), "verdict"]
        wrong += bool(verdicts.str.startswith(("better", "worse")).any())
    assert wrong <= 6
