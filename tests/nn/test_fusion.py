"""What draws sections together, against closed forms: pairs, triplets, directions, far spots."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from spatialweave.nn.fusion import Partners, direction_loss, remote_spots


def test_direction_loss_is_the_mean_over_all_pairs() -> None:
    rng = np.random.default_rng(0)
    first, second = (torch.tensor(rng.normal(0.3, 1, (n, 5)), requires_grad=True) for n in (7, 11))
    expected = cdist(first.detach(), second.detach(), "cosine").mean()
    loss = direction_loss(first, second)
    assert loss.item() == pytest.approx(expected, abs=1e-12)
    assert torch.autograd.gradcheck(direction_loss, (first, second))


def test_pair_losses_by_hand() -> None:
    """Spots on a line; 0 and 1 match, 2 is far from 0 in its section and 3 from 1 in its own."""
    place = torch.tensor([[0.0], [2.0], [2.5], [9.0]])
    partners = Partners(np.array([0]), np.array([1]), np.array([2, 3, 0, 1]), "cpu")
    near, apart = partners.losses(place, margin=1.0)
    assert near.item() == pytest.approx(2.0, abs=1e-5)
    # 2 - 2.5 + 1 for spot 0; spot 1 has its far spot 7 away, which is enough.
    assert apart.item() == pytest.approx(0.5, abs=1e-5)


def test_no_pairs_no_loss() -> None:
    nobody = np.empty(0, dtype=np.int64)
    place = torch.randn(4, 2, requires_grad=True)
    near, apart = Partners(nobody, nobody, np.arange(4), "cpu").losses(place, 1.0)
    (near + apart).backward()
    assert near.item() == apart.item() == 0 and (place.grad == 0).all()


def test_far_spots_are_uniform_beyond_the_radius() -> None:
    points = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2).astype(float)
    distance = cdist(points, points)
    rng = np.random.default_rng(0)
    drawn = np.stack([remote_spots(points, 3.0, rng) for _ in range(4000)])
    assert (distance[np.arange(36), drawn] > 3.0).all()
    allowed = np.flatnonzero(distance[0] > 3.0)
    counts = np.bincount(drawn[:, 0], minlength=36)[allowed]
    assert counts.min() > 0
    # Chi-squared with len - 1 degrees of freedom: mean len - 1, deviation sqrt(2 (len - 1)).
    chi = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert chi < len(allowed) - 1 + 4 * np.sqrt(2 * (len(allowed) - 1))


def test_where_all_lie_within_the_radius_the_far_spot_is_the_farthest_drawn() -> None:
    points = np.array([[0.0, 0], [1, 0], [3, 0]])
    assert remote_spots(points, 10.0, np.random.default_rng(0)).tolist() == [2, 2, 0]
    assert remote_spots(points[:1], 10.0, np.random.default_rng(0)).tolist() == [0]
