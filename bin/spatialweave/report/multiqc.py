"""Tables for MultiQC: custom content, recognised by file names (``*_mqc.tsv``), with their own headers.

A file is tab-separated text below a YAML header in comments (MultiQC's documentation, "Custom content"). The first
column is the name of the row, which must be unique in a table. Files with the same ``id`` form one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.io.files import write_text

if TYPE_CHECKING:
    import pandas as pd

PARENT = "spatialweave"


@dataclass(frozen=True)
class Column:
    """Column of a table: its title, its meaning, and the format of its numbers (Python's; "" = text)."""

    title: str
    description: str
    format: str = "{:,.3f}"


def write_table(
    target: Path,
    name: str,
    title: str,
    description: str,
    columns: Mapping[str, Column],
    rows: Iterable[tuple[str, Sequence[Any]]],
) -> None:
    """Write one table.

    Parameters
    ----------
    target
        Path ending in ``_mqc.tsv``.
    name
        Identifier of the table in MultiQC.
    columns
        Columns by key, in order.
    rows
        Name of each row, and its cells; None and NaN are left empty.
    """
    header = {
        "id": f"{PARENT}_{name}",
        "section_name": title,
        "description": description,
        "parent_id": PARENT,
        "parent_name": PARENT,
        "parent_description": "Spatial multi-omics integration.",
        "plot_type": "table",
        "pconfig": {"id": f"{PARENT}_{name}_table", "title": f"{PARENT}: {title}", "namespace": PARENT,
                    "only_defined_headers": True, "col1_header": "of"},
        "headers": {key: _header(column) for key, column in columns.items()},
    }  # fmt: skip
    # JSON is YAML without quoting problems; one value per line keeps it readable.
    lines = [f"# {key}: {json.dumps(value)}" for key, value in header.items()]
    lines.append("\t".join(["of", *columns]))
    lines += ["\t".join([_text(row), *map(_text, cells)]) for row, cells in rows]
    write_text(target, "\n".join(lines) + "\n")


def _header(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"title": column.title, "description": column.description}
    return found | ({"format": column.format} if column.format else {"scale": False})


def _text(value: Any) -> str:
    """Return a cell: no tabs or line breaks, empty for missing values."""
    if value is None or value != value:
        return ""
    return " ".join(str(value).split())


def of_run(row: Mapping[Any, Any]) -> str:
    """Return the row name of one run."""
    return f"{row['dataset']} {row['method']} seed {row['seed']}"


def write_metrics(target: Path, metrics: pd.DataFrame, titles: Mapping[str, str]) -> None:
    """Write a row per run, with a column for each metric in `titles` that any run has."""
    columns = {name: Column(title, f"See docs/metrics.md: {name}") for name, title in titles.items()}
    columns = {name: column for name, column in columns.items() if (metrics["metric"] == name).any()}
    rows = []
    for key, own in metrics.groupby(["dataset", "method", "seed"]):
        values = dict(zip(own["metric"], own["value"], strict=True))
        name = of_run(dict(zip(("dataset", "method", "seed"), key, strict=True)))
        rows.append((name, [own["n_domains"].iloc[0], *(values.get(metric) for metric in columns)]))
    number = {"n_domains": Column("Domains", "Domains with at least one spot", "{:,.0f}")}
    write_table(target, "metrics", "Metrics", "Metrics of the domains of every run.", number | columns, rows)


RESOURCES = {
    "status": Column("Status", "completed or failed", ""),
    "epochs": Column("Epochs", "Epochs of the training", "{:,.0f}"),
    "seconds": Column("Seconds", "Time of the training", "{:,.1f}"),
    "peak_rss_mb": Column("Memory, MB", "Peak memory of the process", "{:,.0f}"),
    "peak_gpu_mb": Column("GPU memory, MB", "Peak memory on the GPU", "{:,.0f}"),
}


def write_resources(target: Path, runs: pd.DataFrame) -> None:
    """Write a row per planned run: whether it completed, and its training time and memory."""
    rows = [(of_run(row), [row[name] for name in RESOURCES]) for row in runs.to_dict("records")]
    write_table(target, "resources", "Resources", "Time and memory of the training of every run.", RESOURCES, rows)


NOTICES = {"step": Column("Step", "Step that reported it", ""), "notice": Column("Notice", "Text of the notice", "")}


def write_notices(target: Path, notices: pd.DataFrame) -> None:
    """Write a row per warning of a task."""
    description = "Inputs that were used, but not exactly as given."
    rows = [
        (f"{number}: {row['task']}", [row["process"], row["notice"]])
        for number, row in enumerate(notices.to_dict("records"), start=1)
    ]
    write_table(target, "notices", "Notices", description, NOTICES, rows)


LEADERBOARD = {
    "mean": Column("ARI", "Adjusted Rand index, mean over seeds"),
    "low": Column("from", "Lower end of its 95% interval"),
    "high": Column("to", "Upper end of its 95% interval"),
    "verdict": Column("Verdict", "Against the control", ""),
}


def write_leaderboard(target: Path, board: pd.DataFrame, metric: str) -> None:
    """Write a row per dataset and method: the score with its interval, and the verdict."""
    rows = [
        (f"{row['dataset']} {row['method']}", [row[name] for name in LEADERBOARD])
        for row in board[board["metric"] == metric].to_dict("records")
    ]
    write_table(target, "leaderboard", "Leaderboard", "Agreement with the labels.", LEADERBOARD, rows)


OVERALL = {
    "datasets": Column("Datasets", "Datasets on which the method has a result", "{:,.0f}"),
    "mean": Column("ARI", "Adjusted Rand index, mean over datasets, if the method has all of them"),
    "mean_rank": Column("Rank", "Rank among the methods, mean over datasets", "{:,.1f}"),
    "control_difference": Column("Difference", "Mean difference to the control"),
    "verdict": Column("Verdict", "Against the control", ""),
}


def write_overall(target: Path, overall: pd.DataFrame, metric: str) -> None:
    """Write a row per method over all datasets: mean score, rank and verdict."""
    rows = [
        (row["method"], [row[name] for name in OVERALL])
        for row in overall[overall["metric"] == metric].to_dict("records")
    ]
    write_table(target, "overall", "All datasets", "Agreement with the labels over datasets.", OVERALL, rows)


QC = {
    "n_before": Column("before", "Spots or features before quality control", "{:,.0f}"),
    "n_failed": Column("removed", "Those that failed a check", "{:,.0f}"),
    "percent_failed": Column("removed, %", "Removed, in percent", "{:,.1f}"),
    "n_after": Column("left", "Spots or features that remain", "{:,.0f}"),
}


def write_qc(target: Path, dataset: str, summary: pd.DataFrame) -> None:
    """Write what quality control of one section removed: rows for spots and for features of each modality."""
    total = summary[(summary["check"] == "any") | (summary["unit"] == "features")]
    rows = [
        (f"{dataset} {row['section']} {row['modality']} {row['unit']}", [row[name] for name in QC])
        for row in total.to_dict("records")
    ]
    write_table(target, "qc", "Quality control", "Spots and features removed from every section.", QC, rows)
