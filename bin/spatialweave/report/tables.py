"""Tables of the reports: rows of cells, ready for the templates."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.comparison import scores
from spatialweave.io.result_tables import GRAPH_STATISTICS, NOTICES, QC_SUMMARY, UNDERSTOOD
from spatialweave.io.understood import understood
from spatialweave.metrics import metric_list
from spatialweave.report.text import THOUSANDS, plain, words
from spatialweave.results.runs import MethodRun

if TYPE_CHECKING:
    import pandas as pd


def _is_number(value: Any) -> bool:
    try:
        float(str(value or 0).replace(THOUSANDS, ""))
    except ValueError:
        return False
    return True


@dataclass
class ReportTable:
    """Table with a header and a caption; `as_given`: its numbers are printed unchanged."""

    caption: str
    header: list[str]
    rows: list[list[Any]]
    as_given: bool = False

    def is_number(self, column: int) -> bool:
        """Return whether a column holds only numbers (or nothing)."""
        return all(_is_number(row[column]) for row in self.rows)


QC_HEADER = {
    "section": "section",
    "modality": "modality",
    "unit": "of",
    "check": "check",
    "threshold": "threshold",
    "n_before": "before",
    "n_failed": "removed",
    "percent_failed": "removed, %",
    "n_after": "left",
}


def qc_table(folder: Path | None) -> ReportTable | None:
    """Tabulate what quality control removed and why, with all sections in one table; None without summaries."""
    paths = sorted(folder.rglob("*.qc_summary.csv")) if folder is not None and folder.is_dir() else []
    found = [path for path in paths if path.stat().st_size]
    if not found:
        return None
    table = QC_SUMMARY.read_all(found)
    if len(found) == 1:
        table = table.drop(columns="section")
    table["check"] = table["check"].map(words)
    header = [QC_HEADER[name] for name in table.columns]
    return ReportTable(
        "Spots and features removed, by check; a spot may fail several", header, table.to_numpy().tolist()
    )


def understood_lines(folder: Path | None) -> list[str]:
    """Return what INGEST detected in the files, one line per section."""
    paths = sorted(folder.rglob("*.ingest.csv")) if folder is not None and folder.is_dir() else []
    return [understood(UNDERSTOOD.read(path)).line() for path in paths if path.stat().st_size]


def notices_table(path: Path | None) -> ReportTable | None:
    """Tabulate the warnings of all tasks; None if there are none."""
    if path is None or not path.stat().st_size:
        return None
    rows = NOTICES.read(path).to_numpy().tolist()
    return (
        ReportTable("Inputs that were used, but not exactly as given", ["step", "of", "notice"], rows) if rows else None
    )


def graph_tables(paths: Sequence[Path]) -> list[ReportTable]:
    """Tabulate graph statistics (graph, statistic, value): one row per statistic, one column per graph."""
    tables = []
    for path in paths:
        if not path.stat().st_size:
            continue
        table = GRAPH_STATISTICS.read(path)
        wide = table.pivot_table(index="statistic", columns="graph", values="value", aggfunc="first", sort=False)
        rows = [[words(str(name)), *values] for name, values in wide.iterrows()]
        caption = path.name.removesuffix(".csv").removesuffix(".graph")
        tables.append(ReportTable(caption, ["statistic", *map(words, wide.columns)], rows))
    return tables


@dataclass
class MetricRow:
    """Metric over the columns of a :class:`MetricGroup`."""

    metric: metric_list.MetricInfo
    scores: list[scores.Score | None]


@dataclass
class MetricGroup:
    """Metrics of one kind."""

    title: str
    rows: list[MetricRow]


def metric_groups(metrics: pd.DataFrame, starred: Set[tuple[str, str]]) -> tuple[list[str], list[MetricGroup]]:
    """Return the metrics table of a dataset: its columns (methods, by name), and its rows in groups."""
    if metrics.empty:
        return [], []
    summary = scores.summarise(metrics, starred)
    columns = sorted(set(metrics["method"]))
    groups: dict[str, MetricGroup] = {}
    for name, row in summary.items():
        metric = metric_list.describe(name)
        group = groups.setdefault(metric.group, MetricGroup(metric.group, []))
        group.rows.append(MetricRow(metric, [row.get(column) for column in columns]))
    return columns, list(groups.values())


RESOURCES = ("epochs", "stopped_by", "device", "seconds", "peak_rss_mb", "peak_gpu_mb")


def resource_rows(runs: list[MethodRun]) -> list[dict[str, Any]]:
    """Return the training time, memory and status of each run; None if unknown."""
    return [
        {
            "method": run.method,
            "seed": run.seed,
            "status": "no domains" if run.domains is None else "domains found",
            "n_domains": run.clustering.get("n_domains"),
            **{key: run.training.get(key) for key in RESOURCES},
        }
        for run in runs
    ]


def settings(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Flatten a nested mapping to sorted (dotted name, value) pairs; unset values are left out."""
    if not isinstance(value, dict):
        return [(prefix, plain(value))] if value is not None else []
    pairs = []
    for key in sorted(value, key=str):
        name = f"{prefix}.{key}" if prefix else str(key)
        pairs.extend(settings(value[key], name))
    return pairs


def versions(value: dict[str, Any]) -> list[tuple[str, str]]:
    """Return software and versions: each name once, with all its versions.

    `value` maps names to versions, or processes to such mappings.
    """
    found: dict[str, set[str]] = {}
    for name, item in value.items():
        for tool, version in item.items() if isinstance(item, dict) else [(name, item)]:
            found.setdefault(str(tool), set()).add(str(version))
    return [(tool, ", ".join(sorted(found[tool]))) for tool in sorted(found, key=str.lower)]
