"""Consensus in a dataset's report: when it is shown first, and how far the runs agree with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.domains.consensus import by_method, has_majority
from spatialweave.io.result_tables import WEAVE
from spatialweave.report.inputs import MethodRun
from spatialweave.report.scores import BestRun, best_run
from spatialweave.report.tables import ReportTable
from spatialweave.report.text import number

if TYPE_CHECKING:
    import pandas as pd

TITLE = "weave (consensus)"

REFERENCE_TITLE = "reference (saved model)"
"""Title for sections labelled by a saved model."""


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


def consensus_table(runs: list[MethodRun], titles: dict[str, str]) -> ReportTable | None:
    """Tabulate the agreement of the runs with the consensus: a row per domain and one for all; None without consensus.

    Columns: the domain, its spots, their mean confidence, the percentage of them with a confidence below one half, the
    other domain with the most support at its spots, and by method the percentage of its spots that the method's runs
    place in it.
    """
    run = woven_run(runs)
    if run is None or run.domains is None or run.matched_runs is None:
        return None
    domains = run.domains
    placed = run.matched_runs.eq(domains, axis=0)
    placed_by = {method: placed[names].mean(axis=1).to_numpy() for method, names in members(run).items()}
    confidence = run.extras["confidence"]["confidence"].to_numpy()
    support = run.extras["support"].to_numpy()

    def row(title: str, inside: np.ndarray, neighbour: str) -> list[Any]:
        doubtful = 100 * float((confidence[inside] < 0.5).mean())
        agreeing = [f"{100 * float(values[inside].mean()):.1f}" for values in placed_by.values()]
        mean = f"{float(confidence[inside].mean()):.3f}"
        return [title, number(int(inside.sum())), mean, f"{doubtful:.1f}", neighbour, *agreeing]

    rows = []
    for domain in range(1, int(domains.max()) + 1):
        others = support[domains == domain].sum(axis=0)
        others[domain - 1] = 0.0
        rows.append(row(str(domain), domains == domain, str(others.argmax() + 1) if others.any() else ""))
    rows.append(row("all", np.ones(len(domains), dtype=bool), ""))
    header = ["domain", "spots", "confidence", "below 0.5, %", "else"]
    methods = [f"{titles.get(method, method)}, %" for method in placed_by]
    return ReportTable("Agreement of the methods with the consensus", [*header, *methods], rows, as_given=True)
