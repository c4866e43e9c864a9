"""Triplets of spots mined from latents: mutual nearest neighbours against far spots, without spots x spots memory.

Definition (SMART, Du et al. 2026): anchor and positive are among each other's `n_nearest` nearest spots (Euclidean;
exact duplicates are skipped), the negative is uniform among the `far` fraction of spots farthest from the anchor.
"""

from __future__ import annotations

import numpy as np

from spatialweave.graphs.matrices import is_mutual
from spatialweave.graphs.nearest import nearest

SAMPLE = 2048
"""Random spots from which the distance beyond which a spot counts as far is read; exact up to this many spots."""

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
        Fraction of spots, the farthest from the anchor, that may be its negative.
    subset
        Indices of the spots that may take part (e.g. those measured); None = all.

    Returns
    -------
    int64, 3 x triplets: anchor, positive, negative. Each mutual pair occurs twice, once from either side.
    """
    spots = np.arange(len(features)) if subset is None else np.sort(subset)
    if len(spots) < 3:
        return np.empty((3, 0), dtype=np.int64)
    points = np.ascontiguousarray(features[spots], dtype=np.float32)
    anchors, positives = mutual_pairs(points, n_nearest)
    negatives = far_spots(points, anchors, far, rng)
    return spots[np.stack([anchors, positives, negatives])]


def mutual_pairs(points: np.ndarray, n_nearest: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (i, j), each among the other's nearest; both directions, by i and then by distance. No all-zero anchor."""
    found = nearest_spots(points, n_nearest)
    anchors, column = np.nonzero(found >= 0)
    positives = found[anchors, column]
    kept = is_mutual(anchors, positives, len(points)) & np.any(points != 0, axis=1)[anchors]
    return anchors[kept], positives[kept]


def nearest_spots(points: np.ndarray, n_nearest: int) -> np.ndarray:
    """The nearest spots of each spot at a distance above zero, ascending; -1 where there are fewer."""
    # A few candidates more than needed: float32 products mis-rank near ties, and duplicates fall out.
    candidates, _ = nearest(points, points, min(n_nearest + 9, len(points)))
    found = np.full((len(points), n_nearest), -1, dtype=np.int64)
    for start in range(0, len(points), _BLOCK):
        rows = slice(start, start + _BLOCK)
        found[rows] = _rank(points[rows], points, candidates[rows], n_nearest)
    short = np.flatnonzero(found[:, -1] < 0)
    if len(short):
        # Spots with many exact duplicates: duplicates have the same neighbours, so each distinct row is searched once.
        distinct, inverse = np.unique(points[short], axis=0, return_inverse=True)
        everyone = np.arange(len(points))[None, :]
        complete = np.concatenate([_rank(row[None], points, everyone, n_nearest) for row in distinct])
        found[short] = complete[inverse.ravel()]
    return found


def _rank(queries: np.ndarray, points: np.ndarray, candidates: np.ndarray, n_nearest: int) -> np.ndarray:
    """The `n_nearest` of each query's candidates by exact distance, ties by index; -1 fills up."""
    candidates = np.sort(candidates, axis=1)
    distance = np.square(points[candidates].astype(np.float64) - queries[:, None, :]).sum(axis=2)
    distance[distance == 0] = np.inf
    order = np.argsort(distance, axis=1, kind="stable")[:, :n_nearest]
    found = np.take_along_axis(candidates, order, axis=1)
    found[np.isinf(np.take_along_axis(distance, order, axis=1))] = -1
    missing = n_nearest - found.shape[1]
    return np.pad(found, ((0, 0), (0, max(missing, 0))), constant_values=-1)


def far_spots(points: np.ndarray, anchors: np.ndarray, far: float, rng: np.random.Generator) -> np.ndarray:
    """One spot per anchor, uniform among the `far` fraction of spots farthest from it.

    The distance that bounds the far spots is read from a random sample of SAMPLE spots; then spots are drawn until one
    is beyond it. An anchor without success (a very small fraction) takes a far spot of the sample.
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
        # The margin keeps the spot on the bound itself, whose distance was computed by another formula.
        accepted = np.einsum("ij,ij->i", difference, difference) >= bound[pending] * (1 - 1e-5)
        negatives[pending[accepted]] = drawn[accepted]
        pending = pending[~accepted]
        if len(pending) == 0:
            break
    return negatives


def _distances(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, rows x points."""
    distance = np.einsum("ij,ij->i", rows, rows)[:, None] + np.einsum("ij,ij->i", points, points)[None, :]
    distance -= 2 * (rows @ points.T)
    return np.maximum(distance, 0, out=distance)


def _far_bound(distance: np.ndarray, far: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Per row the smallest of the `far` fraction of largest distances, and one column drawn from those."""
    # The anchor itself is no candidate; its exact duplicates are too few to matter and fall at the near end anyway.
    n_far = max(int((distance.shape[1] - 1) * far), 1)
    order = np.argpartition(distance, -n_far, axis=1)[:, -n_far:]
    bound = np.take_along_axis(distance, order, axis=1).min(axis=1)
    picked = order[np.arange(len(order)), rng.integers(n_far, size=len(order))]
    return bound, picked
