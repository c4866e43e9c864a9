#!/usr/bin/env python3
"""ASSESS: find which runs of a dataset to trust, and what each modality adds, without labels."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, OUT_FILE, SEED, stage


@stage
@click.option(
    "--domains", type=FILE, multiple=True, required=True, help="Domains of one run, <method>.seed<k>.domains.csv."
)
@click.option(
    "--embedding",
    type=FILE,
    multiple=True,
    help="Embedding of one run, <method>.seed<k>.h5ad; that of the consensus lists the runs that it joins.",
)
@click.option("--latents", type=FILE, required=True, help="Latents of the dataset (.h5mu).")
@click.option("--n-domains", type=click.IntRange(1), required=True, help="Number of domains of the dataset.")
@click.option("--seed", type=SEED, default=0, help="Seed of all random draws.")
@click.option("--evidence", type=OUT_FILE, required=True, help="Table of the evidence for each run to write (.csv).")
@click.option(
    "--modality-value", type=OUT_FILE, required=True, help="Table of what each modality adds to write (.csv)."
)
@click.option("--verdict", type=OUT_FILE, required=True, help="The verdict to write (.json).")
def main(
    domains: tuple[Path, ...],
    embedding: tuple[Path, ...],
    latents: Path,
    n_domains: int,
    seed: int,
    evidence: Path,
    modality_value: Path,
    verdict: Path,
) -> None:
    """Weigh the evidence for every run and modality of a dataset, and print the verdict in one line."""
    from spatialweave.assess.dataset import assess
    from spatialweave.io.files import write_json
    from spatialweave.io.result_tables import EVIDENCE, MODALITY_VALUE

    found = assess(domains, embedding, latents, n_domains, seed)
    EVIDENCE.write(evidence, found.evidence)
    MODALITY_VALUE.write(modality_value, found.modality_value)
    write_json(verdict, found.verdict)
    click.echo(found.line)


if __name__ == "__main__":
    main()
