#!/usr/bin/env python3
"""ASSEMBLE: join counts, latents, embeddings and domains of one dataset in one MuData file."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import ANY_FOLDER, FILE, OUT_FILE, stage


@stage
@click.option(
    "--files",
    type=ANY_FOLDER,
    required=True,
    help="Folder with *.counts.h5mu, *.latents.h5mu, <method>.seed<k>.h5ad, *.domains.csv, *.metrics.csv, graph.h5ad, "
    "coordinates.csv, names.csv, pseudotime.csv.",
)
@click.option("--params", type=FILE, help="Parameters of the run (JSON).")
@click.option("--versions", type=FILE, help="Software versions (YAML).")
@click.option("--out", type=OUT_FILE, required=True, help="The integrated .h5mu file.")
def main(files: Path, params: Path | None, versions: Path | None, out: Path) -> None:
    """Join all files of one dataset into one."""
    from spatialweave.assemble.join import assemble
    from spatialweave.io.contract import write

    integrated, counts = assemble(files, params, versions)
    write(integrated, out, counts=counts)


if __name__ == "__main__":
    main()
