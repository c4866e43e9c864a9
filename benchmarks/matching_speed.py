#!/usr/bin/env python3
"""Time and memory of matching two sections, on artificial tissues of growing size.

Prints one row per size: wall and CPU seconds of `match`, of the whole-section mapping and of the control, the peak
memory of the process, its part beyond data and libraries, candidate pairs, sweeps and accepted fraction.

    python benchmarks/matching_speed.py --threads 2
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import click

SIZES = (10_000, 30_000, 100_000)
N_DIMS, N_DOMAINS, KEPT, SHIFT = 32, 10, 0.85, 0.3


@click.command(context_settings={"show_default": True})
@click.option("--sizes", default=",".join(map(str, SIZES)), help="Spots of the first section, separated by commas.")
@click.option("--threads", default=2, help="CPU threads.")
@click.option("--one", hidden=True, type=int, help="Measure this size only, and print JSON.")
def main(sizes: str, threads: int, one: int | None) -> None:
    """Print the table for all sizes; each runs in its own process, so that it has its own peak memory."""
    if one is not None:
        click.echo(json.dumps(measure(one)))
        return
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    click.echo(
        f"matching, {threads} threads, {N_DIMS} dimensions, second section: {KEPT:.0%} of the area, {SHIFT} spots off"
    )
    click.echo(
        f"{'spots':>16} {'match s':>8} {'CPU s':>7} {'map s':>7} {'nearest s':>10} {'peak MB':>8} {'of these':>9} "
        f"{'pairs':>9} {'sweeps':>7} {'accepted':>9} {'us/spot':>8}"
    )
    for size in map(int, sizes.split(",")):
        command = [sys.executable, __file__, "--one", str(size)]
        answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        row = json.loads(answer.stdout)
        click.echo(
            f"{row['a']:>8.0f}{row['b']:>8.0f} {row['match']:>8.2f} {row['cpu']:>7.2f} {row['map']:>7.2f} "
            f"{row['nearest']:>10.2f} {row['peak']:>8.0f} {row['extra']:>9.0f} {row['pairs']:>9.0f} "
            f"{row['sweeps']:>7.0f} {row['accepted']:>9.3f} {1e6 * row['match'] / row['a']:>8.1f}"
        )


def measure(n_spots: int) -> dict[str, float]:
    """Measure seconds and peak memory (MB) at one size."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))
    import numpy as np

    from spatialweave.matching.match import match, match_nearest
    from spatialweave.matching.whole_section import MappingSettings, map_section

    rng = np.random.default_rng(0)
    side = round(np.sqrt(n_spots))
    points_a = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2).astype(float)
    points_b = points_a[points_a[:, 0] < KEPT * side]
    centres = rng.normal(size=(N_DOMAINS, N_DIMS))

    def embedding(points: np.ndarray) -> np.ndarray:
        layer = (N_DOMAINS * points[:, 1] / side).astype(int)
        return (centres[layer] + 0.5 * rng.normal(size=(len(points), N_DIMS))).astype(np.float32)

    embedding_a, embedding_b = embedding(points_a), embedding(points_b)
    points_b = points_b + SHIFT * np.array([0.6, 0.8])
    before = peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    matches = match(embedding_a, embedding_b, points_a, points_b)
    wall, cpu, peak = time.perf_counter() - wall, time.process_time() - cpu, peak_mb()
    started = time.perf_counter()
    map_section(embedding_a, embedding_b, points_a, points_b, MappingSettings(), rng)
    mapping = time.perf_counter() - started
    started = time.perf_counter()
    match_nearest(points_a, points_b, 3.0)
    return {
        "a": len(points_a),
        "b": len(points_b),
        "match": wall,
        "cpu": cpu,
        "map": mapping,
        "nearest": time.perf_counter() - started,
        "peak": peak,
        "extra": peak - before,
        "pairs": matches.record["candidates"],
        "sweeps": matches.record["sweeps"],
        "accepted": float(matches.accepted.sum() / len(points_b)),
    }


def peak_mb() -> float:
    """Return the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
