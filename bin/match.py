#!/usr/bin/env python3
"""MATCH: match the spots of neighbouring sections by embedding and aligned coordinates, and say how good that is."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import SEED, stage

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@stage
@click.option("--embedding", type=_FILE, required=True, help="Embedding file (.h5ad) of TRAIN.")
@click.option("--latents", type=_FILE, required=True, help="Latents file (.h5mu) of PREPROCESS.")
@click.option("--coordinates", type=_FILE, required=True, help="Coordinates in one frame (.csv) of STACK.")
@click.option(
    "--radius", type=click.FloatRange(0, min_open=True), default=3.0, help="Matches lie within this many spot spacings."
)
@click.option(
    "--percentile", type=click.FloatRange(0, 100), default=95.0, help="Of the null, which a mapped spot must reach."
)
@click.option("--seed", type=SEED, default=0, help="Drives the draws of the null.")
@click.option("--prefix", required=True, help="Beginning of the files' names, e.g. smart.seed1.")
@click.option("--out-dir", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to.")
def main(
    embedding: Path,
    latents: Path,
    coordinates: Path,
    radius: float,
    percentile: float,
    seed: int,
    prefix: str,
    out_dir: Path,
) -> None:
    """Write <prefix>.<a>--<b>.pairs.csv and .spots.csv for all neighbouring sections, and <prefix>.alignment.csv."""
    from spatialweave.alignment.stage import match_sections
    from spatialweave.io.files import write_csv

    quality, tables = match_sections(embedding, latents, coordinates, radius, percentile, seed)
    for (a, b), (pairs, spots) in tables.items():
        write_csv(out_dir / f"{prefix}.{a}--{b}.pairs.csv", pairs)
        write_csv(out_dir / f"{prefix}.{a}--{b}.spots.csv", spots)
    write_csv(out_dir / f"{prefix}.alignment.csv", quality)


if __name__ == "__main__":
    main()
