"""Mutual nearest neighbours beyond the spots that share an average: similar by tissue, not by shared noise."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from spatialweave.graphs.features import feature_knn
from spatialweave.graphs.matrices import edges, from_edges, is_mutual, rank_within_spot, with_self
from spatialweave.graphs.nearest import nearest
from spatialweave.mining.triplets import far_spots

CANDIDATES = 64
"""Number of spots among which a spot's nearest are searched, including those within the window."""


def mine_distant_triplets(
    features: np.ndarray,
    close: sparse.csr_matrix,
    n_nearest: int,
    far: float,
    rng: np.random.Generator,
    spots: np.ndarray,
) -> np.ndarray:
    """Mine triplets among `spots`, without pairs in `close`.

    Anchor and positive are among each other's `n_nearest` nearest spots beyond the window (Euclidean, from the 64
    nearest in all). The negative is drawn uniformly from the `far` fraction of spots farthest from the anchor.

    Parameters
    ----------
    close
        The window, spots x spots over all rows of `features` (:func:`within`): every stored entry is a pair to leave
        out.

    Returns
    -------
    int64, 3 x triplets: anchor, positive, negative. Each mutual pair occurs twice, once from each side.
    """
    if len(spots) < 3:
        return np.empty((3, 0), dtype=np.int64)
    points = np.ascontiguousarray(features[spots], dtype=np.float32)
    candidates, _ = nearest(points, points, min(CANDIDATES, len(spots)))
    anchors, column = np.nonzero(candidates != np.arange(len(spots))[:, None])
    positives = candidates[anchors, column]
    kept = _mutual_beyond(anchors, positives, close[spots][:, spots], n_nearest)
    anchors, positives = anchors[kept], positives[kept]
    if len(anchors) == 0:
        return np.empty((3, 0), dtype=np.int64)
    negatives = far_spots(points, anchors, far, rng)
    return spots[np.stack([anchors, positives, negatives])]


def distant_mutual(embedding: np.ndarray, n_nearest: int, close: sparse.csr_matrix) -> sparse.csr_matrix:
    """Find pairs of spots among each other's `n_nearest` nearest (Euclidean), without pairs in `close`.

    Parameters
    ----------
    embedding
        Spots x dimensions; for rows of unit length the order is that of the cosines.
    close
        Spots x spots: every stored entry is a pair to leave out.

    Returns
    -------
    CSR, spots x spots, symmetric: the stored entries are the pairs. Neighbours are searched among :data:`CANDIDATES`.
    """
    near = feature_knn(embedding, min(CANDIDATES, len(embedding) - 1))
    i, j = edges(near)
    order = np.lexsort((j, near.data, i))
    i, j, distance = i[order], j[order], near.data[order]
    kept = _mutual_beyond(i, j, close, n_nearest)
    return from_edges(i[kept], j[kept], distance[kept], len(embedding))


def _mutual_beyond(i: np.ndarray, j: np.ndarray, close: sparse.csr_matrix, n_nearest: int) -> np.ndarray:
    """Return which candidates j of the spots i are mutual among the first `n_nearest` of each spot outside `close`.

    Candidates are sorted by spot, nearest first.
    """
    n_spots = close.shape[0]
    close_i, close_j = edges(close.tocsr())
    outside = np.flatnonzero(~np.isin(i * n_spots + j, close_i * n_spots + close_j))
    first = outside[rank_within_spot(i[outside]) < n_nearest]
    kept = np.zeros(len(i), dtype=bool)
    kept[first] = is_mutual(i[first], j[first], n_spots)
    return kept


def within(graph: sparse.csr_matrix, hops: int) -> sparse.csr_matrix:
    """Return a matrix that is nonzero at (i, j) if j is at most `hops` steps from i; every spot reaches itself."""
    step = with_self(graph)
    reached = sparse.identity(graph.shape[0], dtype=np.float32, format="csr")
    for _ in range(hops):
        reached = (reached @ step).tocsr()
        reached.data[:] = 1
    return reached
