"""The run to show first: the consensus, the method that agrees best with the labels, or the first that was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialweave.domains.consensus import by_method, has_majority
from spatialweave.io.result_tables import WEAVE
from spatialweave.io.run_names import RunKey
from spatialweave.presets import CONTROLS
from spatialweave.results.runs import MethodRun

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass
class BestRun:
    """Run to show first, the reason in words, and whether the labels took part in the choice."""

    method: str
    seed: int
    why: str
    by_labels: bool = False


def woven_run(runs: list[MethodRun]) -> MethodRun | None:
    """Return the consensus among the runs; None if there is none with domains."""
    woven = (run for run in runs if run.method == WEAVE)
    return next((run for run in woven if run.domains is not None and run.matched_runs is not None), None)


def members(run: MethodRun) -> dict[str, list[str]]:
    """Return the runs of a consensus by their method."""
    return by_method(_joined(run))


def _joined(run: MethodRun) -> list[str]:
    return [] if run.matched_runs is None else [str(name) for name in run.matched_runs.columns]


def shown_first(runs: list[MethodRun]) -> BestRun | None:
    """Return the consensus, as the run to show first, if it has a majority (:func:`has_majority`); else None."""
    run = woven_run(runs)
    if run is None or not has_majority(_joined(run)):
        return None
    why = f"the domains that {len(_joined(run))} runs of {len(members(run))} methods have in common"
    return BestRun(WEAVE, run.seed, why)


def first_run(
    runs: list[MethodRun], metrics: pd.DataFrame, order: Sequence[str] = ()
) -> tuple[BestRun | None, int | None]:
    """Return the run to show first and its index in `runs`: the consensus (:func:`shown_first`), else the best run.

    Parameters
    ----------
    order
        The methods in the order in which they were given, for :func:`best_run`.
    """
    domains = {(run.method, run.seed): run.domains for run in runs if run.domains is not None}
    best = shown_first(runs) or best_run(metrics, domains, order)
    found = (index for index, run in enumerate(runs) if best and (run.method, run.seed) == (best.method, best.seed))
    return best, next(found, None)


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
