"""UMAP of embeddings, fast enough for a report and the same for the same seed."""

from __future__ import annotations

import warnings

import numpy as np

from spatialweave.graphs.nearest import nearest

MAX_SPOTS = 20_000
"""Largest number of spots projected per run."""

MAX_TOTAL = 60_000
"""Largest number of spots projected over all runs of a dataset: it bounds the time that a report takes."""

NEIGHBOURS = 15


def choose_spots(n_spots: int, n_runs: int, seed: int = 0) -> np.ndarray:
    """The spots to project: all, or a random subset (sorted, the same for all runs) where they are too many."""
    limit = min(MAX_SPOTS, max(MAX_TOTAL // max(n_runs, 1), 1000))
    if n_spots <= limit:
        return np.arange(n_spots)
    return np.sort(np.random.default_rng(seed).choice(n_spots, limit, replace=False))


def project(embedding: np.ndarray, seed: int = 0) -> np.ndarray | None:
    """UMAP (McInnes et al. 2018) of spots x dimensions in two dimensions; float32, spots x 2.

    15 exact Euclidean neighbours, minimal distance 0.3, 200 epochs, started from the principal components.
    None for fewer than 4 spots or an embedding without spread, which have no neighbourhood structure to show.
    """
    points = np.ascontiguousarray(embedding, dtype=np.float32)
    if len(points) < 4 or not np.isfinite(points).all() or np.ptp(points, axis=0).max() == 0:
        return None
    neighbours = min(NEIGHBOURS, len(points) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import umap

        model = umap.UMAP(
            n_neighbors=neighbours,
            min_dist=0.3,
            n_epochs=200,
            init="pca" if points.shape[1] > 2 and len(points) > 10 else "random",
            random_state=seed,
            n_jobs=1,
            precomputed_knn=_nearest(points, neighbours),
        )
        return np.asarray(model.fit_transform(points), dtype=np.float32)


def _nearest(points: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances of the nearest points, the point itself first, as umap-learn takes them."""
    indices, squared = nearest(points, points, neighbours)
    return indices, np.sqrt(squared)
