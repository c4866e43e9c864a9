"""Scores in the reports: mean over seeds, the best method if there is one, the best run, and a ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialweave.io.result_tables import WEAVE
from spatialweave.io.run_names import RunKey
from spatialweave.presets import CONTROLS
from spatialweave.report.metric_list import (
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
    import numpy as np
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


@dataclass
class BestRun:
    """Run to show first, the reason in words, and whether the labels took part in the choice."""

    method: str
    seed: int
    why: str
    by_labels: bool = False


def best_run(metrics: pd.DataFrame, domains: Mapping[RunKey, np.ndarray], order: Sequence[str] = ()) -> BestRun | None:
    """Return the method with the best mean ARI or, without labels, the first that was given; with its typical seed.

    Labels may choose among methods, whose means they compare, but never a seed: that would show the luckiest. Metrics
    without labels choose neither: they reward smooth domains, right or wrong. The consensus is not a method. Controls
    are there to be beaten, so one is the best only if there is nothing else.

    Parameters
    ----------
    domains
        For each method and seed the domains of the runs that have any.
    order
        The methods in the order in which they were given; others come after them, by name.
    """
    methods = {run for run in domains if run[0] != WEAVE}
    available = {run for run in methods if run[0] not in CONTROLS} or methods or set(domains)
    if not available:
        return None
    keep = [pair in available for pair in zip(metrics["method"], metrics["seed"], strict=True)]
    method, why, by_labels = _best_method(metrics[keep] if len(keep) else metrics, available, order)
    own = {seed: domains[name, seed] for name, seed in sorted(available) if name == method}
    if len(own) > 2:
        why += "; the seed that agrees most with the others"
    elif len(own) == 2:
        why += "; the first of its two seeds"
    return BestRun(method, typical_seed(own), why, by_labels)


def _best_method(usable: pd.DataFrame, available: set[RunKey], order: Sequence[str]) -> tuple[str, str, bool]:
    """Return the best method, the reason, and whether labels took part."""
    ari = usable[(usable["metric"] == "ari") & usable["value"].notna()]
    if len(ari):
        method = str(ari.groupby("method")["value"].mean().idxmax())
        rows = ari[ari["method"] == method]
        average = f"adjusted Rand index {rows['value'].mean():.3f} over {_seeds(rows)}"
        return method, f"highest mean agreement with the labels ({average})", True
    names = sorted({method for method, _ in available})
    if len(names) == 1:
        return names[0], "the only method", False
    given = [method for method in order if method in names]
    which = "first method in --methods, controls aside" if given else "first method by name"
    return (given or names)[0], f"the {which}, since without labels nothing shows which is the best", False


def typical_seed(domains: Mapping[int, np.ndarray]) -> int:
    """Return the seed whose domains have the highest mean adjusted Rand index with the others; the lowest of equals."""
    if len(domains) < 3:
        return min(domains)
    from sklearn.metrics import adjusted_rand_score

    pairs = {(a, b): adjusted_rand_score(domains[a], domains[b]) for a in domains for b in domains if a < b}
    return max(sorted(domains), key=lambda seed: sum(value for pair, value in pairs.items() if seed in pair))


def _seeds(rows: pd.DataFrame) -> str:
    count = rows["seed"].nunique()
    return f"{count} seed{'s' if count != 1 else ''}"
