"""Far spots of the same section against the distances between all spots."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from spatialweave.mining.remote import remote_spots


def test_far_spots_are_uniform_beyond_the_radius() -> None:
    points = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2).astype(float)
    distance = cdist(points, points)
    rng = np.random.default_rng(0)
    drawn = np.stack([remote_spots(points, 3.0, rng) for _ in range(4000)])
    assert (distance[np.arange(36), drawn] > 3.0).all()
    allowed = np.flatnonzero(distance[0] > 3.0)
    counts = np.bincount(drawn[:, 0], minlength=36)[allowed]
    assert counts.min() > 0
    # Chi-squared with len - 1 degrees of freedom: mean len - 1, standard deviation sqrt(2 (len - 1)).
    chi = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert chi < len(allowed) - 1 + 4 * np.sqrt(2 * (len(allowed) - 1))


def test_where_all_lie_within_the_radius_the_far_spot_is_the_farthest_drawn() -> None:
    points = np.array([[0.0, 0], [1, 0], [3, 0]])
    assert remote_spots(points, 10.0, np.random.default_rng(0)).tolist() == [2, 2, 0]
    assert remote_spots(points[:1], 10.0, np.random.default_rng(0)).tolist() == [0]
