"""Normal distributions transform: the score against scipy, and known transforms recovered."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment import ndt, transforms


def banana() -> np.ndarray:
    """900 spots of a lattice in an outline without symmetry."""
    grid = np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0)), -1).reshape(-1, 2)
    x, y = (grid / 40.0).T
    return grid[(y > 0.9 * (x - 0.35) ** 2 + 0.1) & (y < 0.75 + 0.3 * x**2) & (x + y > 0.4)]


def test_score_equals_its_definition():
    """One cell that holds everything, in each of the four grids as far as it reaches."""
    rng = np.random.default_rng(0)
    fixed = rng.normal(size=(50, 2)) @ np.array([[1.0, 0.3], [0.0, 0.5]])
    cells = ndt.build(fixed, 1e3)
    placed = rng.normal(size=(7, 2))
    away = placed - fixed.mean(axis=0)
    squared = np.einsum("ni,ij,nj->n", away, np.linalg.inv(np.cov(fixed.T)), away)
    inside = (placed >= cells.corner[0]).all(axis=1)
    shifted = [(placed >= corner).all(axis=1) for corner in cells.corner]
    expected = np.mean([np.where(seen, np.exp(-0.5 * squared), 0.0).mean() for seen in shifted])
    assert 0 < inside.sum() < 7
    assert ndt.score(cells, placed) == pytest.approx(expected)


def test_cells_of_few_points_score_nothing():
    fixed = np.vstack([np.random.default_rng(0).random((30, 2)), [[10.2, 10.2], [10.4, 10.3], [10.3, 10.5]]])
    cells = ndt.build(fixed, 2.0)
    assert ndt.score(cells, np.array([[10.3, 10.3]])) == 0.0
    assert ndt.score(cells, np.array([[50.0, 50.0], [-50.0, 0.0]])) == 0.0
    assert ndt.score(cells, fixed[:30].mean(axis=0)[None]) > 0.5


def test_points_on_a_line_make_no_wall():
    """A cell of points on one line lets points beside it count, if less."""
    cells = ndt.build(np.column_stack([np.linspace(0.0, 1.0, 9), np.zeros(9)]), 4.0)
    near, beside = (ndt.score(cells, np.array([[0.5, y]])) for y in (0.0, 0.03))
    assert 0.1 * near < beside < near


@pytest.mark.parametrize("degrees", [-12.0, 0.0, 8.0])
def test_recovers_a_transform(degrees):
    truth = transforms.about(transforms.rigid(np.radians(degrees), (0, 0)), banana().mean(axis=0))
    truth[:2, 2] += (1.7, -1.2)
    moving = transforms.apply(np.linalg.inv(truth), banana())
    found, score = ndt.ndt(banana(), moving, np.eye(3), 1.0)
    off = np.linalg.norm(transforms.apply(found, moving) - banana(), axis=1)
    assert off.mean() < 0.3
    assert 0.3 < score < 1.0


def test_scale_does_not_collapse():
    moving = banana() / 1.1
    found, _ = ndt.ndt(banana(), moving, np.eye(3), 1.0, scale=True)
    assert transforms.decompose(found)[2] == pytest.approx(1.1, abs=0.02)
    assert transforms.decompose(ndt.ndt(banana(), moving, np.eye(3), 1.0)[0])[2] == pytest.approx(1.0)
