#!/usr/bin/env python3
"""One training on an artificial tissue of any size: processor time, peak memory, agreement with the known domains.

The tissue has ten domains in forty pieces, two modalities of 30 dimensions, and eight neighbours. The domains are found
on 20,000 random spots. Feature graphs are built if a method needs them for all spots at once; with tiles it builds its
own.

    python benchmarks/tiles.py --method smart --spots 1000000
    python benchmarks/tiles.py --method smart --spots 50000 --option batch_spots=32768
"""

from __future__ import annotations

import time
from typing import Any

import click
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.metrics import adjusted_rand_score
from tissues import ROOT

from spatialweave.domains.mixture import tied_mixture
from spatialweave.graphs import spatial
from spatialweave.graphs.build import feature_distances
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.recipe import FeatureRecipe
from spatialweave.io.dataset import ALL_AT_ONCE, Dataset, Modality
from spatialweave.presets import read_preset
from spatialweave.training.run import peak_memory, prepare
from spatialweave.training.session import fit_preset

N_DOMAINS, N_PIECES, N_DIMS, N_SCORED = 10, 40, 30, 20_000
RECIPE: dict[str, Any] = {"k": 20, "metric": "correlation", "rounds": 2}


@click.command(context_settings={"show_default": True})
@click.option("--spots", default=50_000, help="Approximate number of spots, in a square.")
@click.option("--method", default="smart", help="A native method.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="A setting of the method.")
@click.option("--signal", default=0.35, help="Standard deviation of the domains' means, of 1 within them.")
@click.option("--seed", default=0, help="Seed of the training.")
@click.option("--threads", default=1, help="CPU threads.")
def main(spots: int, method: str, options: tuple[str, ...], signal: float, seed: int, threads: int) -> None:
    """Train and print one row."""
    dataset = tissue(spots, signal)
    at_once = "batch_spots=0" in options or (spots <= ALL_AT_ONCE and not any("batch_spots" in one for one in options))
    if method in ("spamo", "spabalance", "spamca") and at_once:
        for modality in dataset.modalities:
            graph = feature_distances(modality, FeatureRecipe(**RECIPE), dataset.spatial_graph())
            dataset.graphs[f"{modality.name}_distances"] = graph
            dataset.graphs[f"{modality.name}_connectivities"] = symmetrise(graph)
    run = prepare(method, seed, threads=threads)
    began, before = time.monotonic(), time.process_time()
    fitted = fit_preset(dataset, read_preset(ROOT / "assets" / "methods" / f"{method}.yml"), run, None, options)
    seconds, processor = time.monotonic() - began, time.process_time() - before
    scored = np.random.default_rng(0).choice(dataset.n_spots, min(N_SCORED, dataset.n_spots), replace=False)
    domains = tied_mixture(fitted.embedding[scored], N_DOMAINS, seed).labels
    ari = adjusted_rand_score(dataset.obs["label"].to_numpy()[scored], domains)
    click.echo(
        f"{method} {' '.join(options)} seed {seed}: {dataset.n_spots} spots, {fitted.record['parts']} parts, "
        f"{fitted.record['epochs']} updates, {processor:.0f} CPU-s, {seconds:.0f} s, "
        f"{peak_memory(run.device)['peak_rss_mb'] / 1000:.2f} GB, ARI {ari:.4f}"
    )


def tissue(n_spots: int, signal: float) -> Dataset:
    """Return the tissue, without feature graphs."""
    rng = np.random.default_rng(1)
    side = round(n_spots**0.5)
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    points = grid + rng.normal(0, 0.15, (side**2, 2))
    label = cKDTree(rng.random((N_PIECES, 2)) * side).query(points)[1] % N_DOMAINS
    spread = 3 * np.arange(1, N_DIMS + 1, dtype=np.float32) ** -0.5
    modalities = []
    for name in ("rna", "adt"):
        means = rng.normal(0, signal, (N_DOMAINS, N_DIMS)).astype(np.float32)
        latent = (means[label] + rng.standard_normal((side**2, N_DIMS), dtype=np.float32)) * spread
        modalities.append(Modality(name, latent, np.ones(side**2, dtype=bool)))
    names = pd.Index(np.arange(side**2).astype(str))
    obs = pd.DataFrame({"barcode": names, "section": pd.Categorical(["one"] * side**2), "label": label}, index=names)
    distances = spatial.knn(points, np.full(side**2, "one"), 8)
    graphs = {"spatial_distances": distances, "spatial_connectivities": symmetrise(distances)}
    return Dataset("made-up", obs, points, modalities, graphs, "cells", graph_recipe={"features": RECIPE})


if __name__ == "__main__":
    main()
