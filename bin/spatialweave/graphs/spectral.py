"""Spectral embedding of a graph over the spots, for methods whose result is a graph."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import eigsh


def spectral_embedding(affinity: sparse.csr_matrix, n_dims: int, seed: int) -> np.ndarray:
    """Return the leading eigenvectors of the normalised affinity without the constant one (float32, spots x
    dimensions).

    With D the row sums of the symmetric affinity W, these are the eigenvectors of D^-1/2 W D^-1/2 divided by the root
    of D, i.e. those of the random walk D^-1 W (Shi and Malik, IEEE TPAMI 22:888, 2000), each scaled to variance 1, by
    decreasing eigenvalue. The seed sets the start of the iteration. For a connected graph it affects only the last
    digits. In a graph of several parts, combinations of the parts' indicators have the same eigenvalue; the iteration
    finds some of them, which depend on the seed.
    """
    n_spots = affinity.shape[0]
    n_dims = min(n_dims, n_spots - 2)
    # A loop of tiny weight avoids a division by zero for spots without neighbours.
    symmetric = sparse.csr_matrix((affinity + affinity.T) / 2 + 1e-8 * sparse.identity(n_spots), dtype=np.float64)
    root = np.sqrt(np.asarray(symmetric.sum(axis=1)).ravel())
    normalised = sparse.diags(1 / root) @ symmetric @ sparse.diags(1 / root)
    start = np.random.default_rng(seed).random(n_spots)
    values, vectors = eigsh(normalised, k=n_dims + 1, which="LA", v0=start)
    vectors = vectors[:, np.argsort(-values, kind="stable")] / root[:, None]
    # The first eigenvector is constant over a connected graph.
    vectors = vectors[:, 1:]
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(n_dims)])
    spread = vectors.std(axis=0)
    return (vectors / np.where(spread > 0, spread, 1)).astype(np.float32)
