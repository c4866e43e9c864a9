#!/usr/bin/env python3
"""Write the tables of a whole run: metrics, resources, leaderboard, index; also in MultiQC's form."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import OUT_FOLDER, PATH, stage


@stage
@click.option("--record", "records", type=PATH, multiple=True, help="Training record of one run (JSON).")
@click.option("--metrics", type=PATH, multiple=True, help="Metrics of one run.")
@click.option("--alignment", type=PATH, multiple=True, help="Alignment metrics of one run.")
@click.option("--scores", type=PATH, multiple=True, help="Scores with intervals of one dataset.")
@click.option("--differences", type=PATH, multiple=True, help="Differences between the methods of one dataset.")
@click.option("--agreement", type=PATH, multiple=True, help="Agreement between the runs of one dataset.")
@click.option("--planned", type=PATH, required=True, help="JSON list of the planned runs.")
@click.option("--failures", type=PATH, required=True, help="JSON list of the steps that failed.")
@click.option("--notices", type=PATH, help="JSON list of the warnings of all tasks.")
@click.option(
    "--written", type=PATH, required=True, help="JSON list of the paths of integrated files and dataset reports."
)
@click.option("--out-dir", type=OUT_FOLDER, required=True, help="Folder for the tables.")
def main(
    records: tuple[Path, ...],
    metrics: tuple[Path, ...],
    alignment: tuple[Path, ...],
    scores: tuple[Path, ...],
    differences: tuple[Path, ...],
    agreement: tuple[Path, ...],
    planned: Path,
    failures: Path,
    notices: Path | None,
    written: Path,
    out_dir: Path,
) -> None:
    """Collect the metrics, resources and paths of all runs, and rank the methods."""
    from spatialweave import summary
    from spatialweave.comparison.leaderboard import leaderboard, overall
    from spatialweave.io.files import read_json
    from spatialweave.io.result_tables import (
        AGREEMENT,
        ALIGNMENT,
        DIFFERENCES,
        INDEX,
        LEADERBOARD,
        METRICS,
        NOTICES,
        OVERALL,
        RUNS,
        SCORES,
    )
    from spatialweave.metrics.metric_list import KEY_METRICS
    from spatialweave.report import multiqc
    from spatialweave.report.boards import LEAD

    trainings = [summary.read_record(path) for path in records]
    joined = summary.joined_table(METRICS, metrics)
    runs = summary.runs_table(summary.read_planned(planned), trainings, read_json(failures), joined)
    between = DIFFERENCES.read_all(differences)
    board = leaderboard(SCORES.read_all(scores), between, runs)
    of_all = overall(board)
    tables = [
        ("benchmark/runs.csv", RUNS, runs),
        ("benchmark/metrics.csv", METRICS, joined),
        ("benchmark/leaderboard.csv", LEADERBOARD, board),
        ("benchmark/overall.csv", OVERALL, of_all),
        ("benchmark/differences.csv", DIFFERENCES, between),
        ("benchmark/agreement.csv", AGREEMENT, AGREEMENT.read_all(agreement)),
        ("index.csv", INDEX, summary.index_table(runs, summary.read_written(written))),
    ]
    said = None if notices is None else summary.read_notices(notices)
    if said is not None:
        tables.append(("notices.csv", NOTICES, said))
    if alignment:
        tables.append(("benchmark/alignment.csv", ALIGNMENT, summary.joined_table(ALIGNMENT, alignment)))
    # Written once all have been made: a table that cannot be read leaves nothing.
    for name, kind, table in tables:
        kind.write(out_dir / name, table)
    multiqc.write_metrics(out_dir / "multiqc" / "spatialweave_metrics_mqc.tsv", joined, KEY_METRICS)
    multiqc.write_resources(out_dir / "multiqc" / "spatialweave_resources_mqc.tsv", runs)
    if (board["metric"] == LEAD).any():
        multiqc.write_leaderboard(out_dir / "multiqc" / "spatialweave_leaderboard_mqc.tsv", board, LEAD)
    if ((of_all["metric"] == LEAD) & (of_all["of_datasets"] > 1)).any():
        multiqc.write_overall(out_dir / "multiqc" / "spatialweave_overall_mqc.tsv", of_all, LEAD)
    if said is not None and len(said):
        multiqc.write_notices(out_dir / "multiqc" / "spatialweave_notices_mqc.tsv", said)


if __name__ == "__main__":
    main()
