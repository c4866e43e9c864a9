#!/usr/bin/env python3
"""EXPORT: the integrated file of a dataset in the formats of other programs."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, OUT_FOLDER, stage


@stage
@click.option(
    "--integrated",
    type=FILE,
    required=True,
    help="The integrated .h5mu file of a dataset.",
)
@click.option("--formats", "wanted", required=True, help="Some of h5ad, loupe, seurat, zarr, separated by commas.")
@click.option(
    "--out-dir",
    type=OUT_FOLDER,
    required=True,
    help="Folder to write integrated/<section>.h5ad, loupe/<section>.<method>.seed<k>.csv, seurat/<section>/, "
    "integrated.zarr and vitessce/<section>.json to.",
)
def main(integrated: Path, wanted: str, out_dir: Path) -> None:
    """Write a dataset in the formats of other programs."""
    from spatialweave.export.formats import export, formats

    export(integrated, formats(wanted), out_dir)


if __name__ == "__main__":
    main()
