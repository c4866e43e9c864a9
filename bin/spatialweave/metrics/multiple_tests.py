"""p values of several tests."""

from __future__ import annotations

import numpy as np


def adjusted(p: np.ndarray) -> np.ndarray:
    """Adjust p values by Benjamini and Hochberg (1995), row by row for tables; NaN stays and does not count."""
    from scipy.stats import false_discovery_control

    result = np.full(p.shape, np.nan)
    for row, values in zip(np.atleast_2d(result), np.atleast_2d(p), strict=True):
        known = np.isfinite(values)
        if known.any():
            row[known] = false_discovery_control(values[known])
    return result
