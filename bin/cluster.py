#!/usr/bin/env python3
"""CLUSTER: divide the spots of a dataset into domains by their embedding."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import SEED, stage


@stage
@click.option("--embedding", required=True, type=click.Path(path_type=Path), help="Embedding file (.h5ad) of TRAIN.")
@click.option("--graph", required=True, type=click.Path(path_type=Path), help="Graph file (.h5ad) of GRAPH.")
@click.option(
    "--clustering",
    type=click.Choice(["mclust", "mclust_r", "leiden", "louvain", "kmeans"]),
    default="mclust",
    help="mclust: Gaussian mixture with one shared covariance; mclust_r: the same model by R, where R is installed.",
)
@click.option("--n-domains", default="auto", help="Number of domains, or auto: the highest ICL from 2 on.")
@click.option("--max-domains", type=click.IntRange(2, 100), default=20, help="Largest number that auto considers.")
@click.option(
    "--refine", type=click.IntRange(0, 100), default=0, help="Rounds of majority vote over the spatial graph."
)
@click.option("--seed", type=SEED, default=0, help="Seed of all random draws.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Table of domains (.csv) to write.")
@click.option("--summary", required=True, type=click.Path(path_type=Path), help="Account of the clustering (.json).")
def main(
    embedding: Path,
    graph: Path,
    clustering: str,
    n_domains: str,
    max_domains: int,
    refine: int,
    seed: int,
    out: Path,
    summary: Path,
) -> None:
    """Cluster an embedding into domains, numbered by decreasing size, and say how they were found."""
    from spatialweave.domains.stage import assign_domains, number_asked
    from spatialweave.io.files import write_csv, write_json

    asked = number_asked(n_domains)
    table, account = assign_domains(embedding, graph, clustering, asked, max_domains, refine, seed)
    write_csv(out, table)
    write_json(summary, account)


if __name__ == "__main__":
    main()
