#!/usr/bin/env python3
"""SCAN: compute how well each number of domains fits the embedding of one run."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import OUT_FILE, PATH, SEED, stage


@stage
@click.option("--embedding", required=True, type=PATH, help="Embedding file (.h5ad) of TRAIN.")
@click.option("--min-domains", type=click.IntRange(2), default=3, help="Smallest number of domains to try.")
@click.option("--max-domains", type=click.IntRange(2), default=20, help="Largest number of domains to try.")
@click.option("--seed", type=SEED, default=0, help="Seed of all random draws.")
@click.option("--out", required=True, type=OUT_FILE, help="Table of criteria (.csv) to write.")
@click.option("--partitions", required=True, type=OUT_FILE, help="Table of domains (.csv) to write.")
def main(embedding: Path, min_domains: int, max_domains: int, seed: int, out: Path, partitions: Path) -> None:
    """Compute the criteria of docs/metrics.md for every number of domains in a range.

    For each number, the domains of up to 2,000 spots are kept for comparison with other runs.
    """
    import numpy as np

    from spatialweave.domains.number import scan
    from spatialweave.io.embeddings import read_embedding, training_record
    from spatialweave.io.result_tables import NUMBERS, PARTITIONS

    data = read_embedding(embedding, keys=())
    record = training_record(data)
    run = (str(data.uns["spatialweave"]["dataset"]), record["method"], record["seed"])
    found = scan(np.asarray(data.X), range(min_domains, max_domains + 1), seed)
    PARTITIONS.write(partitions, PARTITIONS.frame(found.partition_rows(*run)))
    NUMBERS.write(out, NUMBERS.frame((*run, *row) for row in found.criteria))


if __name__ == "__main__":
    main()
