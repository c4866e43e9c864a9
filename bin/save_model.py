#!/usr/bin/env python3
"""SAVE_MODEL: save a trained run as a folder with which new sections are labelled."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, OUT_FOLDER, stage


@stage
@click.option("--latents", type=FILE, required=True, help="Latents of the dataset (.h5mu), from preprocess.py.")
@click.option("--counts", type=FILE, required=True, help="Its joined raw counts (.h5mu), from preprocess.py.")
@click.option("--graph", type=FILE, required=True, help="Graphs over its spots (.h5ad), from graph.py.")
@click.option("--embedding", type=FILE, required=True, help="Embedding of the run (.h5ad), from train.py.")
@click.option("--state", type=FILE, required=True, help="Its trained network (.safetensors), from train.py.")
@click.option("--domains", type=FILE, required=True, help="Its domains, <method>.seed<k>.domains.csv, from cluster.py.")
@click.option("--clustering", type=FILE, required=True, help="The record of the clustering (.json), from cluster.py.")
@click.option("--names", type=FILE, help="Names of the domains (names.csv), from characterise.py.")
@click.option("--method", "method_file", type=FILE, required=True, help="The method's file of assets/methods (.yml).")
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder to write.")
def main(
    latents: Path,
    counts: Path,
    graph: Path,
    embedding: Path,
    state: Path,
    domains: Path,
    clustering: Path,
    names: Path | None,
    method_file: Path,
    out: Path,
) -> None:
    """Save a trained run as a folder with which new sections are labelled without training."""
    from spatialweave.io.saved_model import write_model
    from spatialweave.presets import read_preset
    from spatialweave.reference.save import RunFiles, model_of

    files = RunFiles(latents, counts, graph, embedding, domains, clustering, state, names)
    description, arrays = model_of(files, read_preset(method_file).module)
    write_model(out, description, arrays)
    numbers = sum(array.size for array in arrays.values())
    click.echo(f"{out}: {description['domains']['number']} domains, {numbers} numbers")


if __name__ == "__main__":
    main()
