"""Cross-validated regression of one section's components on another's, at corresponding points.

A square section fits onto another square in four orientations that have equally good shape; the tissue decides between
them. At the right transform the features at a point of one section predict the features at that point of the other.
The regression is fitted on some blocks of the tissue and evaluated on the others.

Between modalities (RNA predicts protein) it is a ridge regression of each component on all components of the other
section. A modality that both sections have has the same components in both, and each component predicts itself only. A
regression on all components would accept a shift across layers, or a turn by 180 degrees, by using one layer's features
for another's. A slope and an intercept remain, so that batch effects that are constant over a section have no effect.
"""

from __future__ import annotations

import numpy as np

from spatialweave.blocks.ratios import BLOCKS_PER_SIDE, N_BLOCKS

N_FOLDS = 5

RIDGE = 10.0
"""Weight of the ridge penalty, in spots. It is large because neighbouring spots are not independent."""

FOLD_OF_BLOCK = (np.arange(N_BLOCKS) % BLOCKS_PER_SIDE + 2 * (np.arange(N_BLOCKS) // BLOCKS_PER_SIDE)) % N_FOLDS
"""Fold of every block; no two blocks of a fold are adjacent."""

OTHER_FOLDS = (np.arange(N_FOLDS)[:, None] != FOLD_OF_BLOCK).astype(np.float64)
"""Folds x blocks: 1 for the blocks of the other folds, on which a fold's regression is fitted."""


def explained_by_all(
    predictors: np.ndarray, targets: np.ndarray, weights: np.ndarray, ends: np.ndarray, ridge: float = RIDGE
) -> np.ndarray:
    """Return the sum of squares of `targets` per block that `predictors` explain, fitted on the other folds.

    The fit is a weighted ridge regression. Per block the sum of (w y^2 - w (y - b x)^2) is returned, with b and the
    intercept from the blocks of the other folds. It is negative where the regression is worse than the mean 0.

    Parameters
    ----------
    predictors, targets
        Points x components, ordered by block; the targets' mean is about 0.
    weights
        One per point, 0 to 1.
    ends
        Number of points up to the end of each block.
    ridge
        Weight of the penalty, in spots.
    """
    x = np.column_stack([np.ones(len(predictors)), predictors])
    weighted = x * weights[:, None]
    blocks = [slice(start, end) for start, end in zip(np.append(0, ends[:-1]), ends, strict=True)]
    grams = np.array([weighted[rows].T @ x[rows] for rows in blocks])
    crosses = np.array([weighted[rows].T @ targets[rows] for rows in blocks])
    # The penalty is relative to the predictors' variance, so that its unit is spots. The intercept is not penalised.
    gram, spots = grams.sum(axis=0), max(float(weights.sum()), 1e-12)
    variance = float(np.trace(gram[1:, 1:])) / (spots * max(x.shape[1] - 1, 1))
    penalty = np.diag(np.append(1e-9, np.full(x.shape[1] - 1, ridge * variance + 1e-9)))
    gram, cross = (np.tensordot(OTHER_FOLDS, sums, axes=1) for sums in (grams, crosses))
    slopes = np.linalg.solve(gram + penalty, cross)[FOLD_OF_BLOCK]
    return np.asarray(2.0 * (slopes * crosses).sum(axis=(1, 2)) - np.einsum("fik,fij,fjk->f", slopes, grams, slopes))


def explained_by_same(predictors: np.ndarray, targets: np.ndarray, weights: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """As :func:`explained_by_all`, but each target is predicted only by the same column, with a slope of 0 or more."""
    w = weights[:, None]
    wx, wy = w * predictors, w * targets
    columns = np.column_stack([wx, wy, wx * predictors, wx * targets, w])
    upto = np.vstack([np.zeros(columns.shape[1]), np.cumsum(columns, axis=0)])[ends]
    sums = np.diff(upto, axis=0, prepend=0.0)
    means = OTHER_FOLDS @ sums
    n = np.maximum(means[:, -1:], 1e-9)
    x, y, xx, xy = (means[:, :-1] / n).reshape(N_FOLDS, 4, -1).swapaxes(0, 1)
    slope = np.maximum(xy - x * y, 0.0) / (np.maximum(xx - x**2, 0.0) * (1.0 + RIDGE / n) + 1e-12)
    slope, intercept = slope[FOLD_OF_BLOCK], (y - slope * x)[FOLD_OF_BLOCK]
    x, y, xx, xy = sums[:, :-1].reshape(N_BLOCKS, 4, -1).swapaxes(0, 1)
    squares = 2.0 * (intercept * y + slope * xy)
    squares -= intercept**2 * sums[:, -1:] + 2.0 * intercept * slope * x + slope**2 * xx
    return np.asarray(squares.sum(axis=1))
