"""Correspondence of the domains of consecutive sections, by the matched spots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.report.tables import ReportTable

if TYPE_CHECKING:
    from spatialweave.report.alignment import MatchedSpots
    from spatialweave.report.inputs import MethodRun

MAX_ROWS = 40
"""Maximal number of rows of a table; the rarest are left out."""


def domain_flows(
    matches: Sequence[MatchedSpots], runs: Sequence[MethodRun], sections: Sequence[str], titles: Mapping[str, str]
) -> list[ReportTable]:
    """Return a table per method and pair of sections, from the first seed of a method with domains.

    Each row is a domain of the first section, one of the second, the number of accepted pairs that join them, and its
    fraction of the first domain's pairs. Domains and rows come by falling number of pairs.
    """
    import pandas as pd

    domains = {(run.method, run.seed): np.asarray(run.domains) for run in runs if run.domains}
    first = {method: min(seed for other, seed in domains if other == method) for method, _ in domains}
    flows = []
    for one in matches:
        if first.get(one.method) != one.seed or not one.accepted.any():
            continue
        of_spot = domains[one.method, one.seed]
        ends = pd.DataFrame({"a": of_spot[one.a[one.accepted]], "b": of_spot[one.b[one.accepted]]})
        counts = ends.value_counts(["a", "b"]).rename("pairs").reset_index()
        total = counts.groupby("a")["pairs"].transform("sum")
        counts = counts.assign(fraction=(counts["pairs"] / total).round(3), total=total)
        counts = counts.nlargest(MAX_ROWS, "pairs").sort_values(["total", "a", "pairs"], ascending=[False, True, False])
        a, b = (sections[code] for code in one.sections)
        caption = f"Domains of matched spots: {titles.get(one.method, one.method)}, {a} → {b}"
        rows = counts[["a", "b", "pairs", "fraction"]].astype(object).to_numpy().tolist()
        flows.append(ReportTable(caption, [f"domain of {a}", f"domain of {b}", "pairs", "fraction"], rows))
    return flows
