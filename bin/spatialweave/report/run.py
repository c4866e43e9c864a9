"""The report of a whole run: which method to believe on which dataset, what failed, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from spatialweave.io.result_tables import COMPLETED, METRICS, RUNS, WEAVE
from spatialweave.report import inputs, methods_text, metric_list, scores, tables
from spatialweave.report.consensus import TITLE
from spatialweave.report.inputs import MethodRun
from spatialweave.report.render import render
from spatialweave.report.strips import StripPlot, strip

if TYPE_CHECKING:
    import pandas as pd

    from spatialweave.presets import MethodPreset


@dataclass
class RunSources:
    """The files a run report is made from; see bin/report_run.py."""

    metrics: Path | None = None
    runs: Path | None = None
    presets: Path | None = None
    failures: Path | None = None
    params: Path | None = None
    versions: Path | None = None
    notices: Path | None = None


@dataclass
class LeaderRow:
    """One method on one dataset.

    Attributes
    ----------
    scores
        Of the board's metrics, None where there is none.
    rank
        Mean rank without labels, None where there is none.
    done, planned
        Seeds that completed, and all.
    """

    method: str
    scores: list[scores.Score | None]
    rank: float | None
    done: int
    planned: int
    seconds: float
    memory: float


@dataclass
class Leaderboard:
    """The leaderboard of one dataset, best method first; `link` is its own report, relative to the run's."""

    dataset: str
    link: str
    metrics: list[metric_list.MetricInfo]
    rows: list[LeaderRow]
    by: str
    strip: StripPlot | None


def write_run_report(sources: RunSources, target: Path) -> None:
    """Read the tables of a run and write its report, one HTML file that needs nothing else."""
    metrics = METRICS.read_all([sources.metrics] if sources.metrics else [])
    runs = RUNS.read_all([sources.runs] if sources.runs else [])
    presets = inputs.read_presets(sources.presets)
    failures = inputs.read_failures(sources.failures)
    params = inputs.read_params(sources.params)
    methods = list(dict.fromkeys([*runs["method"], *metrics["method"]]))
    titles = {name: presets[name].title if name in presets else name for name in [*presets, *methods]}
    titles[WEAVE] = TITLE
    datasets = list(dict.fromkeys([*runs["dataset"], *metrics["dataset"]]))
    render(
        "run.html",
        target,
        [],
        plotly=False,
        boards=[board(dataset, metrics, runs, titles) for dataset in datasets],
        runs=runs.to_dict("records"),
        n_done=int((runs["status"] == COMPLETED).sum()),
        n_methods=len({*methods} - {WEAVE}),
        completed=COMPLETED,
        titles=titles,
        failures=failures,
        notices=tables.notices_table(sources.notices),
        methods=compose_methods(runs, metrics, presets, params),
        params=tables.settings(params),
        versions=tables.versions(inputs.read_versions(sources.versions)),
    )


def board(dataset: str, metrics: pd.DataFrame, runs: pd.DataFrame, titles: dict[str, str]) -> Leaderboard:
    """One dataset's leaderboard: by mean ARI where there are labels, else by mean rank over the metrics without."""
    own = metrics[metrics["dataset"] == dataset]
    planned = runs[runs["dataset"] == dataset]
    summary = scores.summarise(own) if len(own) else {}
    shown = [name for name in metric_list.KEY_METRICS if name in summary]
    ranks = dict(scores.mean_ranks(own, ["method"])) if len(own) else {}
    keys = scores.columns(own)
    method_of = dict(zip(keys, own["method"], strict=True))
    names = [*sorted(method_of), *sorted(set(planned["method"]) - set(own["method"]))]
    rows = []
    for name in names:
        method = str(method_of.get(name, name))
        seeds = planned[planned["method"] == method]
        rows.append(
            LeaderRow(
                method=str(name),
                scores=[summary[metric].get(str(name)) for metric in shown],
                rank=ranks.get(method),
                done=int((seeds["status"] == COMPLETED).sum()),
                planned=len(seeds),
                seconds=float(seeds["seconds"].mean()),
                memory=float(seeds["peak_rss_mb"].max()),
            )
        )
    labelled = "ari" in summary
    rows.sort(key=lambda row: _position(row, summary, labelled))
    lead = "ari" if labelled else next((name for name in metric_list.RANKED if name in summary), None)
    points = {
        titles.get(row.method, row.method): own.loc[(keys == row.method) & (own["metric"] == lead), "value"].tolist()
        for row in rows
    }
    return Leaderboard(
        dataset,
        f"{quote(dataset, safe='')}/report.html",
        [short_metric(name) for name in shown],
        rows,
        "mean adjusted Rand index" if labelled else "mean rank over the metrics that need no labels",
        strip(metric_list.describe(lead), points) if lead else None,
    )


def short_metric(name: str) -> metric_list.MetricInfo:
    """A metric under its short title, with the full one in the definition."""
    metric = metric_list.describe(name)
    return replace(metric, title=metric_list.KEY_METRICS[name], definition=f"{metric.title}. {metric.definition}")


def _position(row: LeaderRow, summary: dict[str, dict[str, scores.Score]], labelled: bool) -> tuple[float, str]:
    """Sorting key: best first, methods without a result last; the consensus first where there is nothing to rank by."""
    if labelled:
        score = summary["ari"].get(row.method)
        return (-score.mean if score else float("inf")), row.method
    if row.method == WEAVE and row.done:
        return 0.0, row.method
    return (row.rank if row.rank is not None else float("inf")), row.method


def compose_methods(
    runs: pd.DataFrame, metrics: pd.DataFrame, presets: dict[str, MethodPreset], params: dict[str, Any]
) -> methods_text.MethodsText:
    """The methods section of the run; what differs between datasets is in their own reports."""
    records = [
        MethodRun(str(row.method), int(str(row.seed)), training={"epochs": row.epochs})
        for row in runs.drop_duplicates(["method", "seed"]).fillna({"epochs": 0}).itertuples()
    ]
    methods = list(dict.fromkeys(record.method for record in records))
    clustering = sorted(set(metrics["clustering"]))
    labelled = bool((metrics["metric"] == "ari").any())
    paragraphs = [
        methods_text.qc_paragraph(params),
        *methods_text.training_paragraphs(records, presets),
        methods_text.clustering_paragraph(clustering, params.get("refine")),
        methods_text.consensus_paragraph(methods),
        methods_text.evaluation_paragraph(labelled, umap=False) if len(metrics) else "",
    ]
    return methods_text.MethodsText(
        [paragraph for paragraph in paragraphs if paragraph],
        methods_text.references(presets, methods, clustering, labelled, umap=False),
    )
