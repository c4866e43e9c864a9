"""Data of the clustering tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def clouds() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Make n spots in k Gaussian clouds of one common, correlated covariance; returns values and true cloud."""

    def make(n: int, d: int, k: int, distance: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        cloud = rng.integers(0, k, n)
        mixing = rng.normal(size=(d, d)) / np.sqrt(d)
        return (rng.normal(size=(k, d)) * distance)[cloud] + rng.normal(size=(n, d)) @ mixing, cloud

    return make
