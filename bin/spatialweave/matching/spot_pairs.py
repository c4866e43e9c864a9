"""Pairs of spots of two sections by their coordinates, and the mutually best among scored pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial import cKDTree

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import rank_within_spot
from spatialweave.graphs.spatial import TIE_PRECISION

MAX_MEAN_PAIRS = 2000
"""Radii with more spots than this about each spot of the finer section, on average, are refused: they are probably in
other units."""

PAIRS_AT_ONCE = 200_000
"""Pairs per block: callers compute their cosines together, so memory holds this many rows of both embeddings."""

TIE = 1e-9
"""Values and distances that differ by less than this fraction count as equal."""


def pair_blocks(points_a: np.ndarray, points_b: np.ndarray, radius: float) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield all pairs at most `radius` apart as (a, b, distance) in blocks; all pairs of a spot of a are in one block.

    Raises
    ------
    InputError
        When the spots of the section with more spots have, on average, more than :data:`MAX_MEAN_PAIRS` spots of the
        other within the radius.
    """
    if len(points_a) == 0 or len(points_b) == 0:
        return
    limit = radius * (1.0 + TIE_PRECISION)
    tree = cKDTree(points_b)
    counts = tree.query_ball_point(points_a, limit, return_length=True)
    mean_pairs = counts.sum() / max(len(points_a), len(points_b))
    if mean_pairs > MAX_MEAN_PAIRS:
        raise InputError(
            "matching radius",
            f"{mean_pairs:.0f} spots of the other section are within it, on average",
            f"at most {MAX_MEAN_PAIRS}",
            "choose a smaller radius",
        )
    # Each block is a strip across the section, so that its tree query visits few cells.
    order = np.lexsort((points_a[:, 0], np.floor(points_a[:, 1] / (8.0 * limit))))
    order = order[counts[order] > 0]
    block = np.cumsum(counts[order]) // PAIRS_AT_ONCE
    for rows in np.split(order, np.flatnonzero(np.diff(block)) + 1):
        if len(rows):
            found = cKDTree(points_a[rows]).sparse_distance_matrix(tree, limit, output_type="ndarray")
            yield rows[found["i"]], found["j"].astype(np.int64), found["v"].astype(np.float64)


def nearest_pairs(points_a: np.ndarray, points_b: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return each spot of `a` with its nearest spot of `b`, if that is at most `limit` away (coordinate units)."""
    if len(points_a) == 0 or len(points_b) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    distance, nearest = cKDTree(points_b).query(points_a)
    near = np.flatnonzero(distance <= limit)
    return near, nearest[near].astype(np.int64)


def mutual_nearest(
    points_a: np.ndarray, points_b: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of spots that are each other's nearest, at most `radius` apart, as (a, b, distance), sorted by a.

    Each spot is in at most one pair. Ties go to the pair whose b is least to the right of its a, then least above, so
    that lattices half a spacing apart still pair up.
    """
    kept = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    if len(points_a) and len(points_b):
        limit_a = cKDTree(points_b).query(points_a)[0] + TIE * radius
        limit_b = cKDTree(points_a).query(points_b)[0] + TIE * radius
        for a, b, distance in pair_blocks(points_a, points_b, radius):
            nearest = (distance <= limit_a[a]) & (distance <= limit_b[b])
            kept.append((a[nearest], b[nearest], distance[nearest]))
    a, b, distance = (np.concatenate(column) for column in zip(*kept, strict=True))
    chosen = mutual_best(a, b, 1.0 - distance / radius, points_b[b] - points_a[a], 1)
    chosen = chosen[np.argsort(a[chosen])]
    return a[chosen], b[chosen], distance[chosen]


def mutual_best(a: np.ndarray, b: np.ndarray, value: np.ndarray, shift: np.ndarray, top: int) -> np.ndarray:
    """Return the indices of the pairs that are among the `top` highest of both their spots.

    Ties are broken by `shift` (pairs x 2), b - a. They must be broken by a quantity of the pair, or spots of regular
    lattices would not pair up.
    """
    steps = TIE * max(float(np.abs(shift).max(initial=0.0)), np.finfo(np.float64).tiny)
    order = np.lexsort((*np.round(shift / steps).T[::-1], -np.round(value / TIE)))
    chosen = np.ones(len(a), dtype=bool)
    for spot in (a, b):
        by_spot = order[np.argsort(spot[order], kind="stable")]
        chosen[by_spot] &= rank_within_spot(spot[by_spot]) < top
    return np.flatnonzero(chosen)
