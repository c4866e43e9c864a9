"""Held-out ridge regression against scikit-learn, and folds by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from spatialweave.alignment.cross_prediction import RIDGE, explained_squares, fold_numbers, rows_by_fold


def test_explained_equals_refitted_ridge_regression():
    """The folds' sums give what scikit-learn gives when it is fitted again without each fold."""
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(60, 3)), rng.random(60)
    y = x @ rng.normal(size=(3, 2)) + rng.normal(size=(60, 2)) + 0.5
    folds = [slice(0, 20), slice(20, 35), slice(35, 60)]
    variance = np.mean((weights[:, None] * x**2).sum(axis=0)) / weights.sum()
    total = 0.0
    for fold in folds:
        kept = np.setdiff1d(np.arange(60), np.arange(60)[fold])
        model = Ridge(alpha=RIDGE * variance).fit(x[kept], y[kept], sample_weight=weights[kept])
        squares = y[fold] ** 2 - (y[fold] - model.predict(x[fold])) ** 2
        total += (weights[fold][:, None] * squares).sum()
    assert explained_squares(x, y, weights, folds) == pytest.approx(total, rel=1e-6)


def test_noise_explains_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(500, 4)), rng.normal(size=(500, 4))
    folds = [slice(100 * fold, 100 * fold + 100) for fold in range(5)]
    assert -0.1 < explained_squares(x, y, np.ones(500), folds) / (y**2).sum() <= 0.0
    assert explained_squares(x, x, np.ones(500), folds) / (x**2).sum() > 0.99


def test_folds_are_blocks_of_which_none_borders_on_its_own():
    centres = np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2) + 0.5
    corners = np.array([[0.0, 0.0], [5.0, 5.0]])
    folds = fold_numbers(np.vstack([centres, corners]) * (3.0, 7.0) - 4.0)
    assert folds[:5].tolist() == [0, 1, 2, 3, 4] and folds[5:10].tolist() == [2, 3, 4, 0, 1]
    # The corners belong to the first and the last block.
    assert (folds[25], folds[26]) == (folds[0], folds[24])
    apart = np.abs(centres[:, None] - centres[None]).max(axis=2)
    assert (apart[(folds[:25, None] == folds[None, :25]) & (apart > 0)] > 1).all()
    assert np.bincount(folds[:25]).tolist() == [5] * 5


def test_folds_of_points_on_a_line():
    assert fold_numbers(np.column_stack([np.arange(10.0), np.zeros(10)])).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_rows_by_fold():
    points = np.random.default_rng(0).random((103, 2))
    rows, slices = rows_by_fold(points, 200)
    assert sorted(rows.tolist()) == list(range(103))
    every_third, _ = rows_by_fold(points, 40)
    assert sorted(every_third.tolist()) == list(range(0, 103, 3))
    own = fold_numbers(points)
    assert [set(own[rows[part]].tolist()) for part in slices] == [{0}, {1}, {2}, {3}, {4}]
    assert sum(part.stop - part.start for part in slices) == 103
