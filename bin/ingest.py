#!/usr/bin/env python3
"""INGEST: read the files of one section, check them, and write them as one section .h5mu."""

from __future__ import annotations

import re
from pathlib import Path

import click

from spatialweave.cli import stage
from spatialweave.errors import InputError

FILE = click.Path(path_type=Path)


@stage
@click.option("--dataset", required=True, help="Name of the dataset that the section belongs to.")
@click.option("--section", required=True, help="Name of the section.")
@click.option("--rna", type=FILE, help="RNA counts.")
@click.option("--adt", type=FILE, help="Antibody-derived tag (protein) counts.")
@click.option("--atac", type=FILE, help="Chromatin accessibility counts (peaks).")
@click.option("--histone", type=FILE, help="Histone mark counts (peaks or bins).")
@click.option("--metabolite", type=FILE, help="Metabolite intensities.")
@click.option("--multi", type=FILE, help="File or folder with several modalities (.h5mu, 10x .h5, outs, SpatialData).")
@click.option("--spatial", type=FILE, help="Coordinates: CSV, TSV or parquet with barcode, x, y.")
@click.option("--labels", metavar="TEXT|PATH", help="Known domains: name of an obs column, or CSV barcode,label.")
@click.option("--platform", help="Measuring platform, or the layout: hexagonal, square, cells. Default: inferred.")
@click.option("--order", type=int, help="Position of the section in a stack.")
@click.option("--out", type=FILE, required=True, help="Section .h5mu to write.")
def main(
    dataset: str,
    section: str,
    rna: Path | None,
    adt: Path | None,
    atac: Path | None,
    histone: Path | None,
    metabolite: Path | None,
    multi: Path | None,
    spatial: Path | None,
    labels: str | None,
    platform: str | None,
    order: int | None,
    out: Path,
) -> None:
    """Read the files of one section, check them, and write them as one section .h5mu.

    Formats: .h5ad, .h5mu, 10x .h5, 10x matrix folder, Space Ranger outs folder, .csv/.tsv(.gz) with spots in rows,
    AnnData .zarr, SpatialData .zarr. At least one modality is needed.
    """
    for option, name in (("--dataset", dataset), ("--section", section)):
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
            raise InputError(option, f"'{name}' cannot name a file", "letters, digits, '_', '-' and '.', no '.' first")
    if out.suffix != ".h5mu":
        raise InputError("--out", f"'{out}' does not end in .h5mu", "the name of an .h5mu file")
    from spatialweave.io import contract
    from spatialweave.io.section import SectionInput, read_section

    given = {"rna": rna, "adt": adt, "atac": atac, "histone": histone, "metabolite": metabolite}
    files = {name: path for name, path in given.items() if path is not None}
    row = SectionInput(dataset, section, files, multi, spatial, labels, platform, order)
    contract.write(read_section(row), out)


if __name__ == "__main__":
    main()
