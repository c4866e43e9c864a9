"""Correspondence of the domains of consecutive sections, by the matched spots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spatialweave.io.run_names import run_id
from spatialweave.report.flow_plot import FlowPlot, flow_plot
from spatialweave.report.tables import ReportTable

if TYPE_CHECKING:
    from spatialweave.report.alignment import MatchedSpots
    from spatialweave.results.runs import MethodRun

MAX_ROWS = 40
"""Maximal number of rows of a table; the rarest are left out."""


@dataclass
class DomainFlow:
    """Domains of one section in the next, as a diagram of all pairs and as a table of the most frequent ones."""

    plot: FlowPlot
    table: ReportTable


def domain_flows(
    matches: Sequence[MatchedSpots],
    runs: Sequence[MethodRun],
    looks: Mapping[str, Mapping[str, Any]],
    sections: Sequence[str],
    titles: Mapping[str, str],
) -> list[DomainFlow]:
    """Return the flow of each method and pair of sections, from the first seed of a method with domains.

    Each row of a table is a domain of the first section, one of the second, the number of accepted pairs that join
    them, and its fraction of the first domain's pairs. Domains and rows come by falling number of pairs.

    Parameters
    ----------
    looks
        For each run with domains their names and colours, as the page has them.
    """
    import pandas as pd

    domains = {(run.method, run.seed): run.domains for run in runs if run.domains is not None}
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
        counts = counts.sort_values(["total", "a", "pairs"], ascending=[False, True, False])
        counts = counts.astype({"a": str, "b": str})
        a, b = (sections[code] for code in one.sections)
        flow = {(row["a"], row["b"]): int(row["pairs"]) for _, row in counts.iterrows()}
        look = looks[run_id(one.method, one.seed)]
        colours = dict(zip(look["names"], look["colours"], strict=True))
        caption = f"Domains of matched spots: {titles.get(one.method, one.method)}, {a} → {b}"
        kept = counts[counts.index.isin(counts.nlargest(MAX_ROWS, "pairs").index)]
        rows = kept[["a", "b", "pairs", "fraction"]].astype(object).to_numpy().tolist()
        table = ReportTable(caption, [f"domain of {a}", f"domain of {b}", "pairs", "fraction"], rows)
        flows.append(DomainFlow(flow_plot(flow, (a, b), colours), table))
    return flows
