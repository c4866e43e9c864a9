#!/usr/bin/env python3
"""Simulate a tissue with known domains: one .h5ad of raw counts per modality, and the samplesheet to run on it."""

from pathlib import Path
from typing import Any

import click

from spatialweave.cli import stage
from spatialweave.errors import InputError

PRESETS = ("demo", "test", "blocks", "layers")


@stage
@click.option("--preset", type=click.Choice(PRESETS), default="demo", help="The tissue; the options below change it.")
@click.option("--seed", type=click.IntRange(min=0), default=2025, help="Seed: the same one gives the same files.")
@click.option("--signal", type=float, help="Natural log of a marker's rise in its domain; 0 = none. [default: preset]")
@click.option("--rows", type=int, help="Rows of spots. [default: preset]")
@click.option("--cols", type=int, help="Columns of spots. [default: preset]")
@click.option("--domains", type=int, help="Number of domains. [default: preset]")
@click.option("--modalities", help="Comma-separated: some of rna, adt, atac. [default: preset]")
@click.option("--missing", help="Shares of spots without a modality, e.g. rna=0.1,adt=0.2. [default: none]")
@click.option("--dataset", help="Name of the dataset in the samplesheet. [default: preset]")
@click.option("--out-dir", type=click.Path(path_type=Path), required=True, help="Folder for the files.")
def main(
    preset: str,
    seed: int,
    signal: float | None,
    rows: int | None,
    cols: int | None,
    domains: int | None,
    modalities: str | None,
    missing: str | None,
    dataset: str | None,
    out_dir: Path,
) -> None:
    """Simulate a tissue with known domains and write it with its samplesheet."""
    from dataclasses import replace

    from spatialweave import simulate

    spec = simulate.PRESETS[preset]
    if modalities is not None:
        spec = simulate.select_modalities(spec, [name.strip() for name in modalities.split(",")])
    changes: dict[str, Any] = {"signal": signal, "rows": rows, "cols": cols, "n_domains": domains}
    changes["missing"] = parse_shares(missing)
    spec = replace(spec, **{key: value for key, value in changes.items() if value is not None})
    simulate.write(simulate.simulate(spec, seed), out_dir, dataset or preset, spec.n_domains)


def parse_shares(text: str | None) -> dict[str, float] | None:
    """Read ``rna=0.1,adt=0.2``."""
    if text is None:
        return None
    shares = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            raise InputError("--missing", f"'{part}' cannot be read", "modality=share, e.g. rna=0.1,adt=0.2") from None
    return shares


if __name__ == "__main__":
    main()
