"""The table of how far the runs of a dataset agree with its consensus."""

from __future__ import annotations

from typing import Any

import numpy as np

from spatialweave.report.tables import ReportTable
from spatialweave.report.text import number
from spatialweave.results.first_run import members, woven_run
from spatialweave.results.runs import MethodRun


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
