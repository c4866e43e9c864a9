"""Nearest spots in an embedding or a modality, of all spots or of a random set of anchors."""

from __future__ import annotations

import numpy as np

from spatialweave.graphs.features import nearest_in


def random_subset(n_spots: int, most: int, seed: int) -> np.ndarray:
    """Ascending indices of at most `most` spots, drawn without replacement; all, where there are no more."""
    if n_spots <= most:
        return np.arange(n_spots)
    return np.sort(np.random.default_rng(seed).choice(n_spots, most, replace=False))


def nearest_others(values: np.ndarray, anchors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances (anchors x k) of the k nearest spots of each anchor, itself excluded."""
    found, distances = nearest_in(values[anchors], values, k + 1)
    other = found != anchors[:, None]
    # Among many spots with equal values an anchor need not be in its own list: then the last one is dropped.
    other[other.all(axis=1), -1] = False
    return found[other].reshape(len(anchors), k), distances[other].reshape(len(anchors), k)
