"""Held-out regression against scikit-learn, and folds by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from spatialweave.blocks.cross_prediction import (
    FOLD_OF_BLOCK,
    N_FOLDS,
    RIDGE,
    explained_by_all,
    explained_by_same,
)
from spatialweave.blocks.ratios import BLOCKS_PER_SIDE, N_BLOCKS

BLOCK = np.repeat(np.arange(N_BLOCKS), 8)
ENDS = np.cumsum(np.bincount(BLOCK))


def table(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(BLOCK), n))


def expected(x: np.ndarray, y: np.ndarray, weights: np.ndarray, variance: float) -> np.ndarray:
    """Explained squares per block, with scikit-learn fitted again without each fold."""
    fold, total = FOLD_OF_BLOCK[BLOCK], np.zeros(len(BLOCK))
    for one in range(N_FOLDS):
        kept, test = fold != one, fold == one
        model = Ridge(alpha=RIDGE * variance).fit(x[kept], y[kept], sample_weight=weights[kept])
        squares = y[test] ** 2 - (y[test] - model.predict(x[test]).reshape(y[test].shape)) ** 2
        total[test] = weights[test] * squares.sum(axis=1)
    return np.bincount(BLOCK, total)


def test_explained_equals_refitted_ridge_regression():
    weights = np.random.default_rng(5).random(len(BLOCK))
    x = table(3, 0)
    y = x @ table(2, 1)[:3] + table(2, 2) + 0.5
    variance = np.mean((weights[:, None] * x**2).sum(axis=0)) / weights.sum()
    np.testing.assert_allclose(explained_by_all(x, y, weights, ENDS), expected(x, y, weights, variance), rtol=1e-6)


def test_each_component_predicts_itself_only():
    """Ridge regression on one predictor, whose penalty is in spots of the predictor's own variance."""
    weights = np.random.default_rng(5).random(len(BLOCK))
    x = table(2, 0)
    y = x * (2.0, 0.5) + 0.3 * table(2, 1) + 1.0
    found = explained_by_same(x, y, weights, ENDS)
    total, fold = np.zeros(N_BLOCKS), FOLD_OF_BLOCK[BLOCK]
    for one in range(N_FOLDS):
        kept = fold != one
        inside = np.flatnonzero(np.bincount(BLOCK[~kept], minlength=N_BLOCKS))
        for column in range(2):
            mean = np.average(x[kept, column], weights=weights[kept])
            variance = np.average((x[kept, column] - mean) ** 2, weights=weights[kept])
            alone = expected_of_fold(x[:, [column]], y[:, [column]], weights, kept, variance)
            total[inside] += alone[inside]
    np.testing.assert_allclose(found, total, rtol=1e-6)


def expected_of_fold(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, kept: np.ndarray, variance: float
) -> np.ndarray:
    model = Ridge(alpha=RIDGE * variance).fit(x[kept], y[kept], sample_weight=weights[kept])
    squares = weights * (y**2 - (y - model.predict(x).reshape(y.shape)) ** 2).sum(axis=1)
    return np.bincount(BLOCK, np.where(kept, 0.0, squares))


def test_a_mirrored_component_explains_nothing_of_itself():
    """A layer's features cannot pass for the opposite layer's; a regression on all allows it."""
    x, ones = table(2, 0), np.ones(len(BLOCK))
    assert explained_by_all(x, -x, ones, ENDS).sum() / (x**2).sum() > 0.9
    assert explained_by_all(x, x[:, ::-1], ones, ENDS).sum() / (x**2).sum() > 0.9
    assert explained_by_same(x, -x, ones, ENDS).sum() / (x**2).sum() <= 0.0
    assert explained_by_same(x, x[:, ::-1], ones, ENDS).sum() / (x**2).sum() < 0.05


@pytest.mark.parametrize("explained", [explained_by_all, explained_by_same])
def test_noise_explains_nothing_and_equality_everything(explained):
    x, y, ones = table(4, 0), table(4, 1), np.ones(len(BLOCK))
    assert -0.1 < explained(x, y, ones, ENDS).sum() / (y**2).sum() <= 0.0
    assert explained(x, x, ones, ENDS).sum() / (x**2).sum() > 0.99


def test_folds_are_blocks_of_which_none_borders_on_its_own():
    assert FOLD_OF_BLOCK[:10].tolist() == [0, 1, 2, 3, 4, 2, 3, 4, 0, 1]
    row, column = np.divmod(np.arange(N_BLOCKS), BLOCKS_PER_SIDE)
    apart = np.maximum(np.abs(row[:, None] - row), np.abs(column[:, None] - column))
    assert (apart[(FOLD_OF_BLOCK[:, None] == FOLD_OF_BLOCK) & (apart > 0)] > 1).all()
    assert np.bincount(FOLD_OF_BLOCK).tolist() == [5] * 5
