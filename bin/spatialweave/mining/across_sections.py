"""Triplets across sections: mutually nearest spots of two sections, against far spots.

From SMART-MS (Du et al. 2026). Section numbers, not names or their order, define the pairs. The published rule, by
which only the first section of a pair supplies anchors, is an option.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from spatialweave.graphs.features import mutual_nearest_neighbours
from spatialweave.mining.triplets import far_spots


def cross_pairs(points: np.ndarray, sections: np.ndarray, n_nearest: int) -> tuple[np.ndarray, np.ndarray]:
    """Find pairs (i, j) of different sections, each among the `n_nearest` spots of its section nearest to the other.

    All pairs of sections are searched, Euclidean, by :func:`spatialweave.graphs.features.mutual_nearest_neighbours`.

    Parameters
    ----------
    points
        float32, spots x dimensions.
    sections
        One integer per spot.

    Returns
    -------
    Both directions of every pair, sorted by i and then by j.
    """
    members = [np.flatnonzero(sections == section) for section in np.unique(sections)]
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for own, other in combinations(members, 2):
        i, j = mutual_nearest_neighbours(points[own], points[other], n_nearest).T
        pairs += [np.column_stack([own[i], other[j]]), np.column_stack([other[j], own[i]])]
    found = np.concatenate(pairs)
    first, second = found[np.lexsort((found[:, 1], found[:, 0]))].T
    return first, second


def mine_cross_triplets(
    features: np.ndarray,
    sections: np.ndarray,
    n_nearest: int,
    far: float,
    rng: np.random.Generator,
    spots: np.ndarray,
    both_sides: bool = True,
) -> np.ndarray:
    """Mine triplets among `spots`: anchor and positive from two sections, the negative from the anchor's section.

    Parameters
    ----------
    features
        Spots x dimensions, comparable between sections.
    sections
        One integer per spot of `features`, in stack order.
    n_nearest
        Nearest spots in the other section among which mutual pairs are searched.
    far
        Fraction of the spots of the anchor's section that are farthest from it; negatives are drawn uniformly from
        them.
    both_sides
        Whether every pair gives two triplets, one anchored at either end. Otherwise, as published, the anchor is always
        in the section with the lower number.

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
        # The only spot of a section has no other spot that could be its negative.
        if len(own) > 1:
            negatives = own[far_spots(points[own], np.searchsorted(own, anchors[mine]), far, rng)]
            parts.append(np.stack([anchors[mine], positives[mine], negatives]))
    return np.asarray(spots[np.concatenate(parts, axis=1)])
