"""Trimmed ICP of outlines and of scattered points whose transform is known."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment import transforms
from spatialweave.alignment.icp import closest_fraction, icp
from spatialweave.alignment.outline import outline


def cloud(n_points: int = 300) -> np.ndarray:
    return np.random.default_rng(0).random((n_points, 2)) * (20.0, 12.0)


@pytest.mark.parametrize("reflect", [False, True])
def test_recovers_a_transform_exactly(reflect):
    truth = transforms.rigid(0.05, (0.2, -0.1), reflect=reflect)
    moving = transforms.apply(np.linalg.inv(truth), cloud())
    found = icp(cloud(), moving, transforms.rigid(0, (0, 0), reflect=reflect), 1.0)
    np.testing.assert_allclose(found.matrix, truth, atol=1e-7)
    assert found.overlap == 1.0 and found.rms < 1e-6


def test_no_scale_by_default():
    truth = transforms.rigid(0.02, (0.1, 0.1), 1.05)
    moving = transforms.apply(np.linalg.inv(truth), cloud())
    np.testing.assert_allclose(icp(cloud(), moving, np.eye(3), 1.0, scale=True).matrix, truth, atol=1e-6)
    assert transforms.decompose(icp(cloud(), moving, np.eye(3), 1.0).matrix)[2] == pytest.approx(1.0)


def test_missing_edge_does_not_pull():
    """A square with a third cut off: its cut edge has no counterpart, and trimming leaves it out."""
    grid = np.stack(np.meshgrid(np.arange(30.0), np.arange(30.0)), -1).reshape(-1, 2)
    part = grid[grid[:, 0] < 20]
    truth = transforms.about(transforms.rigid(0.01, (0, 0)), np.array([10.0, 15.0]))
    truth[:2, 2] += (0.2, -0.2)
    fixed, border = grid[outline(grid)], part[outline(part)]
    moving = transforms.apply(np.linalg.inv(truth), border)
    found = icp(fixed, moving, np.eye(3), 1.0)
    off = np.linalg.norm(transforms.apply(found.matrix, moving) - border, axis=1)
    assert off.max() < 1e-6
    assert found.overlap == pytest.approx(np.mean((border[:, 0] == 0) | (border[:, 1] == 0) | (border[:, 1] == 29)))


def test_closest_fraction_by_hand():
    """Seven pairs touch and three are far off: the criterion (mean square) / x^3 is least at 0.7."""
    distance = np.array([9.0, 0.1, 0.1, 8.0, 0.1, 0.1, 0.1, 7.0, 0.1, 0.1])
    kept, fraction = closest_fraction(distance, 1e-5)
    assert fraction == 0.7 and sorted(kept) == [1, 2, 4, 5, 6, 8, 9]


def test_equal_distances_all_take_part():
    assert closest_fraction(np.full(10, 3.0), 1e-5)[1] == 1.0


def test_same_result_every_time_and_in_any_order():
    moving = transforms.apply(transforms.rigid(0.1, (0.5, 0.5)), cloud())
    first = icp(cloud(), moving, np.eye(3), 1.0)
    assert np.array_equal(first.matrix, icp(cloud(), moving, np.eye(3), 1.0).matrix)
    np.testing.assert_allclose(icp(cloud()[::-1], moving[::-1], np.eye(3), 1.0).matrix, first.matrix, atol=1e-9)


def test_all_on_one_fixed_point_ends():
    found = icp(np.array([[0.0, 0.0], [100.0, 0.0]]), cloud(), np.eye(3), 1.0)
    assert np.array_equal(found.matrix, np.eye(3))
