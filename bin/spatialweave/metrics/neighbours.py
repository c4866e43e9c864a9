"""Nearest spots in an embedding or a modality, for all spots or a random set of anchors."""

from __future__ import annotations

import numpy as np

from spatialweave.graphs.features import nearest_in


def nearest_others(values: np.ndarray, anchors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and distances (anchors x k) of the k nearest spots of each anchor, without itself."""
    found, distances = nearest_in(values[anchors], values, k + 1)
    other = found != anchors[:, None]
    # With many equal spots an anchor need not be in its own list; then the last one is dropped.
    other[other.all(axis=1), -1] = False
    return found[other].reshape(len(anchors), k), distances[other].reshape(len(anchors), k)
