"""Scores of a registration: by hand on squares, and cross-prediction against scikit-learn's ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from spatialweave.alignment import transforms
from spatialweave.alignment.prepared_section import PreparedSection, UnpreparedSection, prepare
from spatialweave.alignment.raster import rasterise
from spatialweave.alignment.registration_score import RegistrationScore
from spatialweave.alignment.spatial_components import SpatialComponents
from spatialweave.blocks.cross_prediction import FOLD_OF_BLOCK, RIDGE
from spatialweave.blocks.ratios import block_numbers

GRID = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2)
HALF = GRID[GRID[:, 0] < 10]


def bare(points: np.ndarray) -> PreparedSection:
    return prepare([UnpreparedSection(points, {}, 0.1)])[0]


def averaged_of(values: np.ndarray) -> np.ndarray:
    """In place of the average over neighbours, something that differs from the values by more than a factor."""
    return values / 2 + 0.1 * np.sin(7 * values)


def measured(points: np.ndarray, spacing: float, **modalities: np.ndarray) -> PreparedSection:
    """A section with these components at all spots."""
    rows = np.arange(len(points))
    components = {
        name: SpatialComponents(rows, values, averaged_of(values), np.ones(values.shape[1]))
        for name, values in modalities.items()
    }
    return PreparedSection(points, spacing, components, points)


def scored(fixed: PreparedSection, moving: PreparedSection) -> RegistrationScore:
    return RegistrationScore(fixed, moving, moving.points)


def shift(x: float, y: float = 0.0) -> np.ndarray:
    return transforms.rigid(0.0, (x, y))


def test_spacing_is_the_larger_one():
    assert scored(bare(GRID), bare(2.0 * GRID)).spacing == pytest.approx(2.0)
    assert scored(bare(3.0 * GRID), bare(2.0 * GRID)).spacing == pytest.approx(3.0)


def test_overlap_by_hand():
    scores = scored(bare(GRID), bare(GRID))
    # The density at a corner is a little below that at a straight border.
    assert scores.overlap(np.eye(3)) == pytest.approx(1.0, abs=1e-3)
    assert scores.overlap(shift(40.0)) == 0.0
    # Ten of twenty columns are inside, and the first beyond the border in part.
    assert 10 / 20 <= scores.overlap(shift(10.0)) < 11 / 20


def test_shape_agreement_by_hand():
    """Half a square: it is inside the whole one, covers half of it, and three of its sides are on the outline."""
    scores = scored(bare(GRID), bare(HALF))
    x, y = scores.moving.outline.T
    assert len(x) == 56
    distance = np.minimum(np.minimum(x, y), np.minimum(19 - x, 19 - y))
    near = np.exp(-0.5 * distance**2).mean()
    overlap, covered = 1.0, 0.5
    expected = 0.25 * (overlap + covered) + 0.5 * near
    assert scores.shape_agreement(np.eye(3)) == pytest.approx(expected, abs=0.01)
    assert scored(bare(GRID), bare(GRID)).shape_agreement(np.eye(3)) == pytest.approx(1.0, abs=1e-3)
    assert scores.shape_agreement(shift(90.0)) == pytest.approx(0.0, abs=1e-6)


def test_a_part_covers_what_its_own_spots_cover():
    whole = scored(bare(GRID), bare(GRID))
    blocks = np.arange(25) % 2 == 0
    alone = whole.part(blocks).coverage(np.eye(3)).value
    everything = whole.coverage(np.eye(3)).value
    assert whole.part(blocks).coverage(np.eye(3)).value == alone < everything - 0.1
    assert whole.coverage(np.eye(3)).value == everything


def test_the_outline_is_compared_in_spacings():
    """Both sections twice as wide, and so the shift: the same score."""
    once = scored(bare(GRID), bare(HALF)).shape_agreement(shift(1.5, 0.5))
    twice = scored(bare(2 * GRID), bare(2 * HALF)).shape_agreement(shift(3.0, 1.0))
    assert once == pytest.approx(twice)


def held_out(x: np.ndarray, y: np.ndarray, weights: np.ndarray, folds: np.ndarray) -> float:
    """Sum of squares of `y` that `x` explains in held-out folds, by scikit-learn."""
    variance = np.mean((weights[:, None] * x**2).sum(axis=0)) / weights.sum()
    total = 0.0
    for fold in range(5):
        test = folds == fold
        model = Ridge(alpha=RIDGE * variance).fit(x[~test], y[~test], sample_weight=weights[~test])
        squares = y[test] ** 2 - (y[test] - model.predict(x[test]).reshape(y[test].shape)) ** 2
        total += (weights[test][:, None] * squares).sum()
    return total


@pytest.mark.parametrize(("averaged", "spacing"), [(True, 1.0), (False, 1.0), (True, 2.0)])
def test_cross_prediction_equals_its_definition(averaged, spacing):
    """Two modalities in the fixed section, one in the moving one, which is shifted partly outside.

    Widths are in the larger spacing of the two; the fixed section's is 1.
    """
    rng = np.random.default_rng(0)
    field = np.column_stack([np.sin(GRID[:, 0] / 3), np.cos(GRID[:, 1] / 4)])
    fixed_values = {
        "rna": field + 0.1 * rng.normal(size=(400, 2)),
        "adt": field[:, :1] + 0.2 * rng.normal(size=(400, 1)),
    }
    moving_values = field @ np.array([[1.0, 0.5], [-0.5, 1.0]]) + 0.1 * rng.normal(size=(400, 2))
    fixed, moving = measured(GRID, 1.0, **fixed_values), measured(GRID, spacing, rna=moving_values)
    matrix, width = shift(3.0), 1.5
    placed, folds = GRID + np.array([3.0, 0.0]), FOLD_OF_BLOCK[block_numbers(GRID, GRID)]
    targets = averaged_of(moving_values) if averaged else moving_values
    expected = []
    for values in fixed_values.values():
        read, inside = rasterise(GRID, values, 1.0, width * spacing).read(placed)
        of_moving = held_out(read, targets, inside, folds) / (targets**2).sum()
        of_fixed = held_out(targets, read, inside, folds) / (averaged_of(values) ** 2).sum()
        expected.append((of_moving + of_fixed) / 2)
    found = scored(fixed, moving).cross_prediction(matrix, width, 400, averaged)
    assert found == pytest.approx(np.mean(expected), rel=1e-6)


def test_cross_prediction_is_highest_at_the_right_transform():
    x, y = (GRID / 20).T
    values = np.column_stack([((x - 0.3) ** 2 + (y - 0.65) ** 2 < 0.06), x + 0.4 * y > 0.85]).astype(float)
    values = values - values.mean(axis=0)
    rows = np.arange(400)
    section = PreparedSection(GRID, 1.0, {"rna": SpatialComponents(rows, values, values, np.ones(2))}, GRID)
    scores = scored(section, section)
    middle = GRID.mean(axis=0)
    turned = [transforms.about(transforms.rigid(angle, (0.0, 0.0)), middle) for angle in np.pi / 2 * np.arange(4)]
    found = [scores.cross_prediction(matrix, 1.0, 400) for matrix in turned]
    assert found[0] > 0.7 > 2 * max(found[1:])
    assert scores.cross_prediction(shift(4.0), 1.0, 400) < found[0] - 0.2
    assert scores.cross_prediction(shift(90.0), 1.0, 400) == pytest.approx(0.0, abs=1e-9)


def test_without_features_nothing_is_predicted():
    scores = scored(bare(GRID), bare(HALF))
    assert not scores.has_features and scores.cross_prediction(np.eye(3), 1.0, 100) == 0.0
    assert not scored(measured(GRID, 1.0, rna=GRID), bare(HALF)).has_features
