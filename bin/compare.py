#!/usr/bin/env python3
"""COMPARE: compute intervals of all methods' scores on a dataset, and compare methods and runs."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, OUT_FILE, stage


@stage
@click.option(
    "--domains", type=FILE, multiple=True, required=True, help="Domains of one run, <method>.seed<k>.domains.csv."
)
@click.option("--metrics", type=FILE, multiple=True, help="Table of metrics (.csv) of one run.")
@click.option("--latents", type=FILE, required=True, help="Latents of the dataset (.h5mu), for its spots and labels.")
@click.option("--scores", type=OUT_FILE, required=True, help="Table of scores with intervals to write (.csv).")
@click.option(
    "--differences", type=OUT_FILE, required=True, help="Table of differences between methods to write (.csv)."
)
@click.option("--agreement", type=OUT_FILE, required=True, help="Table of agreement between runs to write (.csv).")
def main(
    domains: tuple[Path, ...],
    metrics: tuple[Path, ...],
    latents: Path,
    scores: Path,
    differences: Path,
    agreement: Path,
) -> None:
    """Compare the runs of one dataset: write scores and differences of methods with 95% intervals, and agreement."""
    from spatialweave.comparison.dataset import compare
    from spatialweave.io.result_tables import AGREEMENT, DIFFERENCES, SCORES

    found = compare(domains, metrics, latents)
    SCORES.write(scores, found.scores)
    DIFFERENCES.write(differences, found.differences)
    AGREEMENT.write(agreement, found.agreement)


if __name__ == "__main__":
    main()
