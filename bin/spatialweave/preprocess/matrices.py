"""Operations on sparse spots x features matrices and their sums. None of them makes a matrix dense."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from spatialweave.io.count_matrix import BLOCK_ENTRIES, Counts, spot_blocks


def scale_rows(matrix: sparse.csr_matrix, factors: np.ndarray) -> None:
    """Multiply every row in place by its factor, some rows at a time, since a factor per entry takes much memory."""
    n_rows = matrix.shape[0]
    step = max(1, BLOCK_ENTRIES * n_rows // max(matrix.nnz, 1))
    for start in range(0, n_rows, step):
        bounds = matrix.indptr[start : start + step + 1]
        matrix.data[bounds[0] : bounds[-1]] *= np.repeat(factors[start : start + step], np.diff(bounds))


def scale_columns(matrix: sparse.csr_matrix, factors: np.ndarray) -> None:
    """Multiply every column in place by its factor, some entries at a time."""
    for start in range(0, matrix.nnz, BLOCK_ENTRIES):
        some = slice(start, start + BLOCK_ENTRIES)
        matrix.data[some] *= factors[matrix.indices[some]]


def normalise_total(matrix: sparse.csr_matrix, totals: np.ndarray, target: float) -> None:
    """Scale spots in place by target / total; spots with a total of 0 are not changed."""
    scale_rows(matrix, target / np.where(totals > 0, totals, target))


def column_sums(matrix: Counts) -> np.ndarray:
    """Return the sum of each feature over the spots (float64)."""
    return np.asarray(sum(block.sum(axis=0, dtype=np.float64) for block in spot_blocks(matrix))).ravel()


def standard_deviations(matrix: Counts) -> np.ndarray:
    """Return the standard deviation (n - 1, float64) of each feature over the spots; 0 for constant features.

    Scaled :class:`~spatialweave.preprocess.values.Values` already hold theirs, which saves a pass.
    """
    from sklearn.utils.sparsefuncs import incr_mean_variance_axis

    known: np.ndarray | None = getattr(matrix, "deviations", None)
    if known is not None:
        return known
    n_spots, n_features = matrix.shape
    mean, variance, n_seen = np.zeros(n_features), np.zeros(n_features), np.zeros(n_features)
    for block in spot_blocks(matrix):
        mean, variance, n_seen = incr_mean_variance_axis(
            block, axis=0, last_mean=mean, last_var=variance, last_n=n_seen
        )
    variance *= n_spots / max(n_spots - 1, 1)
    # The variance of a constant feature is rounding noise, which scaling must not raise to 1.
    variance[variance <= 1e-12 * mean**2] = 0
    return np.sqrt(variance)
