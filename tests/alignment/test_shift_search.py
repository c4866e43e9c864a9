"""The search over shifts and angles against sums over all pairs of spots."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from spatialweave.alignment import shift_search, transforms
from spatialweave.alignment.shift_search import ComponentMap, best_different, cell_side, search_shifts

GRID = np.stack(np.meshgrid(np.arange(24.0), np.arange(16.0)), -1).reshape(-1, 2)
NONE = np.zeros((len(GRID), 0))


def field(points: np.ndarray) -> np.ndarray:
    """Two patterns without symmetry."""
    x, y = points.T
    return np.column_stack([np.hypot(x - 6, y - 11) < 5, x + 2 * y > 30]).astype(float)


def kernel(apart: np.ndarray) -> np.ndarray:
    """The weight of spots so many cells apart: a Gaussian without the frequencies that cells cannot have."""
    sigma = shift_search.BLUR
    spectrum = [
        quad(lambda f, d=d: np.exp(-2 * (np.pi * sigma * f) ** 2) * np.cos(2 * np.pi * f * d), -0.5, 0.5)[0]
        for d in range(60)
    ]
    return np.array(spectrum)[np.abs(apart)]


def sums_over_pairs(fixed: ComponentMap, moving: ComponentMap, shift: np.ndarray, cell: float) -> tuple[float, float]:
    """Explained sum of squares and number of pairs at a shift of whole cells, from all pairs of spots."""
    cells = [np.floor((part.points - part.points.mean(axis=0)) / cell).astype(int) for part in (fixed, moving)]
    apart = cells[0][:, None] - cells[1][None] - np.round(shift / cell).astype(int)
    weight = kernel(apart[..., 0]) * kernel(apart[..., 1])
    n_pairs = weight.sum()
    x, y = (part.components / np.sqrt(part.components.var(axis=0).sum()) for part in (fixed, moving))
    explained = 0.0
    for a in x.T:
        for b in y.T:
            mean_a, mean_b = (weight * a[:, None]).sum() / n_pairs, (weight * b[None]).sum() / n_pairs
            covariance = (weight * (a[:, None] - mean_a) * (b[None] - mean_b)).sum()
            variance_a = (weight * (a[:, None] - mean_a) ** 2).sum()
            variance_b = (weight * (b[None] - mean_b) ** 2).sum()
            explained += 0.5 * covariance**2 * (1 / variance_a + 1 / variance_b)
    return float(explained), float(n_pairs)


def test_scores_equal_sums_over_all_pairs():
    part = GRID[:, 0] < 17
    noise = 0.5 * np.random.default_rng(0).normal(size=(len(GRID), 2))
    fixed = ComponentMap(GRID, field(GRID) + noise)
    moving = ComponentMap(GRID[part], field(GRID[part]) + noise[part][::-1])
    found = search_shifts(fixed, moving, 1.0, 1, [False], [1.0])
    cell = cell_side(GRID, 1.0)
    assert len(found) == 2 and cell == 1.5
    centres = fixed.points.mean(axis=0) - moving.points.mean(axis=0)
    expected = [sums_over_pairs(fixed, moving, one.matrix[:2, 2] - centres, cell) for one in found]
    most = max(pairs for _, pairs in expected)
    assert [one.overlap for one in found] == pytest.approx([pairs / most for _, pairs in expected], rel=1e-3)
    assert [one.explained for one in found] == pytest.approx([explained / most for explained, _ in expected], rel=1e-3)
    # The true shift is 0: it explains most.
    best = max(found, key=lambda one: one.explained)
    assert np.abs(best.matrix[:2, 2]).max() <= cell


@pytest.mark.parametrize("reflect", [False, True])
def test_the_best_explains_at_the_true_transform(reflect):
    truth = transforms.rigid(np.radians(90), (40.0, -7.0), reflect=reflect)
    moving = ComponentMap(transforms.apply(np.linalg.inv(truth), GRID), field(GRID))
    found = search_shifts(ComponentMap(GRID, field(GRID)), moving, 1.0, 8, [False, True], [1.0])
    best = max(found, key=lambda one: one.explained)
    assert transforms.decompose(best.matrix)[3] is reflect
    off = np.linalg.norm(transforms.apply(best.matrix, moving.points) - GRID, axis=1)
    assert off.max() <= 2.2 * cell_side(GRID, 1.0)


def test_without_components_the_overlap_decides():
    found = search_shifts(ComponentMap(GRID, NONE), ComponentMap(GRID + 100.0, NONE), 1.0, 4, [False], [1.0, 0.5])
    assert len(found) == 8
    assert all(one.explained == 0.0 for one in found)
    assert [round(transforms.decompose(one.matrix)[2], 9) for one in found] == [1.0] * 4 + [0.5] * 4
    assert max(one.overlap for one in found[:4]) == max(one.overlap for one in found[4:]) == 1.0
    best = max(found[:4], key=lambda one: one.overlap)
    np.testing.assert_allclose(transforms.apply(best.matrix, GRID + 100.0).mean(axis=0), GRID.mean(axis=0), atol=1.5)


def test_small_overlaps_are_left_out():
    """Two spots that agree wholly at the sections' far corners explain nothing."""
    rng = np.random.default_rng(0)
    fixed, moving = rng.normal(size=(len(GRID), 1)), rng.normal(size=(len(GRID), 1))
    fixed[-3:, 0], moving[:3, 0] = (60.0, -60.0, 60.0), (60.0, -60.0, 60.0)
    found = search_shifts(ComponentMap(GRID, fixed), ComponentMap(GRID, moving), 1.0, 1, [False], [1.0])
    assert min(one.overlap for one in found) >= shift_search.LEAST_OVERLAP


def test_cells():
    """1.5 spacings at least, else a 64th of the diameter."""
    assert cell_side(GRID, 1.0) == 1.5 and cell_side(GRID, 2.0) == 3.0
    circle = 640.0 * np.column_stack([np.cos(np.arange(0, 6.28, 0.01)), np.sin(np.arange(0, 6.28, 0.01))])
    assert cell_side(circle, 1.0) == pytest.approx(20.0, rel=0.01)


def test_best_different_by_hand():
    """Points at distance 1 from their mean: a shift by 0.2 is about the same, one by 0.3 is not."""
    points = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    shifts = {0.0: 3.0, 0.2: 2.0, 0.3: 1.0, 9.0: 5.0, 0.55: 0.5}
    scored = [(score, transforms.rigid(0.0, (x, 0.0))) for x, score in shifts.items()]
    assert [matrix[0, 2] for matrix in best_different(scored, points, 9)] == [9.0, 0.0, 0.3]
    assert [matrix[0, 2] for matrix in best_different(scored, points, 2)] == [9.0, 0.0]
