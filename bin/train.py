#!/usr/bin/env python3
"""TRAIN: learn an embedding of all spots of a dataset with one method."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import stage

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@stage
@click.option("--latents", type=_FILE, required=True, help="Latents of the dataset (.h5mu), from preprocess.py.")
@click.option("--graph", type=_FILE, required=True, help="Graphs over its spots (.h5ad), from graph.py.")
@click.option("--coordinates", type=_FILE, help="Coordinates of all sections in one frame (.csv), from stack.py.")
@click.option("--preset", type=_FILE, required=True, help="The method: a file of assets/methods (.yml).")
@click.option("--preset-name", help="Settings in that file to use.  [default: those of the dataset's layout]")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override one setting; may be repeated.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, help="Drives every random draw.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="Where to train. auto = the GPU if there is one; cuda fails without one.",
)
@click.option("--mixed-precision", is_flag=True, help="bfloat16 products on the GPU: faster, less exact.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: all]")
@click.option(
    "--checkpoint-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Save the state there every 30 seconds, and resume from it; deleted at the end.  [default: no checkpoints]",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Embedding to write.")
def main(
    latents: Path,
    graph: Path,
    coordinates: Path | None,
    preset: Path,
    preset_name: str | None,
    overrides: tuple[str, ...],
    seed: int,
    device: str,
    mixed_precision: bool,
    threads: int | None,
    checkpoint_dir: Path | None,
    out: Path,
) -> None:
    """Learn an embedding of all spots of a dataset with one method."""
    import os

    if threads is not None:
        # Libraries read it when they are loaded.
        os.environ["OMP_NUM_THREADS"] = str(threads)

    from spatialweave.io.dataset import read_dataset
    from spatialweave.io.embeddings import write_embedding
    from spatialweave.presets import read_preset
    from spatialweave.training.checkpoint import discard
    from spatialweave.training.outputs import per_spot
    from spatialweave.training.run import prepare
    from spatialweave.training.session import fit_preset

    method = read_preset(preset)
    run = prepare(seed, device, threads, mixed_precision)
    dataset = read_dataset(latents, graph, coordinates)
    if checkpoint_dir is not None:
        run.checkpoint = checkpoint_dir / f"{dataset.name}.{method.name}.seed{seed}.pt"
    fitted = fit_preset(dataset, method, run, preset_name, overrides)
    write_embedding(out, dataset, fitted.embedding, fitted.record, per_spot(fitted, dataset, latents))
    if run.checkpoint is not None:
        discard(run.checkpoint)


if __name__ == "__main__":
    main()
