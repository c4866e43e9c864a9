"""Measurements in the units in which they are shown."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from spatialweave.results.values import log_normalise


def test_log_normalise_by_hand() -> None:
    # Totals 4, 2, 0: the median of the non-empty ones is 3.
    values = log_normalise(sparse.csr_matrix(np.array([[3, 1], [0, 2], [0, 0]])))
    assert values.toarray() == pytest.approx(np.log1p([[9 / 4, 3 / 4], [0, 3], [0, 0]]))
