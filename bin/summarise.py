#!/usr/bin/env python3
"""Tables of a whole run: metrics.csv, runs.csv and index.csv."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import stage

FILE = click.Path(path_type=Path)


@stage
@click.option("--record", "records", type=FILE, multiple=True, help="Training record of one run (JSON).")
@click.option("--metrics", type=FILE, multiple=True, help="Metrics of one run.")
@click.option("--alignment", type=FILE, multiple=True, help="Alignment metrics of one run.")
@click.option("--planned", type=FILE, required=True, help="JSON list of the runs to be made.")
@click.option("--failures", type=FILE, required=True, help="JSON list of what failed.")
@click.option("--notices", type=FILE, help="JSON list of the warnings of all tasks.")
@click.option("--out-dir", type=FILE, required=True, help="Folder for the tables.")
def main(
    records: tuple[Path, ...],
    metrics: tuple[Path, ...],
    alignment: tuple[Path, ...],
    planned: Path,
    failures: Path,
    notices: Path | None,
    out_dir: Path,
) -> None:
    """Collect the metrics, resources and paths of all runs."""
    from spatialweave import summary
    from spatialweave.io.files import read_json
    from spatialweave.io.result_tables import ALIGNMENT, INDEX, METRICS, NOTICES, RUNS

    trainings = [summary.read_record(path) for path in records]
    runs = summary.runs_table(summary.read_planned(planned), trainings, read_json(failures))
    tables = [
        ("benchmark/runs.csv", RUNS, runs),
        ("benchmark/metrics.csv", METRICS, summary.joined_table(METRICS, metrics)),
        ("index.csv", INDEX, summary.index_table(runs)),
    ]
    if notices is not None:
        tables.append(("notices.csv", NOTICES, summary.read_notices(notices)))
    if alignment:
        tables.append(("benchmark/alignment.csv", ALIGNMENT, summary.joined_table(ALIGNMENT, alignment)))
    # Written once all have been made: a table that cannot be read leaves nothing.
    for name, kind, table in tables:
        kind.write(out_dir / name, table)


if __name__ == "__main__":
    main()
