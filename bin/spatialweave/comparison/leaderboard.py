"""Ranks and verdicts of a run, from the scores and differences of its datasets.

A method is better than another if the interval of their difference excludes 0. Its possible ranks on a dataset are from
1 + (methods that are better) to (methods) - (methods that it is better than). Since the intervals of its differences
hold simultaneously at 95%, so does this range (Mogstad, Romano, Shaikh and Wilhelm, Rev Econ Stud 91:476, 2024). The
consensus is not ranked, because it is made from the others. The differences of all methods to the control are a family
of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.comparison.scores import is_best
from spatialweave.io.result_tables import CONTROL_METHOD, LEADERBOARD, OVERALL, WEAVE
from spatialweave.metrics.intervals import LEVEL, family_level
from spatialweave.metrics.metric_list import LEFT_OUT, describe
from spatialweave.presets import CONTROLS

if TYPE_CHECKING:
    import pandas as pd

ABOVE, BELOW = "better than the control", "worse than the control"
SAME = "indistinguishable from the control"
UNKNOWN = "one seed: no interval"
NO_CONTROL = "no control"
IS_CONTROL = "the control"


def leaderboard(scores: pd.DataFrame, differences: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Build the table :data:`~spatialweave.io.result_tables.LEADERBOARD`, by dataset and metric, best mean first.

    Parameters
    ----------
    scores, differences
        Tables of all datasets.
    runs
        The table RUNS, for time (mean over seeds) and memory (the largest).
    """
    grouped = runs.groupby(["dataset", "method"])
    costs = grouped.agg(seconds=("seconds", "mean"), peak_rss_mb=("peak_rss_mb", "max")).to_dict("index")
    by_pair: dict[Any, pd.DataFrame] = dict(iter(differences.groupby(["dataset", "metric"])))
    found = []
    for (dataset, metric), rows in scores.groupby(["dataset", "metric"], sort=False):
        higher = describe(str(metric)).higher
        if higher is None or str(metric).startswith(LEFT_OUT):
            continue
        between = by_pair.get((dataset, metric), differences.iloc[:0])
        ordered = rows.sort_values(["mean", "method"], ascending=[not higher, True], kind="stable")
        for row in ordered.to_dict("records"):
            own = between[between["method"] == row["method"]]
            cost: dict[Any, Any] = costs.get((dataset, row["method"]), {})
            method = str(row["method"])
            found.append({**row, **_ranks(method, own, higher), "verdict": _verdict(row, higher), **cost})
    return LEADERBOARD.frame(found)


def _ranks(method: str, own: pd.DataFrame, higher: bool) -> dict[str, Any]:
    """Return the possible ranks of a method from its differences to the others, and whether it beats all of them."""
    if method == WEAVE:
        return {"best_rank": None, "worst_rank": None, "starred": False}
    others = own[own["other"] != WEAVE]
    positive = (others["difference"] > 0) == higher
    better, worse = (
        int((others["distinguishable"] & positive).sum()),
        int((others["distinguishable"] & ~positive).sum()),
    )
    star = is_best(method, own, higher)
    return {"best_rank": 1 + worse, "worst_rank": 1 + len(others) - better, "starred": star}


def _verdict(row: Mapping[Any, Any], higher: bool) -> str:
    """Describe a row of SCORES in words, compared with the control."""
    if row["method"] == CONTROL_METHOD:
        return IS_CONTROL
    if not np.isfinite(row["control_difference"]):
        return NO_CONTROL
    return verdict_of(row["control_difference"], row["control_low"], row["control_high"], higher)


def verdict_of(value: float, low: float, high: float, higher: bool) -> str:
    """Describe a difference to the control in words."""
    if not np.isfinite([low, high]).all():
        return UNKNOWN
    if low <= 0 <= high:
        return SAME
    return ABOVE if (value > 0) == higher else BELOW


def overall(board: pd.DataFrame) -> pd.DataFrame:
    """Build the table :data:`~spatialweave.io.result_tables.OVERALL`, by metric, best mean rank first.

    A method's rank on a dataset is the middle of its possible ranks there, so that methods that cannot be distinguished
    have nearly equal ranks. Intervals (t) are over datasets: they estimate the result on further datasets of the kind.
    The interval of the rank also contains the means of the best and of the worst rank. The differences to the control
    of all methods but controls hold simultaneously at 95%.

    Datasets differ in difficulty, so means and ranks compare only methods that have all of them. A method that lacks
    some comes last, with neither; its difference to the control is over the datasets that both have.
    """
    rows = []
    for metric, of_metric in board.groupby("metric", sort=False):
        number = of_metric.loc[of_metric["method"] != WEAVE, "method"].nunique()
        compared = of_metric.loc[~of_metric["method"].isin(CONTROLS)].groupby("method")["control_difference"].count()
        level, datasets = family_level(int((compared > 1).sum())), of_metric["dataset"].nunique()
        found = [
            _overall_row(str(metric), str(method), own, number, datasets, level)
            for method, own in of_metric.groupby("method")
        ]
        rows += sorted(
            found,
            key=lambda row: (row["datasets"] < datasets, np.isnan(row["mean_rank"]), row["mean_rank"], row["method"]),
        )
    return OVERALL.frame(rows)


def _overall_row(
    metric: str, method: str, own: pd.DataFrame, n_methods: int, n_datasets: int, level: float
) -> dict[str, Any]:
    higher = bool(describe(metric).higher)
    mean = rank = rank_low = rank_high = np.nan
    if len(own) == n_datasets:
        mean = float(own["mean"].mean())
        rank, rank_low, rank_high = over_datasets(((own["best_rank"] + own["worst_rank"]) / 2).to_numpy(np.float64))
        if n_datasets > 1:
            # Ranks that are equally uncertain everywhere do not differ between datasets, but are not certain.
            rank_low, rank_high = min(rank_low, own["best_rank"].mean()), max(rank_high, own["worst_rank"].mean())
    value, low, high = over_datasets(own["control_difference"].to_numpy(dtype=np.float64), level)
    # For the control itself, without a control, or with one dataset, the verdict is that of the dataset.
    known = own.loc[own["control_difference"].notna(), "verdict"]
    verdict = verdict_of(value, low, high, higher) if len(known) > 1 else [*known, *own["verdict"]][0]
    return {
        "metric": metric, "method": method, "datasets": len(own), "of_datasets": n_datasets, "mean": mean,
        "mean_rank": rank, "rank_low": max(rank_low, 1.0), "rank_high": min(rank_high, n_methods),
        "control_difference": value, "control_low": low, "control_high": high, "verdict": verdict,
        "above": int((own["verdict"] == ABOVE).sum()), "below": int((own["verdict"] == BELOW).sum()),
        "indistinguishable": int((own["verdict"] == SAME).sum()), "seconds": float(own["seconds"].mean()),
    }  # fmt: skip


def over_datasets(values: np.ndarray, level: float = LEVEL) -> tuple[float, float, float]:
    """Return the mean over the datasets that have a value, and its interval by t; NaN if there are too few."""
    from scipy.stats import t

    values = values[np.isfinite(values)]
    n = len(values)
    mean = float(values.mean()) if n else np.nan
    if n < 2:
        return mean, np.nan, np.nan
    half = float(t.ppf(0.5 + level / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half
