"""UMAP of embeddings, fast enough for a report and the same for the same seed.

It uses umappp (https://libscran.github.io/umappp, C++) through scranpy, whose wheels hold compiled code. umap-learn
compiles its loops in every process, and all of them in a fresh container, which takes longer than the rest of a small
report.
"""

from __future__ import annotations

import numpy as np

from spatialweave.graphs.nearest import nearest
from spatialweave.sampling import random_subset

MAX_MAP_SPOTS = 1_000_000
"""Maximal number of spots on a map; of more, a random subset is drawn, and the page says so."""

MAX_SPOTS = 20_000
"""Maximal number of spots projected per run."""

MAX_TOTAL = 60_000
"""Maximal number of spots projected over all runs of a dataset; it bounds the time of a report."""

NEIGHBOURS = 14
"""Nearest neighbours of a spot, without itself; umap-learn's default of 15 counts it."""

EXTENT = 10.0
"""Largest absolute initial coordinate, as in umap-learn."""

NOISE = 1e-4
"""Standard deviation of the initial noise, as in umap-learn."""


def shown_spots(n_spots: int) -> np.ndarray:
    """Return the spots on the maps: all, or a sorted random subset that is always the same."""
    return random_subset(n_spots, MAX_MAP_SPOTS, seed=0)


def choose_spots(n_spots: int, n_runs: int, seed: int = 0) -> np.ndarray:
    """Choose the spots to project: all, or a random subset (sorted, the same for all runs) if they are too many."""
    limit = min(MAX_SPOTS, max(MAX_TOTAL // max(n_runs, 1), 1000))
    return random_subset(n_spots, limit, seed)


def project(embedding: np.ndarray, seed: int = 0) -> np.ndarray | None:
    """Compute UMAP (McInnes et al. 2018) of spots x dimensions in two dimensions; float32, spots x 2.

    15 exact Euclidean neighbours (including the spot itself), minimal distance 0.3, 200 epochs, started from the first
    two principal components. None for fewer than 4 spots or an embedding without variance, which have no neighbourhood
    structure.
    """
    points = np.ascontiguousarray(embedding, dtype=np.float32)
    if len(points) < 4 or not np.isfinite(points).all() or np.ptp(points, axis=0).max() == 0:
        return None
    import knncolle
    import scranpy

    indices, distances = _nearest(points, min(NEIGHBOURS, len(points) - 1))
    coordinates = scranpy.run_umap(
        knncolle.FindKnnResults(indices.astype(np.uint32), distances.astype(np.float64)),
        min_dist=0.3,
        num_epochs=200,
        initialize_method="none",
        initial_coordinates=_start(points, seed),
        optimize_seed=seed,
    )
    return np.asarray(coordinates, dtype=np.float32)


def _start(points: np.ndarray, seed: int) -> np.ndarray:
    """Return the first two principal components, scaled as in umap-learn, with noise that separates equal points."""
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    scores = np.zeros((len(points), 2))
    n_dims = min(2, len(values))
    scores[:, :n_dims] = left[:, :n_dims] * values[:n_dims]
    return scores * (EXTENT / np.abs(scores).max()) + np.random.default_rng(seed).normal(scale=NOISE, size=scores.shape)


def _nearest(points: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and Euclidean distances of the points nearest to each, without itself, nearest first."""
    indices, squared = nearest(points, points, neighbours + 1)
    # A point may not come first in its own row if others coincide with it. If it is missing, the last one is dropped.
    own = indices == np.arange(len(points))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(points), neighbours)
    return indices[~own].reshape(shape), np.sqrt(np.maximum(squared[~own].reshape(shape), 0))
