#!/usr/bin/env python3
"""CLUSTER: divide the spots of a dataset into domains by their embedding."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import OUT_FILE, PATH, SEED, stage


@stage
@click.option("--embedding", required=True, type=PATH, help="Embedding file (.h5ad) of TRAIN.")
@click.option("--graph", required=True, type=PATH, help="Graph file (.h5ad) of GRAPH.")
@click.option(
    "--clustering",
    type=click.Choice(["mclust", "mclust_r", "leiden", "louvain", "kmeans", "split_merge"]),
    default="mclust",
    help="mclust: Gaussian mixture with one shared covariance; mclust_r: the same model in R, where R is installed; "
    "split_merge: many small groups, merged.",
)
@click.option("--n-domains", type=click.IntRange(1), required=True, help="Number of domains.")
@click.option(
    "--refine", type=click.IntRange(0, 100), default=0, help="Rounds of majority vote over the spatial graph."
)
@click.option("--seed", type=SEED, default=0, help="Seed of all random draws.")
@click.option("--out", required=True, type=OUT_FILE, help="Table of domains (.csv) to write.")
@click.option("--summary", required=True, type=OUT_FILE, help="Record of the clustering (.json) to write.")
@click.option(
    "--with-domains", type=OUT_FILE, help="The embedding file, with the domains in obs, to write as well (.h5ad)."
)
def main(
    embedding: Path,
    graph: Path,
    clustering: str,
    n_domains: int,
    refine: int,
    seed: int,
    out: Path,
    summary: Path,
    with_domains: Path | None,
) -> None:
    """Cluster an embedding into domains, numbered by decreasing size, and record how they were found."""
    from spatialweave.domains.assign import assign_domains
    from spatialweave.io.embeddings import write_with_domains
    from spatialweave.io.files import write_json
    from spatialweave.io.result_tables import CLUSTERED, DOMAINS

    table, record = assign_domains(embedding, graph, clustering, n_domains, refine, seed)
    (CLUSTERED if "probability" in table else DOMAINS).write(out, table)
    write_json(summary, record)
    if with_domains:
        write_with_domains(embedding, with_domains, table["domain"])


if __name__ == "__main__":
    main()
