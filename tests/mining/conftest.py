"""Fixtures of the nn tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture
def graph(rng: np.random.Generator) -> sparse.csr_matrix:
    """Random directed graph over 40 spots; spot 7 has no neighbours."""
    dense = (rng.random((40, 40)) < 0.1) & ~np.eye(40, dtype=bool)
    dense[7] = False
    return sparse.csr_matrix(dense.astype(float))
