#!/usr/bin/env python3
"""Write the interactive report of one dataset: one HTML file that works offline."""

from pathlib import Path

import click

from spatialweave.cli import ANY_FOLDER, FILE, OUT_FILE, stage


@stage
@click.option("--dataset", required=True, help="Name of the dataset.")
@click.option("--counts", type=FILE, help="Raw counts of all sections (.h5mu).")
@click.option("--latents", type=FILE, multiple=True, required=True, help="Latents (.h5mu); spots come from the first.")
@click.option("--graph-stats", type=FILE, multiple=True, help="Graph statistics (CSV); repeat for each graph.")
@click.option(
    "--files",
    type=ANY_FOLDER,
    help="Folder with the files of quality control (<section>.qc_*), of the runs (<method>.seed<k>.h5ad, .domains.csv, "
    ".clustering.json, .metrics.csv) and of the alignment (coordinates.csv, transforms.csv, *.pairs.csv, "
    "*.alignment.csv).",
)
@click.option("--presets", type=ANY_FOLDER, help="Folder with the methods' presets (<method>.yml).")
@click.option("--failures", type=FILE, help="Steps that failed (JSON list).")
@click.option("--params", type=FILE, help="Parameters of the run (JSON).")
@click.option("--run-record", help="Record of the start of the run (JSON in base64).")
@click.option("--out", type=OUT_FILE, required=True, help="The HTML file to write.")
def main(
    dataset: str,
    counts: Path | None,
    latents: tuple[Path, ...],
    graph_stats: tuple[Path, ...],
    files: Path | None,
    presets: Path | None,
    failures: Path | None,
    params: Path | None,
    run_record: str | None,
    out: Path,
) -> None:
    """Write the interactive report of one dataset."""
    from spatialweave.report.dataset import write_dataset_report
    from spatialweave.report.dataset_results import DatasetSources

    sources = DatasetSources(
        dataset=dataset,
        counts=counts,
        latents=latents,
        graph_stats=graph_stats,
        files=files,
        presets=presets,
        failures=failures,
        params=params,
        run_record=run_record,
    )
    write_dataset_report(sources, out)


if __name__ == "__main__":
    main()
