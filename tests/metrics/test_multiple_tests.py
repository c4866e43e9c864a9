"""Adjustment for several tests, by hand."""

from __future__ import annotations

import numpy as np

from spatialweave.metrics.multiple_tests import adjusted


def test_benjamini_and_hochberg_by_hand() -> None:
    """0.01 * 3 / 1, 0.03 * 3 / 2 and 0.04 * 3 / 3, made to rise from the largest down."""
    p = np.array([0.01, 0.04, np.nan, 0.03])
    np.testing.assert_allclose(adjusted(p), [0.03, 0.04, np.nan, 0.04])
    # Rows do not count for each other.
    np.testing.assert_allclose(adjusted(np.stack([p, [0.5, np.nan, np.nan, np.nan]]))[1], [0.5, np.nan, np.nan, np.nan])
    assert np.isnan(adjusted(np.array([np.nan]))).all()
