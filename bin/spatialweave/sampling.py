"""Random subsets that are the same in every run with the same seed."""

from __future__ import annotations

import numpy as np


def random_subset(n_spots: int, most: int, seed: int) -> np.ndarray:
    """Draw ascending indices of at most `most` spots without replacement; return all if there are no more."""
    if n_spots <= most:
        return np.arange(n_spots)
    return np.sort(np.random.default_rng(seed).choice(n_spots, most, replace=False))
