"""Highly variable features on raw counts: the "seurat_v3" choice."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from spatialweave.io.count_matrix import Counts, FeatureSums, feature_sums, spot_blocks


def seurat_v3(
    counts: Counts, candidates: np.ndarray, n_top: int, sums: FeatureSums | None = None, span: float = 0.3
) -> tuple[np.ndarray, str | None]:
    """Choose the features whose variance exceeds most what their mean predicts.

    The expected log10 variance is a loess fit (degree 2) on the log10 mean; counts are clipped at
    mean + sqrt(n) * expected standard deviation, and features ranked by the variance of the standardised clipped counts
    (Stuart et al., Cell 177:1888, 2019). The choice is that of scanpy's ``seurat_v3``, which copies the matrix and
    compiles code on its first call; this one walks over blocks of spots.

    Where loess cannot be fitted (few features, or many with the same mean), a quadratic is fitted by least squares
    instead.

    Parameters
    ----------
    counts
        Raw counts, spots x features.
    candidates
        Boolean mask of the features to choose from.
    n_top
        How many to choose; all candidates when there are no more than that.
    sums
        Of the counts, where they are known.

    Returns
    -------
    Boolean mask over all features, and a line saying why the fit fell back (None when it did not).
    """
    if candidates.sum() <= n_top:
        return candidates.copy(), None
    mean, variance = _mean_and_variance(feature_sums(counts) if sums is None else sums, counts.shape[0])
    fitted = candidates & (variance > 0)
    expected = np.ones(counts.shape[1])
    trend, note = _trend(np.log10(mean[fitted]), np.log10(variance[fitted]), span)
    expected[fitted] = np.sqrt(10**trend)
    score = _standardised_variance(counts, mean, expected)
    score[~candidates] = -np.inf
    # Stable, so that equal scores are settled by the order of the features and not by chance.
    chosen = np.zeros(counts.shape[1], dtype=bool)
    chosen[np.argsort(-score, kind="stable")[:n_top]] = True
    return chosen, note


def _mean_and_variance(sums: FeatureSums, n_spots: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (n - 1) of each feature; sums of whole numbers are exact in float64."""
    mean = sums.sums / n_spots
    variance = np.maximum(sums.squares / n_spots - mean**2, 0) * n_spots / max(n_spots - 1, 1)
    variance[variance <= 1e-12 * mean**2] = 0
    return mean, variance


def _trend(x: np.ndarray, y: np.ndarray, span: float) -> tuple[np.ndarray, str | None]:
    """Smooth `y` over `x`: loess, or a quadratic where loess fails."""
    from skmisc.loess import loess

    # With neighbourhoods of fewer points than a quadratic has coefficients, loess's compiled code can crash Python.
    if int(span * len(x)) >= 3:
        # Not fitted is a ValueError, from too few distinct points.
        with suppress(ValueError):
            model = loess(x, y, span=span, degree=2)
            model.fit()
            trend = np.asarray(model.outputs.fitted_values)
            if np.isfinite(trend).all():
                return trend, None
    degree = min(2, len(np.unique(x)) - 1)
    trend = np.polyval(np.polyfit(x, y, degree), x) if degree >= 0 else y
    return trend, "variable features: loess could not be fitted, a quadratic trend was used instead"


def _standardised_variance(counts: Counts, mean: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Variance of the counts clipped at mean + sqrt(n) * expected, in units of the expected standard deviation."""
    n_spots, n_features = counts.shape
    ceiling = mean + np.sqrt(n_spots) * expected
    sums, squares = np.zeros(n_features), np.zeros(n_features)
    for block in spot_blocks(counts):
        clipped = np.minimum(block.data, ceiling[block.indices])
        sums += np.bincount(block.indices, clipped, minlength=n_features)
        squares += np.bincount(block.indices, clipped**2, minlength=n_features)
    return (n_spots * mean**2 + squares - 2 * sums * mean) / (max(n_spots - 1, 1) * expected**2)
