"""The picture of the coordinates: which bar is drawn, and which pair of spots."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.qc.coordinates_plot import bar_spacings, middle_pair


@pytest.mark.parametrize(("extent", "step", "number"), [(100, 1, 20), (99, 2.5, 5), (3, 1, 1), (1e6, 0.5, 500_000)])
def test_the_bar_takes_a_quarter_at_most(extent: float, step: float, number: int) -> None:
    assert bar_spacings(extent, step) == number


def test_the_middle_spot_and_its_nearest() -> None:
    points = np.array([[0.0, 0], [10, 0], [20, 0], [10, 4], [50, 0]])
    spot, nearest = middle_pair(points)
    assert spot.tolist() == [10, 0] and nearest.tolist() == [10, 4]
