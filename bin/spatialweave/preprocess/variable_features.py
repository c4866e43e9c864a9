"""Selection of highly variable features on raw counts by the "seurat_v3" method."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from spatialweave.io.count_matrix import Counts, FeatureSums, feature_sums, spot_blocks


def seurat_v3(
    counts: Counts, candidates: np.ndarray, n_top: int, sums: FeatureSums | None = None, span: float = 0.3
) -> tuple[np.ndarray, str | None]:
    """Choose the features whose variance most exceeds the variance predicted from their mean.

    The expected log10 variance is a loess fit (degree 2) on the log10 mean; counts are clipped at
    mean + sqrt(n) * expected standard deviation, and features are ranked by the variance of the standardised clipped
    counts (Stuart et al., Cell 177:1888, 2019). The result equals that of scanpy's ``seurat_v3``, which copies the
    matrix and compiles code on its first call; this function reads blocks of spots.

    If loess cannot be fitted (few features, or many with the same mean), a quadratic is fitted by least squares.

    Parameters
    ----------
    counts
        Raw counts, spots x features.
    candidates
        Boolean mask of the features to choose from.
    n_top
        Number of features to choose; all candidates if there are no more.
    sums
        Sums of the counts, if known.

    Returns
    -------
    Boolean mask over all features, and a note if a quadratic was fitted (else None).
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
    # A stable sort breaks ties by the order of the features.
    chosen = np.zeros(counts.shape[1], dtype=bool)
    chosen[np.argsort(-score, kind="stable")[:n_top]] = True
    return chosen, note


def _mean_and_variance(sums: FeatureSums, n_spots: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and variance (n - 1) of each feature; sums of whole numbers are exact in float64."""
    mean = sums.sums / n_spots
    variance = np.maximum(sums.squares / n_spots - mean**2, 0) * n_spots / max(n_spots - 1, 1)
    variance[variance <= 1e-12 * mean**2] = 0
    return mean, variance


def _trend(x: np.ndarray, y: np.ndarray, span: float) -> tuple[np.ndarray, str | None]:
    """Smooth `y` over `x` by loess, or by a quadratic if loess fails."""
    from skmisc.loess import loess

    # With neighbourhoods of fewer points than a quadratic has coefficients, loess's compiled code can crash Python.
    if int(span * len(x)) >= 3:
        # With too few distinct points, loess raises a ValueError.
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
    """Return the variance of counts clipped at mean + sqrt(n) * expected, divided by the expected variance."""
    n_spots, n_features = counts.shape
    ceiling = mean + np.sqrt(n_spots) * expected
    sums, squares = np.zeros(n_features), np.zeros(n_features)
    for block in spot_blocks(counts):
        clipped = np.minimum(block.data, ceiling[block.indices])
        sums += np.bincount(block.indices, clipped, minlength=n_features)
        squares += np.bincount(block.indices, clipped**2, minlength=n_features)
    return (n_spots * mean**2 + squares - 2 * sums * mean) / (max(n_spots - 1, 1) * expected**2)
