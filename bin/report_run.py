#!/usr/bin/env python3
"""Write the report of a whole run: leaderboard, failures, resources, methods text."""

from pathlib import Path

import click

from spatialweave.cli import ANY_FOLDER, FILE, OUT_FILE, stage


@stage
@click.option("--metrics", type=FILE, required=True, help="Metrics of all datasets (CSV, tidy).")
@click.option("--runs", type=FILE, required=True, help="Every run with its status, time and memory (CSV).")
@click.option("--leaderboard", type=FILE, help="Scores, ranks and verdicts of all datasets (CSV).")
@click.option("--overall", type=FILE, help="Mean scores, ranks and verdicts over all datasets (CSV).")
@click.option("--agreement", type=FILE, help="Agreement between runs (CSV).")
@click.option("--left-out", type=FILE, help="Methods that were not run on a dataset (JSON list).")
@click.option("--presets", type=ANY_FOLDER, help="Folder with the methods' presets (.yml).")
@click.option("--notices", type=FILE, help="Warnings of all tasks (CSV).")
@click.option("--failures", type=FILE, help="Steps that failed (JSON list).")
@click.option("--params", type=FILE, help="Parameters of the run (JSON).")
@click.option("--versions", type=FILE, help="Software versions (YAML).")
@click.option("--run-record", help="Record of the start of the run (JSON in base64).")
@click.option("--out", type=OUT_FILE, required=True, help="The HTML file to write.")
def main(
    metrics: Path,
    runs: Path,
    leaderboard: Path | None,
    overall: Path | None,
    agreement: Path | None,
    left_out: Path | None,
    presets: Path | None,
    failures: Path | None,
    params: Path | None,
    versions: Path | None,
    notices: Path | None,
    run_record: str | None,
    out: Path,
) -> None:
    """Write the report of a whole run."""
    from spatialweave.report.run import RunSources, write_run_report

    sources = RunSources(
        metrics=metrics,
        runs=runs,
        leaderboard=leaderboard,
        overall=overall,
        agreement=agreement,
        presets=presets,
        failures=failures,
        left_out=left_out,
        params=params,
        versions=versions,
        notices=notices,
        run_record=run_record,
    )
    write_run_report(sources, out)


if __name__ == "__main__":
    main()
