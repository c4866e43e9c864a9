#!/usr/bin/env python3
"""Tables of a whole run: metrics.csv, runs.csv and index.csv."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import stage


@stage
@click.option("--embedding", "embeddings", type=click.Path(path_type=Path), multiple=True, help="Embedding of one run.")
@click.option("--metrics", type=click.Path(path_type=Path), multiple=True, help="Metrics of one run.")
@click.option("--alignment", type=click.Path(path_type=Path), multiple=True, help="Alignment table of one run.")
@click.option("--planned", type=click.Path(path_type=Path), required=True, help="JSON list of the runs to be made.")
@click.option("--failures", type=click.Path(path_type=Path), required=True, help="JSON list of what failed.")
@click.option("--out-dir", type=click.Path(path_type=Path), required=True, help="Folder for the tables.")
def main(
    embeddings: tuple[Path, ...],
    metrics: tuple[Path, ...],
    alignment: tuple[Path, ...],
    planned: Path,
    failures: Path,
    out_dir: Path,
) -> None:
    """Collect the metrics, resources and paths of all runs."""
    from spatialweave import summary
    from spatialweave.io.files import write_csv

    runs = summary.runs_table(summary.read_planned(planned), embeddings, summary.read_json(failures))
    tables = {"benchmark/runs.csv": runs}
    tables["benchmark/metrics.csv"] = summary.joined_table(metrics, summary.METRIC_COLUMNS)
    if alignment:
        tables["benchmark/alignment.csv"] = summary.joined_table(alignment, summary.ALIGNMENT_COLUMNS)
    tables["index.csv"] = summary.index_table(runs)
    for name, table in tables.items():
        write_csv(out_dir / name, table)


if __name__ == "__main__":
    main()
