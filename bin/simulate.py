#!/usr/bin/env python3
"""Simulate a tissue with known domains, or a series of sections through one, with its samplesheet."""

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from spatialweave.cli import OUT_FOLDER, SEED, stage
from spatialweave.errors import InputError

PRESETS = ("demo", "test", "blocks", "regions", "layers", "bins")
PAIRS = ("pair", "crossmodal", "cells_pair")
COHORTS = ("cohort",)
SERIES = ("series", *PAIRS, "series_test")

Spec = TypeVar("Spec", bound=Any)


@stage
@click.option(
    "--preset",
    type=click.Choice(PRESETS + SERIES + COHORTS),
    default="demo",
    help="The tissue; the options below change it.",
)
@click.option("--seed", type=SEED, default=2025, help="Seed; the same seed gives the same files.")
@click.option(
    "--signal", type=float, help="Natural log of a marker's increase in its domain; 0 = none. [default: preset]"
)
@click.option("--rows", type=int, help="Rows of spots. [default: preset]")
@click.option("--cols", type=int, help="Columns of spots. [default: preset]")
@click.option("--domains", type=int, help="Number of domains. [default: preset]")
@click.option("--modalities", help="Comma-separated: some of rna, adt, atac. [default: preset]")
@click.option("--missing", help="Fractions of spots without a modality, e.g. rna=0.1,adt=0.2. [default: none]")
@click.option("--rotation", type=float, help="Rotation of a pair's second section in degrees. [default: preset]")
@click.option("--shift", type=(float, float), help="Shift of a pair's second section in x and y. [default: preset]")
@click.option("--cut", type=float, help="Fraction of the second section's spots to cut off. [default: preset]")
@click.option("--thin", type=float, help="Fraction of the second section's counts to keep. [default: preset]")
@click.option(
    "--bend", type=float, help="Largest deformation of the second section, in spot spacings. [default: preset]"
)
@click.option(
    "--image",
    is_flag=True,
    help="Write the tissue as Space Ranger writes a Visium library, with a drawn H&E image, instead of .h5ad files.",
)
@click.option("--dataset", help="Name of the dataset in the samplesheet. [default: preset]")
@click.option("--out-dir", type=OUT_FOLDER, required=True, help="Folder for the files.")
def main(
    preset: str,
    seed: int,
    signal: float | None,
    rows: int | None,
    cols: int | None,
    domains: int | None,
    modalities: str | None,
    missing: str | None,
    rotation: float | None,
    shift: tuple[float, float] | None,
    cut: float | None,
    thin: float | None,
    bend: float | None,
    image: bool,
    dataset: str | None,
    out_dir: Path,
) -> None:
    """Simulate a tissue or a series of sections with known domains and write it with its samplesheet."""
    from spatialweave import simulate

    series, cohort = simulate.SERIES.get(preset), simulate.COHORTS.get(preset)
    spec = series.tissue if series else cohort.tissue if cohort else simulate.PRESETS[preset]
    if modalities is not None:
        spec = simulate.select_modalities(spec, [name.strip() for name in modalities.split(",")])
    spec = changed(spec, signal=signal, rows=rows, cols=cols, n_domains=domains, missing=parse_fractions(missing))
    move = {"rotation": rotation, "shift": shift, "cut": cut, "thin": thin, "bend": bend}
    for option, value in move.items():
        if value is not None and preset not in PAIRS:
            raise InputError(f"--{option}", f"preset {preset} is no pair", "one of the presets " + ", ".join(PAIRS))
    if image and preset not in PRESETS:
        raise InputError("--image", f"preset {preset} has several sections", "one of the presets " + ", ".join(PRESETS))
    name = dataset or preset
    if image:
        simulate.write_visium(spec, seed, out_dir, name)
        return
    if cohort is not None:
        sections = simulate.simulate_cohort(replace(cohort, tissue=spec), seed)
        simulate.write_series(sections, out_dir, name, spec.n_domains)
        return
    if series is None:
        simulate.write(simulate.simulate(spec, seed), out_dir, name, spec.n_domains)
        return
    *others, last = series.sections
    moved = (*others, changed(last, **move))
    result = simulate.simulate_series(replace(series, tissue=spec, sections=moved), seed)
    cells = any(section.lattice == "cells" for section in moved)
    simulate.write_series(result, out_dir, name, spec.n_domains, cells)


def changed(spec: Spec, **changes: Any) -> Spec:
    """Return `spec` with the given fields; None leaves a field unchanged."""
    return replace(spec, **{key: value for key, value in changes.items() if value is not None})


def parse_fractions(text: str | None) -> dict[str, float] | None:
    """Read ``rna=0.1,adt=0.2``."""
    if text is None:
        return None
    fractions = {}
    for part in text.split(","):
        name, _, fraction = part.partition("=")
        try:
            fractions[name.strip()] = float(fraction)
        except ValueError:
            raise InputError(
                "--missing", f"'{part}' cannot be read", "modality=fraction, e.g. rna=0.1,adt=0.2"
            ) from None
    return fractions


if __name__ == "__main__":
    main()
