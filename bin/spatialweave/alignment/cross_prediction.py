"""Cross-validated ridge regression of one section's components on another's, at corresponding points.

A square section fits onto a square one in four orientations, all equally good by shape; the tissue decides between
them. At the right transform the features at a point of one section predict the features at that point of the other.
The regression is fitted on some blocks of the tissue and evaluated on the others. It therefore works between modalities
(RNA predicts protein), needs no labels, and does not depend on batch effects that are the same all over a section.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

N_FOLDS = 5
BLOCKS_PER_SIDE = 5
"""The section's bounding box is divided into 5 x 5 blocks, and these into 5 folds without adjacent blocks."""

RIDGE = 10.0
"""Weight of the ridge penalty, in spots. It is large because neighbouring spots are not independent."""


def fold_numbers(points: np.ndarray) -> np.ndarray:
    """The fold (0 to :data:`N_FOLDS` - 1) of every point, by its block of the bounding box."""
    low, extent = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-300)
    block = np.minimum((points - low) / extent * BLOCKS_PER_SIDE, BLOCKS_PER_SIDE - 1).astype(np.int64)
    return np.asarray((block[:, 0] + 2 * block[:, 1]) % N_FOLDS)


def rows_by_fold(points: np.ndarray, most: int) -> tuple[np.ndarray, list[slice]]:
    """At most `most` evenly spaced rows of `points`, ordered by fold, and each fold's slice of them."""
    rows = np.arange(0, len(points), max(1, -(-len(points) // most)))
    folds = fold_numbers(points[rows])
    order = np.argsort(folds, kind="stable")
    ends = np.cumsum(np.bincount(folds, minlength=N_FOLDS))
    starts = np.concatenate([[0], ends[:-1]])
    return rows[order], [slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]


def explained_squares(
    predictors: np.ndarray, targets: np.ndarray, weights: np.ndarray, folds: Sequence[slice]
) -> float:
    """Sum of squares of `targets` that `predictors` explain in held-out folds, by weighted ridge regression.

    sum over folds of (w y^2 - w (y - b x)^2), b and the intercept from the other folds. Negative when the regression
    is worse than the mean 0.

    Parameters
    ----------
    predictors, targets
        Points x components; the targets' mean is about 0.
    weights
        One per point, 0 to 1.
    folds
        Rows of each fold.
    """
    x = np.column_stack([np.ones(len(predictors)), predictors])
    weighted = x * weights[:, None]
    grams = np.array([weighted[rows].T @ x[rows] for rows in folds])
    crosses = np.array([weighted[rows].T @ targets[rows] for rows in folds])
    # The penalty is relative to the predictors' variance, so that its unit is spots; the intercept has none.
    gram, spots = grams.sum(axis=0), max(float(weights.sum()), 1e-12)
    variance = float(np.trace(gram[1:, 1:])) / (spots * max(x.shape[1] - 1, 1))
    penalty = np.diag(np.append(1e-9, np.full(x.shape[1] - 1, RIDGE * variance + 1e-9)))
    slopes = np.linalg.solve(gram - grams + penalty, crosses.sum(axis=0) - crosses)
    return float(2.0 * (slopes * crosses).sum() - np.einsum("fik,fij,fjk->", slopes, grams, slopes))
