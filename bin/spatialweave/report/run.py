"""Report of a whole run: which method to trust on which dataset, what failed, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.errors import EXIT_BAD_INPUT
from spatialweave.io.result_tables import AGREEMENT, COMPLETED, LEADERBOARD, METRICS, OVERALL, RUNS, WEAVE
from spatialweave.modalities import MODALITIES
from spatialweave.report import methods_text, tables
from spatialweave.report.boards import LEAD, board
from spatialweave.report.costs import cost_plot
from spatialweave.report.provenance import read_run
from spatialweave.report.render import render
from spatialweave.results.records import read_failures, read_left_out, read_params, read_presets, read_versions
from spatialweave.results.runs import MethodRun
from spatialweave.results.titles import method_titles

if TYPE_CHECKING:
    import pandas as pd

    from spatialweave.presets import MethodPreset


@dataclass
class RunSources:
    """Files that a run report is made from; see bin/report_run.py."""

    metrics: Path | None = None
    runs: Path | None = None
    leaderboard: Path | None = None
    overall: Path | None = None
    agreement: Path | None = None
    presets: Path | None = None
    failures: Path | None = None
    left_out: Path | None = None
    params: Path | None = None
    versions: Path | None = None
    notices: Path | None = None
    run_record: str | None = None


def write_run_report(sources: RunSources, target: Path) -> None:
    """Read the tables of a run and write its report as one HTML file without external resources."""
    read = {"metrics": METRICS, "runs": RUNS, "leaderboard": LEADERBOARD, "overall": OVERALL, "agreement": AGREEMENT}
    found = {name: table.read_all(filter(None, [getattr(sources, name)])) for name, table in read.items()}
    metrics, runs = found["metrics"], found["runs"]
    presets = read_presets(sources.presets)
    failures = read_failures(sources.failures)
    params = read_params(sources.params)
    methods = list(dict.fromkeys([*runs["method"], *metrics["method"]]))
    titles = method_titles(presets, methods)
    datasets = list(dict.fromkeys([*runs["dataset"], *metrics["dataset"]]))
    overall = found["overall"]
    several = overall[(overall["metric"] == LEAD) & (overall["of_datasets"] > 1)]
    record = read_run(sources.run_record)
    render(
        "run.html",
        target,
        ["sort.js", "paper.js"],
        boards=[board(dataset, found, titles) for dataset in datasets],
        overall=several.to_dict("records"),
        incomplete=bool((several["datasets"] < several["of_datasets"]).any()),
        costs=cost_plot(found["leaderboard"], titles),
        runs=runs.to_dict("records"),
        n_done=int((runs["status"] == COMPLETED).sum()),
        n_methods=len({*methods} - {WEAVE}),
        completed=COMPLETED,
        consensus=WEAVE,
        titles=titles,
        failures=failures,
        left_out=read_left_out(sources.left_out),
        refused=EXIT_BAD_INPUT,
        notices=tables.notices_table(sources.notices),
        methods=compose_methods(runs, metrics, presets, params),
        params=tables.settings(params),
        versions=tables.versions(read_versions(sources.versions)),
        run_line=record.line() if record else "",
        run_rows=record.rows() if record else [],
    )


def compose_methods(
    runs: pd.DataFrame, metrics: pd.DataFrame, presets: dict[str, MethodPreset], params: dict[str, Any]
) -> methods_text.MethodsText:
    """Compose the methods section of the run, for any modalities; differences between datasets are in their own
    reports.
    """
    records = [
        MethodRun(str(row.method), int(str(row.seed)), training={"epochs": row.epochs})
        for row in runs.drop_duplicates(["method", "seed"]).fillna({"epochs": 0}).itertuples()
    ]
    methods = list(dict.fromkeys(record.method for record in records))
    clustering = sorted(set(metrics["clustering"]))
    labelled = bool((metrics["metric"] == "ari").any())
    paragraphs = [
        methods_text.qc_paragraph(params, MODALITIES),
        *methods_text.training_paragraphs(records, presets),
        methods_text.clustering_paragraph(clustering, params.get("refine")),
        methods_text.consensus_paragraph(methods),
        methods_text.evaluation_paragraph(labelled, umap=False) if len(metrics) else "",
    ]
    return methods_text.MethodsText(
        [paragraph for paragraph in paragraphs if paragraph],
        methods_text.references(presets, methods, clustering, labelled, umap=False),
    )
