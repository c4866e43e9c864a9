"""Weights that UMAP and scanpy give to a graph of nearest neighbours (McInnes et al., arXiv:1802.03426).

umap-learn gives the same weights, but first compiles its functions in every process, which takes ten seconds.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

STEPS = 64
"""Number of steps of the bisection, as in umap-learn."""

SMALLEST_SCALE = 1e-3
"""Smallest scale of a spot, as a fraction of the mean distance to its neighbours, as in umap-learn."""


def fuzzy_connectivities(distances: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the fuzzy union of the neighbourhoods of all spots: symmetric, spots x spots, weights from 0 to 1.

    Neighbour j of spot i at distance d has the weight exp(-(d - r) / s), at most 1. Here r is the distance of the
    nearest neighbour with other coordinates, and s is such that the weights of all neighbours, including the spot
    itself, add up to log2 of their number. Two spots with the weights a and b for each other are joined with a + b - a
    b.

    Parameters
    ----------
    distances
        Spots x spots, the same number of neighbours in each row; distances of 0 are stored.
    """
    n_spots = distances.shape[0]
    d = distances.data.reshape(n_spots, -1)
    nearest = np.where(d > 0, d, np.inf).min(axis=1)
    nearest[~np.isfinite(nearest)] = 0.0
    beyond = np.maximum(d - nearest[:, None], 0.0)
    weights = np.exp(-beyond / _scales(d, nearest, beyond)[:, None])
    one_way = sparse.csr_matrix((weights.ravel(), distances.indices, distances.indptr), shape=distances.shape)
    one_way.eliminate_zeros()
    return (one_way + one_way.T - one_way.multiply(one_way.T)).tocsr()


def _scales(d: np.ndarray, nearest: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """Find the scale s of each spot by bisection."""
    n_spots, k = d.shape
    target = np.log2(k + 1)
    low, high, scale = np.zeros(n_spots), np.full(n_spots, np.inf), np.ones(n_spots)
    for _ in range(STEPS):
        total = np.exp(-beyond / scale[:, None]).sum(axis=1)
        above = total > target
        high = np.where(above, scale, high)
        low = np.where(above, low, scale)
        scale = np.where(np.isinf(high), 2 * scale, (low + high) / 2)
    # These means include the spot itself, at distance 0.
    mean = np.where(nearest > 0, d.sum(axis=1) / (k + 1), d.sum() / (n_spots * (k + 1)))
    return np.maximum(scale, np.maximum(SMALLEST_SCALE * mean, np.finfo(np.float64).tiny))
