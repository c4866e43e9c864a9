"""Triplets whose positives lie beyond the spots that share an average: alike by tissue, not by shared noise."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from spatialweave.mining.triplets import far_spots, nearest_candidates
from spatialweave.nn.propagation import pattern_of

CANDIDATES = 64
"""Spots among which a spot's nearest are sought, those within the window included."""


def mine_distant_triplets(
    features: np.ndarray,
    graph: sparse.csr_matrix,
    hops: int,
    n_nearest: int,
    far: float,
    rng: np.random.Generator,
    spots: np.ndarray,
) -> np.ndarray:
    """Mine triplets among `spots`, leaving out pairs that are at most `hops` steps apart in the graph.

    Anchor and positive are among each other's `n_nearest` nearest of the spots beyond the window (Euclidean, from the
    64 nearest in all); the negative is uniform among the `far` share of spots farthest from the anchor.

    Returns
    -------
    int64, 3 x triplets: anchor, positive, negative. Each mutual pair occurs twice, once from either side.
    """
    if len(spots) < 3:
        return np.empty((3, 0), dtype=np.int64)
    points = np.ascontiguousarray(features[spots], dtype=np.float32)
    own = np.arange(len(spots))
    nearest = nearest_candidates(points, min(CANDIDATES, len(spots)))
    close = within(graph, hops)[spots][:, spots].tocoo()
    pairs = own[:, None] * len(spots) + nearest
    fine = (nearest >= 0) & (nearest != own[:, None]) & ~np.isin(pairs, close.row * len(spots) + close.col)
    # Candidates come nearest first, so the first n_nearest that are fine are the ones.
    fine &= np.cumsum(fine, axis=1) <= n_nearest
    chosen = pairs[fine]
    first, second = np.divmod(chosen, len(spots))
    mutual = np.isin(second * len(spots) + first, chosen)
    anchors, positives = first[mutual], second[mutual]
    if len(anchors) == 0:
        return np.empty((3, 0), dtype=np.int64)
    negatives = far_spots(points, anchors, far, rng)
    return spots[np.stack([anchors, positives, negatives])]


def within(graph: sparse.csr_matrix, hops: int) -> sparse.csr_matrix:
    """Nonzero at (i, j) if j can be reached from i in at most `hops` steps; every spot reaches itself."""
    itself = sparse.identity(graph.shape[0], dtype=np.float32, format="csr")
    step = pattern_of(graph) + itself
    reached = itself
    for _ in range(hops):
        reached = (reached @ step).tocsr()
        reached.data[:] = 1
    return reached
