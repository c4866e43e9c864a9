"""Triplets of spots mined from latents: mutual nearest neighbours against far spots, without spots x spots memory.

Definition (SMART, Du et al. 2026): anchor and positive are among each other's `n_nearest` nearest spots (Euclidean;
exact duplicates are skipped). The negative is drawn uniformly from the `far` fraction of spots farthest from the
anchor.
"""

from __future__ import annotations

import numpy as np

from spatialweave.graphs.matrices import is_mutual
from spatialweave.graphs.nearest import nearest

SAMPLE = 2048
"""Number of random spots for estimating the distance beyond which a spot counts as far; exact up to this many."""

REJECTION_ROUNDS = 64
_BLOCK = 4096


def mine_triplets(
    features: np.ndarray, n_nearest: int, far: float, rng: np.random.Generator, subset: np.ndarray | None = None
) -> np.ndarray:
    """Mine triplets from the latents of one modality.

    Parameters
    ----------
    features
        spots x dimensions.
    n_nearest
        Neighbours per spot among which mutual pairs are searched.
    far
        Fraction of spots farthest from the anchor, from which its negative is drawn.
    subset
        Indices of the spots that may be used (e.g. those measured); None = all.

    Returns
    -------
    int64, 3 x triplets: anchor, positive, negative. Each mutual pair occurs twice, once from each side.
    """
    spots = np.arange(len(features)) if subset is None else np.sort(subset)
    if len(spots) < 3:
        return np.empty((3, 0), dtype=np.int64)
    points = np.ascontiguousarray(features[spots], dtype=np.float32)
    anchors, positives = mutual_pairs(points, n_nearest)
    negatives = far_spots(points, anchors, far, rng)
    return spots[np.stack([anchors, positives, negatives])]


def mutual_pairs(points: np.ndarray, n_nearest: int) -> tuple[np.ndarray, np.ndarray]:
    """Find pairs (i, j) that are mutual nearest, both directions, by i and then distance, without all-zero anchors."""
    found = nearest_spots(points, n_nearest)
    anchors, column = np.nonzero(found >= 0)
    positives = found[anchors, column]
    kept = is_mutual(anchors, positives, len(points)) & np.any(points != 0, axis=1)[anchors]
    return anchors[kept], positives[kept]


def nearest_spots(points: np.ndarray, n_nearest: int) -> np.ndarray:
    """Return the nearest spots of each spot at a distance above zero, ascending; -1 if there are fewer."""
    # A few more candidates than needed, because float32 products mis-rank near ties, and duplicates are removed.
    candidates, _ = nearest(points, points, min(n_nearest + 9, len(points)))
    found = np.full((len(points), n_nearest), -1, dtype=np.int64)
    for start in range(0, len(points), _BLOCK):
        rows = slice(start, start + _BLOCK)
        found[rows] = _rank(points[rows], points, candidates[rows], n_nearest)
    short = np.flatnonzero(found[:, -1] < 0)
    if len(short):
        found[short] = _nearest_of_copied(points, short, n_nearest)
    return found


def _nearest_of_copied(points: np.ndarray, rows: np.ndarray, n_nearest: int) -> np.ndarray:
    """Return :func:`nearest_spots` of spots whose candidates were nearly all exact copies of themselves.

    Distinct points are searched for, once each, and every near one stands for its first `n_nearest` copies.
    """
    distinct, inverse = np.unique(points, axis=0, return_inverse=True)
    inverse = inverse.ravel()
    copies = np.argsort(inverse, kind="stable")
    ends = np.cumsum(np.bincount(inverse))
    starts = ends - np.bincount(inverse)
    searched, place = np.unique(inverse[rows], return_inverse=True)
    near, _ = nearest(distinct[searched], distinct, min(n_nearest + 9, len(distinct)))
    complete = np.empty((len(searched), n_nearest), dtype=np.int64)
    for start in range(0, len(searched), _BLOCK):
        block = near[start : start + _BLOCK, :, None]
        # Beyond the last copy, the last one again.
        at = np.minimum(starts[block] + np.arange(n_nearest), ends[block] - 1)
        candidates = copies[at].reshape(len(block), -1)
        queries = distinct[searched[start : start + _BLOCK]]
        complete[start : start + _BLOCK] = _rank(queries, points, candidates, n_nearest)
    return complete[place.ravel()]


def _rank(queries: np.ndarray, points: np.ndarray, candidates: np.ndarray, n_nearest: int) -> np.ndarray:
    """Return the `n_nearest` of each query's candidates by exact distance, each once, ties by index; -1 fills up."""
    candidates = np.sort(candidates, axis=1)
    distance = np.square(points[candidates].astype(np.float64) - queries[:, None, :]).sum(axis=2)
    distance[distance == 0] = np.inf
    distance[:, 1:][candidates[:, 1:] == candidates[:, :-1]] = np.inf
    order = np.argsort(distance, axis=1, kind="stable")[:, :n_nearest]
    found = np.take_along_axis(candidates, order, axis=1)
    found[np.isinf(np.take_along_axis(distance, order, axis=1))] = -1
    missing = n_nearest - found.shape[1]
    return np.pad(found, ((0, 0), (0, max(missing, 0))), constant_values=-1)


def far_spots(points: np.ndarray, anchors: np.ndarray, far: float, rng: np.random.Generator) -> np.ndarray:
    """Draw one spot per anchor, uniformly from the `far` fraction of spots farthest from it.

    The distance that bounds the far spots is estimated from a random sample of SAMPLE spots. Then spots are drawn until
    one is beyond it. If none is (for a very small fraction), a far spot of the sample is used.
    """
    sample = rng.choice(len(points), size=min(SAMPLE, len(points)), replace=False)
    bound = np.empty(len(anchors), dtype=np.float32)
    negatives = np.empty(len(anchors), dtype=np.int64)
    distinct, inverse = np.unique(anchors, return_inverse=True)
    by_anchor = np.argsort(inverse, kind="stable")
    ends = np.searchsorted(inverse[by_anchor], np.arange(len(distinct) + _BLOCK))
    for start in range(0, len(distinct), _BLOCK):
        distance = _distances(points[distinct[start : start + _BLOCK]], points[sample])
        limit, fallback = _far_bound(distance, far, rng)
        pairs = by_anchor[ends[start] : ends[start + _BLOCK]]
        bound[pairs] = limit[inverse[pairs] - start]
        negatives[pairs] = sample[fallback[inverse[pairs] - start]]
    pending = np.arange(len(anchors))
    for _ in range(REJECTION_ROUNDS):
        drawn = rng.integers(len(points), size=len(pending))
        difference = points[anchors[pending]] - points[drawn]
        # The margin keeps the spot at the bound itself, whose distance was computed by another formula.
        accepted = np.einsum("ij,ij->i", difference, difference) >= bound[pending] * (1 - 1e-5)
        negatives[pending[accepted]] = drawn[accepted]
        pending = pending[~accepted]
        if len(pending) == 0:
            break
    return negatives


def _distances(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the squared Euclidean distances, rows x points."""
    distance = np.einsum("ij,ij->i", rows, rows)[:, None] + np.einsum("ij,ij->i", points, points)[None, :]
    distance -= 2 * (rows @ points.T)
    return np.maximum(distance, 0, out=distance)


def _far_bound(distance: np.ndarray, far: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return, per row, the smallest of the `far` fraction of largest distances, and one column drawn from those."""
    # The anchor itself is excluded; its exact duplicates are too few to matter and are nearest anyway.
    n_far = max(int((distance.shape[1] - 1) * far), 1)
    order = np.argpartition(distance, -n_far, axis=1)[:, -n_far:]
    bound = np.take_along_axis(distance, order, axis=1).min(axis=1)
    picked = order[np.arange(len(order)), rng.integers(n_far, size=len(order))]
    return bound, picked
