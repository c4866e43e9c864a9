#!/usr/bin/env python3
"""EVALUATE: compute the metrics of an embedding and its domains, with and without labels."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import OUT_FILE, PATH, stage


@stage
@click.option("--embedding", required=True, type=PATH, help="Embedding file (.h5ad) of TRAIN.")
@click.option("--domains", required=True, type=PATH, help="Table of domains (.csv) of CLUSTER.")
@click.option("--latents", required=True, type=PATH, help="Latents file (.h5mu) of PREPROCESS.")
@click.option("--graph", required=True, type=PATH, help="Graph file (.h5ad) of GRAPH.")
@click.option("--coordinates", type=PATH, help="Aligned coordinates (.csv) of STACK.")
@click.option("--clustering", required=True, help="Name of the clustering, for the table.")
@click.option("--out", required=True, type=OUT_FILE, help="Table of metrics (.csv) to write.")
def main(
    embedding: Path, domains: Path, latents: Path, graph: Path, coordinates: Path | None, clustering: str, out: Path
) -> None:
    """Compute all metrics of docs/metrics.md for one run and write them as a tidy table."""
    from spatialweave.io.result_tables import METRICS
    from spatialweave.metrics.run_metrics import metrics_table

    METRICS.write(out, metrics_table(embedding, domains, latents, graph, clustering, coordinates))


if __name__ == "__main__":
    main()
