#!/usr/bin/env python3
"""Time and memory of SMART compared with its published code, on artificial tissues of growing size.

Prints one row per size: CPU and wall seconds per epoch, CPU seconds to mine one modality, peak memory of the process,
and the ratios to the published code, measured on two cores of the same kind (CPU seconds of both together): 0.11, 0.44
and 1.19 per epoch at 5, 20 and 50 thousand spots; 42 and 4.1 GB to mine one modality of 20 thousand spots.

    python benchmarks/smart_speed.py --threads 2
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unittest import mock

import click

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset

SIZES = (5_000, 20_000, 50_000, 200_000)
PUBLISHED_EPOCH = {5_000: 0.11, 20_000: 0.44, 50_000: 1.19}
PUBLISHED_MINING = {20_000: 42.0}
N_DIMS, N_NEIGHBOURS, WARM_UP = 30, 6, 3


@click.command(context_settings={"show_default": True})
@click.option("--sizes", default=",".join(map(str, SIZES)), help="Numbers of spots, separated by commas.")
@click.option("--variant", type=click.Choice(["released", "paper"]), default="released", help="Which SMART.")
@click.option("--threads", default=2, help="CPU threads.")
@click.option("--epochs", default=20, help="Epochs to average over.")
@click.option("--device", default="cpu", help="cpu or cuda.")
@click.option("--one", hidden=True, type=int, help="Measure this size only, and print JSON.")
def main(
    sizes: str, variant: Literal["released", "paper"], threads: int, epochs: int, device: str, one: int | None
) -> None:
    """Print the table for all sizes; each runs in its own process, so that it has its own peak memory."""
    if one is not None:
        click.echo(json.dumps(measure(one, variant, threads, epochs, device)))
        return
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    rows = []
    click.echo(
        f"SMART '{variant}', {threads} threads, {device}, two modalities of {N_DIMS} dimensions, k = {N_NEIGHBOURS}"
    )
    click.echo(
        f"{'spots':>8} {'CPU-s/epoch':>12} {'wall/epoch':>11} {'published':>10} {'ratio':>6} "
        f"{'us/spot':>8} {'mining CPU-s':>13} {'published':>10} {'ratio':>6} {'peak MB':>8} {'GPU MB':>7}"
    )
    for size in map(int, sizes.split(",")):
        options = ["--one", size, "--variant", variant, "--threads", threads, "--epochs", epochs, "--device", device]
        command = [sys.executable, __file__, *map(str, options)]
        answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        rows.append(json.loads(answer.stdout))
        click.echo(table_row(rows[-1]))
    per_spot = {row["spots"]: row["epoch_wall"] / row["spots"] for row in rows}
    if 20_000 in per_spot and 200_000 in per_spot:
        click.echo(f"wall time per spot, 200,000 against 20,000 spots: {per_spot[200_000] / per_spot[20_000]:.2f}x")


def table_row(row: dict[str, float]) -> str:
    """Return one row of the table, with the ratios published / ours if there is a published value."""

    def against(published: float | None, ours: float) -> str:
        return f"{published:>10} {published / ours:>5.1f}x" if published else f"{'-':>10} {'-':>6}"

    spots = int(row["spots"])
    return (
        f"{spots:>8} {row['epoch_cpu']:>12.4f} {row['epoch_wall']:>11.4f} "
        f"{against(PUBLISHED_EPOCH.get(spots), row['epoch_cpu'])} {1e6 * row['epoch_cpu'] / spots:>8.2f} "
        f"{row['mining_cpu']:>13.2f} {against(PUBLISHED_MINING.get(spots), row['mining_cpu'])} "
        f"{row['peak_rss_mb']:>8.0f} {row['peak_gpu_mb']:>7.0f}"
    )


def measure(
    n_spots: int, variant: Literal["released", "paper"], threads: int, epochs: int, device: str
) -> dict[str, float]:
    """Measure seconds per epoch, seconds to mine one modality (all spots), and peak memory, at one size."""
    import time

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))
    from spatialweave.methods import smart_paper
    from spatialweave.training.run import peak_memory, prepare

    run = prepare("smart_paper", 0, device, threads)
    run.log = lambda line: None
    dataset = tissue(n_spots)
    config = smart_paper.Config(variant=variant, epochs=WARM_UP + epochs, stop_window=0)
    started = time.process_time()
    # All spots take part, even in the released variant, whose cap would limit the growth.
    triplets = [smart_paper.mine(modality, smart_paper.Config(variant="paper"), run) for modality in dataset.modalities]
    mining = (time.process_time() - started) / len(dataset.modalities)

    clocks: list[tuple[float, float]] = []
    loss_terms = smart_paper.loss_terms

    def timed(*arguments: Any) -> Any:
        terms = loss_terms(*arguments)

        def with_clock(epoch: int, batch: None) -> object:
            clocks.append((time.process_time(), time.perf_counter()))
            return terms(epoch, batch)

        return with_clock

    with mock.patch.object(smart_paper, "loss_terms", timed):
        smart_paper.fit_triplets(dataset, triplets, config, run)
    (cpu_0, wall_0), (cpu_1, wall_1) = clocks[WARM_UP], clocks[-1]
    steps = len(clocks) - 1 - WARM_UP
    return {
        "spots": n_spots,
        "epoch_cpu": (cpu_1 - cpu_0) / steps,
        "epoch_wall": (wall_1 - wall_0) / steps,
        "mining_cpu": mining,
        **peak_memory(run.device),
    }


def tissue(n_spots: int) -> Dataset:
    """Return random spots, one per unit of area, in ten layers, with two noisy modalities and neighbour graph."""
    import numpy as np
    import pandas as pd
    from scipy import sparse
    from scipy.spatial import cKDTree

    from spatialweave.io.dataset import Dataset, Modality

    rng = np.random.default_rng(0)
    spatial = rng.random((n_spots, 2)) * np.sqrt(n_spots)
    layer = (10 * spatial[:, 1] / spatial[:, 1].max()).astype(int).clip(0, 9)
    modalities = []
    for name in ("rna", "adt"):
        latent = rng.normal(0, 2, (10, N_DIMS))[layer] + rng.normal(size=(n_spots, N_DIMS))
        modalities.append(Modality(name, latent.astype(np.float32), np.ones(n_spots, dtype=bool)))
    distance, neighbour = cKDTree(spatial).query(spatial, N_NEIGHBOURS + 1)
    rows = np.repeat(np.arange(n_spots), N_NEIGHBOURS)
    directed = sparse.csr_matrix((distance[:, 1:].ravel(), (rows, neighbour[:, 1:].ravel())), (n_spots, n_spots))
    graphs = {"spatial_distances": directed, "spatial_connectivities": ((directed + directed.T) > 0).astype(np.float32)}
    obs = pd.DataFrame(index=pd.RangeIndex(n_spots).astype(str))
    return Dataset("benchmark", obs, spatial, modalities, graphs, "cells")


if __name__ == "__main__":
    main()
