#!/usr/bin/env python3
"""PASSPORTS: write a slide for each domain of a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, FOLDER, OUT_FOLDER, stage


@stage
@click.option("--dataset", required=True, help="Name of the dataset.")
@click.option("--latents", type=FILE, required=True, help="Latents (.h5mu), for the spots.")
@click.option("--counts", type=FILE, help="Raw counts of all sections (.h5mu), for maps of the markers.")
@click.option(
    "--files",
    type=FOLDER,
    required=True,
    help="Folder with the files of the runs (<method>.seed<k>.domains.csv, .metrics.csv, weave.seed<k>.h5ad) and the "
    "tables of CHARACTERISE and COHORT.",
)
@click.option("--presets", type=FOLDER, help="Folder with the methods' presets (<method>.yml).")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["pdf", "png", "svg"]),
    multiple=True,
    default=["pdf"],
    help="Format of the slides; repeat for several.",
)
@click.option("--out-dir", type=OUT_FOLDER, required=True, help="Folder to write to.")
def main(
    dataset: str,
    latents: Path,
    counts: Path | None,
    files: Path,
    presets: Path | None,
    formats: tuple[str, ...],
    out_dir: Path,
) -> None:
    """Write a slide per domain with its location, certainty, markers, and the methods that find it."""
    from spatialweave.slides.write import write_slides

    write_slides(dataset, latents, counts, files, presets, formats, out_dir)


if __name__ == "__main__":
    main()
