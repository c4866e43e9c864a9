#!/usr/bin/env python3
"""Time and memory of the consensus on artificial runs: random domains, with a quarter of the spots moved in each run.

python benchmarks/consensus_speed.py --spots 100000 --runs 20
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from spatialweave.domains.consensus import consensus


@click.command(context_settings={"show_default": True})
@click.option("--spots", default=100_000)
@click.option("--runs", default=20)
@click.option("--domains", default=12)
def main(spots: int, runs: int, domains: int) -> None:
    """Print seconds and peak memory, including data and libraries."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, domains, spots)
    partitions = [
        np.where(rng.random(spots) < 0.25, rng.integers(0, domains, spots), truth).astype(np.int32) for _ in range(runs)
    ]
    started = time.monotonic()
    found = consensus(partitions, domains, seed=0)
    per_spot = found.confidence, found.agreement, found.entropy, found.runner_up
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    click.echo(f"{len(per_spot[0]):,} spots, {runs} runs: {seconds:.1f} s, {peak:.2f} GB")


if __name__ == "__main__":
    main()
