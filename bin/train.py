#!/usr/bin/env python3
"""TRAIN: learn an embedding of all spots of a dataset with one method."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spatialweave.cli import FILE, OUT_FILE, OUT_FOLDER, SEED, stage


@stage
@click.option("--latents", type=FILE, required=True, help="Latents of the dataset (.h5mu), from preprocess.py.")
@click.option("--graph", type=FILE, required=True, help="Graphs over its spots (.h5ad), from graph.py.")
@click.option("--coordinates", type=FILE, help="Aligned coordinates of all sections (.csv), from stack.py.")
@click.option("--method", "method_file", type=FILE, required=True, help="A file of assets/methods (.yml).")
@click.option("--preset", help="Settings in that file to use.  [default: those of the dataset's platform]")
@click.option(
    "--method-option", "options", metavar="KEY=VALUE", multiple=True, help="Override a setting; may be repeated."
)
@click.option("--seed", type=SEED, default=0, help="Seed of every random stream.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="Where to train. auto = the GPU if there is one; cuda fails without one.",
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads of a process.  [default: all]")
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    help="Processes on this node that share the training of a dataset by tiles, each on a GPU if there are any.",
)
@click.option(
    "--nodes", type=click.IntRange(1), default=1, help="Nodes of a Slurm job that share it, one task on each."
)
@click.option(
    "--checkpoint-dir",
    type=OUT_FOLDER,
    help="Save the state there every 30 seconds or less often, and resume from it; deleted at the end.  "
    "[default: no checkpoints]",
)
@click.option("--progress-file", type=OUT_FILE, help="Keep the last line of the log there; deleted at the end.")
@click.option("--out", type=OUT_FILE, required=True, help="Embedding to write (.h5ad).")
@click.option("--record", type=OUT_FILE, help="Training record to write as well (.json).")
@click.option("--state", type=OUT_FILE, help="Trained network to write as well (.safetensors), for save_model.py.")
def main(
    latents: Path,
    graph: Path,
    coordinates: Path | None,
    method_file: Path,
    preset: str | None,
    options: tuple[str, ...],
    seed: int,
    device: str,
    threads: int | None,
    processes: int,
    nodes: int,
    checkpoint_dir: Path | None,
    progress_file: Path | None,
    out: Path,
    record: Path | None,
    state: Path | None,
) -> None:
    """Learn an embedding of all spots of a dataset with one method."""
    import os

    if threads is not None:
        # Libraries read it when they are loaded.
        os.environ["OMP_NUM_THREADS"] = str(threads)

    from spatialweave.presets import read_preset

    method = read_preset(method_file)
    if processes * nodes > 1:
        from spatialweave.errors import InputError
        from spatialweave.training.launch import is_member, run_as_team

        if not method.distributed:
            found = f"is {processes} x {nodes}, and several processes cannot share a training of {method.title}"
            raise InputError("--processes x --nodes", found, "1")
        if not is_member():
            sys.exit(run_as_team(processes, nodes))

    from spatialweave.io.dataset import read_dataset
    from spatialweave.io.embeddings import write_embedding, write_training_record
    from spatialweave.io.run_names import run_id
    from spatialweave.training.checkpoint import discard
    from spatialweave.training.outputs import per_spot, write_state
    from spatialweave.training.progress import noting
    from spatialweave.training.run import prepare
    from spatialweave.training.session import fit_preset

    run = prepare(method.module, seed, device, threads)
    dataset = read_dataset(latents, graph, coordinates)
    if checkpoint_dir is not None:
        run.checkpoint = checkpoint_dir / f"{dataset.name}.{run_id(method.name, seed)}.pt"
    with noting(run.log, progress_file if run.team.rank == 0 else None) as run.log:
        fitted = fit_preset(dataset, method, run, preset, options)
    if run.team.rank > 0:
        # The first of several processes writes for all.
        return
    write_embedding(out, dataset, fitted.embedding, fitted.record, per_spot(fitted, dataset, latents))
    if record is not None:
        write_training_record(record, dataset.name, fitted.record)
    if state is not None:
        write_state(state, method.name, fitted)
    if run.checkpoint is not None:
        discard(run.checkpoint)


if __name__ == "__main__":
    main()
