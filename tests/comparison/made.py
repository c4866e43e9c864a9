"""Tables of metrics, made by hand."""

from __future__ import annotations

import pandas as pd


def make_metrics(rows: list[tuple[str, int, str, float]]) -> pd.DataFrame:
    """Method, seed, metric and value of one dataset as the table METRICS."""
    table = pd.DataFrame(rows, columns=["method", "seed", "metric", "value"])
    return table.assign(dataset="d", clustering="mclust", n_domains="3")
