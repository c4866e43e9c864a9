#!/usr/bin/env python3
"""INGEST: read the files of one section, check them, and write them as one section .h5mu."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from spatialweave.cli import OUT_FILE, PATH, stage
from spatialweave.errors import InputError
from spatialweave.io.files import FILE_NAME
from spatialweave.modalities import MODALITY_KINDS


def modality_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add one option per modality, in the order of the table of modalities."""
    for kind in reversed(MODALITY_KINDS.values()):
        help_text = kind.file[0].upper() + kind.file[1:] + "."
        function = click.option(f"--{kind.name}", type=PATH, help=help_text)(function)
    return function


def precomputed_declaration(text: str) -> tuple[str, str]:
    """Return modality and obsm key ("" = none) of one --precomputed."""
    modality, colon, key = text.partition(":")
    if colon and not key:
        raise InputError("--precomputed", f"'{text}' names no obsm key", "MODALITY:KEY, e.g. atac:X_lsi")
    return _modality("--precomputed", modality), key


def measured_declaration(text: str) -> tuple[str, str]:
    """Return modality ("" = every) and "counts" or "intensities" of one --measured."""
    modality, colon, what = text.rpartition(":")
    if what not in ("counts", "intensities"):
        raise InputError("--measured", f"'{text}'", "counts or intensities, or MODALITY: and one of them")
    return _modality("--measured", modality) if colon else "", what


def of_modality(option: str, text: str) -> tuple[str, str]:
    """Return modality ("" = every) and value of one `option`."""
    modality, colon, value = text.partition(":")
    return (_modality(option, modality), value) if colon else ("", text)


def carried_column(text: str) -> tuple[str, str]:
    """Return name and value of one --meta."""
    name, equals, value = text.partition("=")
    if not (re.fullmatch("[a-z0-9_]+", name) and equals and value):
        raise InputError("--meta", f"'{text}'", "NAME=VALUE, e.g. donor=P1")
    return name, value


def _modality(option: str, name: str) -> str:
    if name not in MODALITY_KINDS:
        raise InputError(option, f"'{name}' is not a modality", "one of " + ", ".join(MODALITY_KINDS))
    return name


def declarations(option: str, texts: tuple[str, ...], parse: Callable[[str], tuple[str, str]]) -> dict[str, str]:
    """Return the values of one repeatable option by the name before each."""
    declared = dict(parse(text) for text in texts)
    if len(declared) < len(texts):
        raise InputError(option, f"{', '.join(texts)}: one is named twice", "each once")
    return declared


@stage
@click.option("--dataset", required=True, help="Name of the dataset of the section.")
@click.option("--section", required=True, help="Name of the section.")
@modality_options
@click.option("--multi", type=PATH, help="File or folder that names the modalities it holds.")
@click.option("--spatial", type=PATH, help="Coordinates: CSV, TSV or parquet with barcode, x, y.")
@click.option("--image", type=PATH, help="Image of the tissue (PNG, JPEG, TIFF). Default: the one in other files.")
@click.option("--scale", type=float, help="Pixels of --image per coordinate unit. Default: Space Ranger's, or 1.")
@click.option("--image-features", is_flag=True, help="Statistics of the image around the spots become a modality.")
@click.option(
    "--labels",
    metavar="TEXT|PATH",
    help="Known domains: name of an obs column, CSV barcode,label, or .txt with one label per line.",
)
@click.option("--platform", help="Measuring platform, or the layout: hexagonal, square, cells. Default: inferred.")
@click.option(
    "--section-column",
    metavar="TEXT",
    help="Column of obs with the section of each spot; the spots of --section are read. "
    "none: the files hold one section.",
)
@click.option("--order", type=int, help="Position of the section in a stack.")
@click.option(
    "--precomputed",
    metavar="MODALITY[:KEY]",
    multiple=True,
    help="The values of this modality are already normalised, and obsm[KEY] of its file has its latents; repeatable.",
)
@click.option(
    "--measured",
    metavar="[MODALITY:]TEXT",
    multiple=True,
    help="Whether the values are counts or intensities; default: by the platform and the modality; repeatable.",
)
@click.option(
    "--layer",
    metavar="[MODALITY:]TEXT",
    multiple=True,
    help="The layer that holds the counts (or X, or raw); default: layers['counts'], raw, X; repeatable.",
)
@click.option("--meta", metavar="NAME=VALUE", multiple=True, help="A column meta_NAME to carry along; repeatable.")
@click.option(
    "--bin",
    "bins",
    metavar="[MODALITY:]TEXT",
    multiple=True,
    help="Size of bins: DNB or cell (Stereo-seq), micrometres or cell (Visium HD), base pairs (fragments), parts "
    "per million (imzML); repeatable.",
)
@click.option("--genome", metavar="TEXT", help="The genome whose features are used, if files hold several.")
@click.option("--peaks", type=PATH, help="Intervals (BED) in which fragments are counted, or list of m/z (imzML).")
@click.option("--out", type=OUT_FILE, required=True, help="Section .h5mu to write.")
@click.option("--out-understood", type=OUT_FILE, help="Table (CSV) to write with the facts found in the files.")
def main(
    dataset: str,
    section: str,
    multi: Path | None,
    spatial: Path | None,
    image: Path | None,
    scale: float | None,
    image_features: bool,
    labels: str | None,
    platform: str | None,
    section_column: str | None,
    order: int | None,
    precomputed: tuple[str, ...],
    measured: tuple[str, ...],
    layer: tuple[str, ...],
    meta: tuple[str, ...],
    bins: tuple[str, ...],
    genome: str | None,
    peaks: Path | None,
    out: Path,
    out_understood: Path | None,
    **files: Path | None,
) -> None:
    """Read the files of one section, check them, and write them as one section .h5mu.

    Formats: .h5ad, .h5mu, 10x .h5, 10x matrix folder, .csv/.tsv/.txt(.gz), AnnData .zarr, SpatialData .zarr, folders of
    Space Ranger, Xenium, CosMx, MERSCOPE, Slide-seq and DBiT-seq, .gef, .gem, fragments.tsv.gz, .imzML. At least one
    modality is needed.
    """
    for option, name in (("--dataset", dataset), ("--section", section)):
        if not FILE_NAME.fullmatch(name):
            raise InputError(option, f"'{name}' cannot name a file", "letters, digits, '_', '-' and '.', no '.' first")
    if out.suffix != ".h5mu":
        raise InputError("--out", f"'{out}' does not end in .h5mu", "the name of an .h5mu file")
    if scale is not None and not 0 < scale < float("inf"):
        raise InputError("--scale", f"{scale:g}", "a number above 0")
    from spatialweave.io import contract
    from spatialweave.io.result_tables import UNDERSTOOD
    from spatialweave.io.section import SectionInput, understand_section

    given = {name: path for name, path in files.items() if path is not None}
    row = SectionInput(
        dataset,
        section,
        given,
        multi,
        spatial,
        labels,
        platform,
        order,
        section_column,
        declarations("--precomputed", precomputed, precomputed_declaration),
        declarations("--measured", measured, measured_declaration),
        declarations("--layer", layer, partial(of_modality, "--layer")),
        declarations("--meta", meta, carried_column),
        declarations("--bin", bins, partial(of_modality, "--bin")),
        peaks,
        image,
        scale,
        image_features,
        genome,
    )
    read, understood = understand_section(row)
    if out_understood is not None:
        UNDERSTOOD.write(out_understood, understood.table())
    contract.write(read.data, out, counts=read.counts)
    click.echo(understood.line())


if __name__ == "__main__":
    main()
