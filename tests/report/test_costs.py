"""Agreement against time: every method is in the chart, and no name is over another."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

from spatialweave.report.boards import LEAD
from spatialweave.report.costs import BOTTOM, HEIGHT, LABEL, cost_plot


@pytest.mark.parametrize(("n_methods", "spread"), [(3, 0.5), (12, 0.001), (30, 0.5), (30, 0.0)])
def test_names_are_apart_and_inside(n_methods: int, spread: float) -> None:
    rows = [
        {"method": f"m{i:02d}", "dataset": "d", "metric": LEAD, "seconds": 2.0**i, "mean": 0.2 + spread * i / n_methods}
        for i in range(n_methods)
    ]
    board = pd.DataFrame(rows).assign(low=0.1, high=0.9)
    plot = cost_plot(board, {})
    assert plot is not None and len(plot.points) == n_methods
    # The best first.
    assert [point.name for point in plot.points] == sorted((row["method"] for row in rows), reverse=bool(spread))
    heights = [point.label for point in plot.points]
    assert all(b - a >= LABEL - 0.01 for a, b in itertools.pairwise(heights))
    assert heights[0] > 0 and heights[-1] <= plot.height - BOTTOM + 4
    assert plot.height >= HEIGHT and all(0 < point.y < plot.height - BOTTOM + 1 for point in plot.points)
