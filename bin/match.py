#!/usr/bin/env python3
"""MATCH: match the spots of consecutive sections by embedding and aligned coordinates, and compute the quality."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, OUT_FOLDER, stage


@stage
@click.option("--embedding", type=FILE, required=True, help="Embedding file (.h5ad) of TRAIN.")
@click.option("--latents", type=FILE, required=True, help="Latents file (.h5mu) of PREPROCESS.")
@click.option("--coordinates", type=FILE, required=True, help="Aligned coordinates (.csv) of STACK.")
@click.option(
    "--match-radius",
    type=click.FloatRange(0, min_open=True),
    help="Largest distance of a match, in spot spacings. [default: the method's, or 3]",
)
@click.option(
    "--match-percentile",
    type=click.FloatRange(0, 100),
    help="Percentile of the null's similarities that a mapped spot must reach. [default: the method's, or 95]",
)
@click.option("--prefix", required=True, help="Beginning of the files' names, e.g. smart.seed1.")
@click.option("--out-dir", type=OUT_FOLDER, required=True, help="Folder to write to.")
def main(
    embedding: Path,
    latents: Path,
    coordinates: Path,
    match_radius: float | None,
    match_percentile: float | None,
    prefix: str,
    out_dir: Path,
) -> None:
    """Write <prefix>.<a>--<b>.pairs.csv and .spots.csv for all consecutive sections, and <prefix>.alignment.csv.

    Spots are matched by the method's rules, which are in the record of the embedding's training. Random draws use the
    seed of that training.
    """
    from spatialweave.io.result_tables import ALIGNMENT, PAIRS, SPOTS
    from spatialweave.metrics.match_sections import match_sections

    quality, tables = match_sections(embedding, latents, coordinates, match_radius, match_percentile)
    for (a, b), (pairs, spots) in tables.items():
        PAIRS.write(out_dir / f"{prefix}.{a}--{b}.pairs.csv", pairs)
        SPOTS.write(out_dir / f"{prefix}.{a}--{b}.spots.csv", spots)
    ALIGNMENT.write(out_dir / f"{prefix}.alignment.csv", quality)


if __name__ == "__main__":
    main()
