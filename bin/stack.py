#!/usr/bin/env python3
"""STACK: transform the coordinates of all sections of a dataset to those of the first."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, OUT_FOLDER, stage


@stage
@click.option("--latents", type=FILE, required=True, help="Latents file (.h5mu) of PREPROCESS.")
@click.option(
    "--transform",
    "transforms",
    type=FILE,
    multiple=True,
    required=True,
    help="From ALIGN; once per pair of sections.",
)
@click.option("--out-dir", type=OUT_FOLDER, required=True, help="Folder to write to.")
def main(latents: Path, transforms: tuple[Path, ...], out_dir: Path) -> None:
    """Write coordinates.csv (aligned coordinates of every spot) and transforms.csv (one row per section)."""
    from spatialweave.alignment.stack import stack_sections
    from spatialweave.io.result_tables import COORDINATES, TRANSFORMS

    coordinates, table = stack_sections(latents, transforms)
    COORDINATES.write(out_dir / "coordinates.csv", coordinates)
    TRANSFORMS.write(out_dir / "transforms.csv", table)


if __name__ == "__main__":
    main()
