#!/usr/bin/env python3
"""Accuracy of the consensus and of its members on tissues with known domains, and calibration of its confidence.

Every method is trained with every seed, its embedding is clustered into the known number of domains, and the consensus
of all runs is computed. Domains are kept in a folder, so that an interrupted run continues where it stopped. Prints the
ARI of the control, of the median and best member, of the consensus, and of its more and less confident half; and, by
confidence, the fraction of spots that have the label of most spots of their domain.

    python benchmarks/consensus.py --data <folder of the real tissues> --folder domains
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import click
import numpy as np
import tissues
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.consensus import consensus
from spatialweave.domains.matching import overlap_table
from spatialweave.domains.mixture import tied_mixture
from spatialweave.io.dataset import read_dataset
from spatialweave.presets import read_preset
from spatialweave.training.run import prepare
from spatialweave.training.session import fit_preset

METHODS = ("smart", "spamo", "spabalance", "spamca", "mcgate")
CONTROL = "pca_smooth"
BINS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0 + 1e-9)


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues; without it, simulated only.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Folder for the domains of all runs.")
@click.option("--tissues", "wanted", help="Comma-separated names. [default: all]")
@click.option("--seeds", default=3, help="Seeds 0, 1, ...")
def main(data: Path | None, folder: Path, wanted: str | None, seeds: int) -> None:
    """Fill in the missing runs and print both tables."""
    folder.mkdir(parents=True, exist_ok=True)
    sure: list[np.ndarray] = []
    right: list[np.ndarray] = []
    click.echo(
        "| tissue | domains | control | median | best | consensus | sure half | other half |\n" + "|---" * 8 + "|"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for tissue in wanted.split(",") if wanted else tissues.names(data):
            labels = truth(tissue, data, Path(scratch))
            runs = [domains_of(tissue, m, s, data, folder, Path(scratch)) for m in METHODS for s in range(seeds)]
            control = domains_of(tissue, CONTROL, 0, data, folder, Path(scratch))
            known = labels != ""
            number = len(set(labels[known]))
            found = consensus(runs, number, seed=0)
            members = [adjusted_rand_score(labels[known], run[known]) for run in runs]
            half = np.zeros(len(labels), dtype=bool)
            half[np.argsort(-found.confidence, kind="stable")[: len(labels) // 2]] = True
            parts = (known, known & half, known & ~half)
            scores = [
                adjusted_rand_score(labels[known], control[known]),
                float(np.median(members)),
                max(members),
                *(adjusted_rand_score(labels[part], found.labels[part]) for part in parts),
            ]
            click.echo(f"| {tissue} | {number} | " + " | ".join(f"{score:.3f}" for score in scores) + " |")
            sure.append(found.confidence[known])
            right.append(majority(found.labels[known], labels[known]) == labels[known])
    confidence, correct = np.concatenate(sure), np.concatenate(right)
    click.echo("\n| confidence | spots | label of most of their domain |\n|---|---|---|")
    for low, high in itertools.pairwise(BINS):
        inside = (confidence >= low) & (confidence < high)
        click.echo(f"| {low:.1f} to {min(high, 1):.1f} | {inside.mean():.1%} | {correct[inside].mean():.1%} |")


def truth(tissue: str, data: Path | None, scratch: Path) -> np.ndarray:
    """Return the label of every spot, "" = none."""
    preset = read_preset(tissues.ROOT / "assets" / "methods" / f"{CONTROL}.yml")
    dataset = read_dataset(*tissues.prepare(tissue, preset.preprocess, preset.graph, data, scratch))
    return dataset.obs["label"].to_numpy().astype(str)


def domains_of(tissue: str, method: str, seed: int, data: Path | None, folder: Path, scratch: Path) -> np.ndarray:
    """Return the domains of one run, from the folder if they are there."""
    path = folder / f"{tissue}.{method}.{seed}.npy"
    if not path.exists():
        preset = read_preset(tissues.ROOT / "assets" / "methods" / f"{method}.yml")
        dataset = read_dataset(*tissues.prepare(tissue, preset.preprocess, preset.graph, data, scratch))
        run = prepare(preset.module, seed, "cpu", threads=1)
        run.log = lambda _line: None
        embedding = fit_preset(dataset, preset, run).embedding
        labels = dataset.obs["label"].to_numpy().astype(str)
        np.save(path, tied_mixture(embedding, len(set(labels) - {""}), seed).labels)
    return np.asarray(np.load(path))


def majority(domains: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for every spot the most frequent label of its domain."""
    names, codes = np.unique(labels, return_inverse=True)
    counts = overlap_table(domains, int(domains.max()) + 1, codes, len(names))
    return np.asarray(names[counts.argmax(axis=1)][domains])


if __name__ == "__main__":
    main()
