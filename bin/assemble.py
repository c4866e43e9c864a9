#!/usr/bin/env python3
"""Everything of one dataset in one MuData: counts, latents, embeddings and domains."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import stage


@stage
@click.option(
    "--files",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder with *.counts.h5mu, *.latents.h5mu, <method>.seed<k>.h5ad, *.domains.csv, coordinates.csv.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The integrated .h5mu file.")
def main(files: Path, out: Path) -> None:
    """Join the files of one dataset into one."""
    from spatialweave.assemble import assemble
    from spatialweave.io.contract import write

    write(assemble(files), out)


if __name__ == "__main__":
    main()
