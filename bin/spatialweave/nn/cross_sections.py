"""Triplets across sections: spots of two sections that are mutually among each other's nearest, against far spots.

From SMART-MS (Du et al. 2026). Section numbers, not their names or their order, decide what a pair is; the published
rule, by which only the first section of a pair supplies anchors, is a choice.
"""

from __future__ import annotations

import numpy as np

from spatialweave.nn.mining import far_spots, nearest_candidates


def cross_pairs(points: np.ndarray, sections: np.ndarray, n_nearest: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (i, j) of different sections, each among the other's `n_nearest` nearest spots of the other's section.

    Over all pairs of sections, Euclidean. The search is exact in sections of up to
    :data:`spatialweave.nn.mining.EXACT_SEARCH_LIMIT` spots.

    Parameters
    ----------
    points
        float32, spots x dimensions.
    sections
        One whole number per spot.

    Returns
    -------
    Both directions of every pair, by i and then by j.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    n_spots = len(points)
    directed = []
    for section in np.unique(sections):
        inside, outside = np.flatnonzero(sections == section), np.flatnonzero(sections != section)
        found = nearest_candidates(points[inside], min(n_nearest, len(inside)), points[outside])
        first = np.repeat(outside, found.shape[1])[found.ravel() >= 0]
        directed.append(first * n_spots + inside[found[found >= 0]])
    keys = np.sort(np.concatenate(directed)) if directed else np.empty(0, dtype=np.int64)
    first, second = np.divmod(keys, max(n_spots, 1))
    mutual = np.isin(second * n_spots + first, keys)
    return first[mutual], second[mutual]


def mine_cross_triplets(
    features: np.ndarray,
    sections: np.ndarray,
    n_nearest: int,
    far: float,
    rng: np.random.Generator,
    spots: np.ndarray,
    both_sides: bool = True,
) -> np.ndarray:
    """Mine triplets among `spots`: anchor and positive of two sections, the negative of the anchor's own.

    Parameters
    ----------
    features
        Spots x dimensions, comparable between sections.
    sections
        One whole number per spot of `features`, in stack order.
    n_nearest
        Nearest spots in the other section among which mutual pairs are sought.
    far
        Share of the spots of the anchor's section, the farthest from it, that negatives are drawn from uniformly.
    both_sides
        Every pair gives two triplets, one anchored at either end; else, as published, the anchor is always the end in
        the section of the lower number.

    Returns
    -------
    int64, 3 x triplets: anchor, positive, negative.
    """
    points, of = np.ascontiguousarray(features[spots], dtype=np.float32), sections[spots]
    anchors, positives = cross_pairs(points, of, n_nearest)
    if not both_sides:
        first = of[anchors] < of[positives]
        anchors, positives = anchors[first], positives[first]
    parts = [np.empty((3, 0), dtype=np.int64)]
    for section in np.unique(of[anchors]):
        own, mine = np.flatnonzero(of == section), of[anchors] == section
        # The only spot of a section has no other to be told from.
        if len(own) > 1:
            negatives = own[far_spots(points[own], np.searchsorted(own, anchors[mine]), far, rng)]
            parts.append(np.stack([anchors[mine], positives[mine], negatives]))
    return np.asarray(spots[np.concatenate(parts, axis=1)])
