"""Search for nearest neighbours by faiss in float32: exact up to a limit, with an inverted-file index above it."""

from __future__ import annotations

from typing import Any

import numpy as np

EXACT_LIMIT = 50_000
"""Up to this many reference points every pair is compared; above, an index searches only the nearest lists."""

POINTS_PER_LIST = 400
LISTS_PROBED = 40


def nearest(queries: np.ndarray, reference: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest reference points of each query by Euclidean distance, nearest first.

    float32 arithmetic can mis-rank near ties. Callers that need the exact order search for a few more and rank again.

    Parameters
    ----------
    queries, reference
        Points x dimensions, converted to float32.
    k
        Number of neighbours, at most the number of reference points.

    Returns
    -------
    indices
        int64, queries x k. A query that is itself in the reference is usually the first of its own row.
    squared
        float32, queries x k: squared distances, 0 or more.
    """
    import faiss

    searched = np.ascontiguousarray(reference, dtype=np.float32)
    points = np.ascontiguousarray(queries, dtype=np.float32)
    n_points, n_dims = searched.shape
    exact = faiss.IndexFlatL2(n_dims)
    if n_points <= EXACT_LIMIT:
        exact.add(searched)
        squared, indices = exact.search(points, k)
        return indices, np.maximum(squared, 0)
    index: Any = faiss.IndexIVFFlat(exact, n_dims, n_points // POINTS_PER_LIST)
    index.nprobe = LISTS_PROBED
    # 40 points per list are enough to train the index; training on all points would take longer than the search.
    sample = np.random.default_rng(0).choice(n_points, 40 * index.nlist, replace=False)
    index.train(searched[np.sort(sample)])
    index.add(searched)
    squared, indices = index.search(points, k)
    # If the probed lists contain too few points, faiss pads with -1: those queries are compared with every point.
    short = np.flatnonzero((indices < 0).any(axis=1))
    if len(short):
        complete = faiss.IndexFlatL2(n_dims)
        complete.add(searched)
        squared[short], indices[short] = complete.search(points[short], k)
    return indices, np.maximum(squared, 0)
