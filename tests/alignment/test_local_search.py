"""The local search against optima in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment import transforms
from spatialweave.alignment.local_search import local_search
from spatialweave.alignment.transforms import LARGEST_RESCALING


def points(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(50, 2)) * (6.0, 2.0) + (100.0, -40.0)


def closeness(target: np.ndarray):
    """Minus the mean squared distance to `target`, in units in which the search's precision is small."""

    def score(matrix: np.ndarray) -> float:
        return -float(((transforms.apply(matrix, points()) - target) ** 2).sum(axis=1).mean())

    return score


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("unit", [1.0, 50.0])
def test_finds_the_least_squares_transform(scale, unit):
    """Its closed form is Kabsch's, with a scale Umeyama's; the units do not matter."""
    truth = transforms.rigid(0.2, (3.0, 1.0), 1.1 if scale else 1.0)
    noise = 0.1 * np.random.default_rng(1).normal(size=(50, 2))
    target = unit * (transforms.apply(truth, points()) + noise)
    start = transforms.rigid(0.15, (0.0, 0.0), unit)
    start[:2, 2] = target.mean(axis=0) - transforms.apply(start, points()).mean(axis=0) + unit * np.array([1.0, -1.0])

    def score(matrix: np.ndarray) -> float:
        return closeness(target)(matrix) / unit**2

    found, value = local_search(score, points(), start, unit, scale)
    best = transforms.rigid(0.0, (0.0, 0.0), unit) @ transforms.fit(points(), target / unit, scale=scale)
    off = transforms.apply(found, points()) - transforms.apply(best, points())
    assert np.linalg.norm(off, axis=1).mean() < 0.02 * unit
    assert value == pytest.approx(score(found))


def test_every_variable_first_moves_the_points_by_the_step():
    """The corners of the simplex: the start, and from it one step in x, y, angle and scale."""
    tried: list[np.ndarray] = []

    def score(matrix: np.ndarray) -> float:
        tried.append(matrix)
        return 0.0

    start = transforms.rigid(0.7, (5.0, 6.0), 2.0)
    local_search(score, points(), start, 0.5, scale=True)
    placed = [transforms.apply(matrix, points()) for matrix in tried[:5]]
    np.testing.assert_array_equal(placed[0], transforms.apply(start, points()))
    np.testing.assert_allclose(placed[1] - placed[0], np.tile([0.5, 0.0], (50, 1)), atol=1e-9)
    np.testing.assert_allclose(placed[2] - placed[0], np.tile([0.0, 0.5], (50, 1)), atol=1e-9)
    for corner in placed[3:]:
        moved = np.sqrt(((corner - placed[0]) ** 2).sum(axis=1).mean())
        assert moved == pytest.approx(0.5, rel=0.03)
        np.testing.assert_allclose(corner.mean(axis=0), placed[0].mean(axis=0))
    assert [transforms.decompose(matrix)[2] for matrix in tried[:4]] == pytest.approx([2.0] * 4)


def test_a_start_at_the_optimum_stays():
    start = transforms.rigid(0.3, (1.0, 2.0))
    found, value = local_search(closeness(transforms.apply(start, points())), points(), start, 0.5)
    np.testing.assert_allclose(transforms.apply(found, points()), transforms.apply(start, points()), atol=5e-3)
    assert value == pytest.approx(0.0, abs=1e-5)


def test_without_scale_distances_stay_and_with_scale_it_is_bounded():
    """A score that grows the more the points shrink."""

    def smallness(matrix: np.ndarray) -> float:
        return -transforms.decompose(matrix)[2]

    assert transforms.decompose(local_search(smallness, points(), np.eye(3), 0.5)[0])[2] == pytest.approx(1.0)
    found = transforms.decompose(local_search(smallness, points(), np.eye(3), 0.5, scale=True)[0])[2]
    assert 1 / LARGEST_RESCALING <= found < 1.02 / LARGEST_RESCALING
