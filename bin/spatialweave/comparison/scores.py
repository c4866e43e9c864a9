"""Scores of methods: mean over seeds, the best method if there is one, and a ranking."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialweave.io.result_tables import WEAVE
from spatialweave.metrics.metric_list import (
    DOMAINS,
    FIDELITY,
    LEFT_OUT,
    METRIC_INFO,
    OTHER,
    RANKED,
    SECTIONS,
    TISSUE,
    WITH_LABELS,
    describe,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Score:
    """Metric of one method over its seeds.

    Attributes
    ----------
    sd
        Sample standard deviation, NaN for fewer than two seeds.
    best
        Whether it is better than every other method by more than the intervals of the differences.
    """

    mean: float
    sd: float
    n: int
    best: bool = False


def summarise(metrics: pd.DataFrame, starred: Set[tuple[str, str]] = frozenset()) -> dict[str, dict[str, Score]]:
    """Return mean and standard deviation over the seeds of one dataset, by metric and method.

    Parameters
    ----------
    starred
        The metric and method of the best scores.
    """
    result: dict[str, dict[str, Score]] = {}
    for name in ordered_metrics(metrics):
        values = metrics.loc[metrics["metric"] == name].groupby("method")["value"].agg(["mean", "std", "count"])
        result[name] = {
            str(key): Score(float(v["mean"]), float(v["std"]), int(v["count"]), (name, str(key)) in starred)
            for key, v in values.iterrows()
        }
    return result


def starred(differences: pd.DataFrame) -> set[tuple[str, str]]:
    """Return the metric and method of the best scores of one dataset, from its table DIFFERENCES."""
    found = set()
    for (metric, method), rows in differences.groupby(["metric", "method"]):
        higher = describe(str(metric)).higher
        if higher is not None and is_best(str(method), rows, higher):
            found.add((str(metric), str(method)))
    return found


def is_best(method: str, differences: pd.DataFrame, higher: bool) -> bool:
    """Return whether a method is distinguishably better than all others by a metric; the consensus does not compete."""
    others = differences[(differences["method"] == method) & (differences["other"] != WEAVE)]
    better = others["distinguishable"] & ((others["difference"] > 0) == higher)
    return method != WEAVE and len(others) > 0 and bool(better.all())


def ordered_metrics(metrics: pd.DataFrame) -> list[str]:
    """Return metric names in the order of the groups of :data:`METRIC_INFO`, unknown ones last."""
    groups = [WITH_LABELS, DOMAINS, TISSUE, SECTIONS, FIDELITY, OTHER]
    known = list(METRIC_INFO)

    def position(name: str) -> tuple[int, int, str]:
        return groups.index(describe(name).group), known.index(name) if name in METRIC_INFO else len(known), name

    return sorted((name for name in metrics["metric"].unique() if not name.startswith(LEFT_OUT)), key=position)


def mean_ranks(metrics: pd.DataFrame, by: list[str]) -> pd.Series:
    """Return mean ranks over :data:`RANKED` of each group of `by`, sorted (1 = best on all), if it has any.

    The consensus is not ranked, because it is made of the others.
    """
    rows = metrics[metrics["metric"].isin(RANKED) & (metrics["method"] != WEAVE)]
    wide = rows.pivot_table(index=by, columns="metric", values="value", aggfunc="mean")
    for name in wide.columns:
        if METRIC_INFO[name].higher:
            wide[name] = -wide[name]
    return wide.rank(axis=0, method="average").mean(axis=1).dropna().sort_values(kind="stable")
