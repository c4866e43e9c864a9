"""Sampling of spots that are far from a spot on the tissue."""

from __future__ import annotations

import numpy as np

from spatialweave.mining.triplets import REJECTION_ROUNDS


def remote_spots(points: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Draw one other spot for every spot, uniformly from those farther than `radius` from it.

    Spots are drawn until one is far enough. If none is (nearly all are within the radius), the farthest draw is used.

    Parameters
    ----------
    points
        Spots x 2, from one section.

    Returns
    -------
    int64, one per spot.
    """
    n_spots = len(points)
    chosen = np.arange(n_spots)
    reached = np.zeros(n_spots)
    pending = np.arange(n_spots)
    for _ in range(REJECTION_ROUNDS):
        drawn = rng.integers(n_spots, size=len(pending))
        distance = np.linalg.norm(points[pending] - points[drawn], axis=1)
        better = distance > reached[pending]
        chosen[pending[better]], reached[pending[better]] = drawn[better], distance[better]
        pending = pending[distance <= radius]
        if len(pending) == 0:
            break
    return chosen
