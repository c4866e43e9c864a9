"""Contents of the run report for one dataset: its leaderboard, further metrics, and the agreement of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from spatialweave.comparison import scores
from spatialweave.io.result_tables import COMPLETED, WEAVE
from spatialweave.metrics import metric_list
from spatialweave.report.strips import Seeds, StripPlot, strip

if TYPE_CHECKING:
    import pandas as pd

LEAD = "ari"
"""Metric of a leaderboard, if there are labels."""


@dataclass
class LeaderRow:
    """Row of one method on one dataset.

    Attributes
    ----------
    lead
        Its row of the table LEADERBOARD for the metric :data:`LEAD`; None if there is none.
    scores
        Values of the board's metrics; None if there is none.
    rank
        Mean rank without labels; None if there is none.
    done, planned
        Number of seeds that completed, and of all seeds.
    """

    method: str
    lead: dict[Any, Any] | None
    scores: list[scores.Score | None]
    rank: float | None
    done: int
    planned: int
    seconds: float
    memory: float


@dataclass
class HeatCell:
    """Cell of a heat map: the value (NaN = none), and colours of the cell and its text."""

    value: float
    fill: str
    ink: str


@dataclass
class HeatMap:
    """Mean agreement between the runs of two methods; on the diagonal, between the seeds of one method."""

    methods: list[str]
    rows: list[list[HeatCell]]


@dataclass
class Board:
    """Board of one dataset, best method first; `link` is the dataset's report, relative to the run's."""

    dataset: str
    link: str
    labelled: bool
    clustering: str
    metrics: list[metric_list.MetricInfo]
    rows: list[LeaderRow]
    strip: StripPlot | None
    agreement: HeatMap | None


def board(dataset: str, tables: Mapping[str, pd.DataFrame], titles: dict[str, str]) -> Board:
    """Build the board of one dataset: by mean ARI if there are labels, else by mean rank over the other metrics.

    Parameters
    ----------
    tables
        ``metrics``, ``runs``, ``leaderboard`` and ``agreement`` of the whole run.
    """
    own, planned, leaders, agreement = (
        tables[name][tables[name]["dataset"] == dataset] for name in ("metrics", "runs", "leaderboard", "agreement")
    )
    best = {(str(row.metric), str(row.method)) for row in leaders[leaders["starred"]].itertuples()}
    summary = scores.summarise(own, best)
    lead: dict[str, dict[Any, Any]] = {
        str(row["method"]): row for row in leaders[leaders["metric"] == LEAD].to_dict("records")
    }
    shown = [name for name in metric_list.KEY_METRICS if name in summary and name != LEAD]
    ranks = dict(scores.mean_ranks(own, ["method"])) if len(own) else {}
    rows = []
    for method in sorted({*own["method"], *planned["method"]}):
        seeds = planned[planned["method"] == method]
        rows.append(
            LeaderRow(
                method=method,
                lead=lead.get(method),
                scores=[summary[metric].get(method) for metric in shown],
                rank=ranks.get(method),
                done=int((seeds["status"] == COMPLETED).sum()),
                planned=len(seeds),
                seconds=float(seeds["seconds"].mean()),
                memory=float(seeds["peak_rss_mb"].max()),
            )
        )
    rows.sort(key=lambda row: _position(row, bool(lead)))
    return Board(
        dataset,
        f"{quote(dataset, safe='')}/report.html",
        bool(lead),
        ", ".join(sorted(set(own["clustering"]))),
        [short_metric(name) for name in shown],
        rows,
        _strip(own, rows, titles),
        heat_map([row.method for row in rows], agreement),
    )


def _strip(own: pd.DataFrame, rows: list[LeaderRow], titles: dict[str, str]) -> StripPlot | None:
    """Return the seeds of every method by the first available metric, with intervals if they are of that metric."""
    lead = next((name for name in (LEAD, *metric_list.RANKED) if (own["metric"] == name).any()), None)
    if lead is None:
        return None
    points = {}
    for row in rows:
        seeds = own.loc[(own["method"] == row.method) & (own["metric"] == lead), "value"].tolist()
        interval = (row.lead["low"], row.lead["high"]) if row.lead and lead == LEAD else None
        points[titles.get(row.method, row.method)] = Seeds(seeds, interval)
    return strip(metric_list.describe(lead), points)


def short_metric(name: str) -> metric_list.MetricInfo:
    """Return a metric with its short title, and the full one in the definition."""
    metric = metric_list.describe(name)
    return replace(metric, title=metric_list.KEY_METRICS[name], definition=f"{metric.title}. {metric.definition}")


def _position(row: LeaderRow, labelled: bool) -> tuple[float, str]:
    """Return a sorting key: best first, methods without a result last; without a ranking the consensus comes first."""
    if labelled:
        return (-row.lead["mean"] if row.lead else float("inf")), row.method
    if row.method == WEAVE and row.done:
        return 0.0, row.method
    return (row.rank if row.rank is not None else float("inf")), row.method


def heat_map(methods: list[str], agreement: pd.DataFrame) -> HeatMap | None:
    """Compute the mean agreement of the runs of every two methods, in their order; None without two runs."""
    if agreement.empty:
        return None
    pairs = agreement.groupby(["method", "other"])["ari"].agg(["sum", "count"]).to_dict("index")
    known = [method for method in methods if method in {*agreement["method"], *agreement["other"]}]
    rows = []
    for one in known:
        row = []
        for other in known:
            found = [pairs[key] for key in {(one, other), (other, one)} if key in pairs]
            count = sum(pair["count"] for pair in found)
            row.append(_cell(sum(pair["sum"] for pair in found) / count if count else float("nan")))
        rows.append(row)
    return HeatMap(known, rows)


LIGHT, DARK = (247, 251, 253), (11, 93, 122)


def _cell(value: float) -> HeatCell:
    """Return a cell with a shade between those of 0 (or less) and 1, and white text if it is dark."""
    if not np.isfinite(value):
        return HeatCell(value, "transparent", "inherit")
    part = min(max(value, 0.0), 1.0)
    red, green, blue = (round(low + part * (high - low)) for low, high in zip(LIGHT, DARK, strict=True))
    return HeatCell(value, f"#{red:02x}{green:02x}{blue:02x}", "#ffffff" if part > 0.6 else "#1b2430")
