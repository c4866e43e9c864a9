#!/usr/bin/env python3
"""WEAVE: compute the consensus of the domains of several runs, with its confidence at every spot."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, OUT_FILE, SEED, stage


@stage
@click.option(
    "--domains", type=FILE, multiple=True, required=True, help="Domains of one run, <method>.seed<k>.domains.csv."
)
@click.option("--latents", type=FILE, required=True, help="Latents of the dataset (.h5mu), for its spots.")
@click.option("--n-domains", type=click.IntRange(1), required=True, help="Number of domains of the consensus.")
@click.option("--seed", type=SEED, default=0, help="Seed of all random draws.")
@click.option("--out", type=OUT_FILE, required=True, help="Table of domains and confidence to write (.csv).")
@click.option("--embedding", type=OUT_FILE, required=True, help="Embedding of the consensus to write (.h5ad).")
@click.option(
    "--record", type=OUT_FILE, required=True, help="Record to write (.json), in the form of a training record."
)
def main(
    domains: tuple[Path, ...], latents: Path, n_domains: int, seed: int, out: Path, embedding: Path, record: Path
) -> None:
    """Join the domains of several runs into one set, with its confidence at every spot."""
    from spatialweave.io.embeddings import write_embedding, write_training_record
    from spatialweave.io.result_tables import WOVEN
    from spatialweave.weave import weave

    woven = weave(domains, latents, n_domains, seed)
    write_embedding(embedding, woven.dataset, woven.embedding, woven.record, woven.per_spot, woven.table["domain"])
    write_training_record(record, woven.dataset.name, woven.record)
    WOVEN.write(out, woven.table)


if __name__ == "__main__":
    main()
