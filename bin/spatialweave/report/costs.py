"""Accuracy against training time, as numbers for inline SVG: a point per method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.io.result_tables import WEAVE
from spatialweave.report.axis import ticks
from spatialweave.report.boards import LEAD
from spatialweave.report.text import duration, number

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 340, 56, 300, 16, 46
"""Sizes in pixels; HEIGHT is a minimum, which more names exceed."""
LABEL = 15
"""Height of a line of text: the least distance between labels."""


@dataclass
class CostPoint:
    """Method in pixels: its point, the ends of its interval (NaN = none), and the height of its name."""

    name: str
    x: float
    y: float
    low: float
    high: float
    label: float
    text: str


@dataclass
class CostPlot:
    """Chart for templates/run.html."""

    points: list[CostPoint]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    n_datasets: int
    width: int = WIDTH
    height: int = HEIGHT


def cost_plot(board: pd.DataFrame, titles: dict[str, str]) -> CostPlot | None:
    """Plot mean ARI over datasets against mean seconds of a training (log scale); with intervals for a single dataset.

    Methods that miss a dataset are left out, since a mean over other datasets is not comparable. The consensus is left
    out because its time is that of all its runs. None without a method that has both values.
    """
    rows = board[(board["metric"] == LEAD) & board["seconds"].notna() & (board["method"] != WEAVE)]
    n_datasets = board.loc[board["metric"] == LEAD, "dataset"].nunique()
    found = []
    for method, own in rows.groupby("method"):
        if len(own) == n_datasets:
            ends = (own["low"].iloc[0], own["high"].iloc[0]) if n_datasets == 1 else (math.nan, math.nan)
            found.append((str(method), max(own["seconds"].mean(), 0.001), own["mean"].mean(), *ends))
    if not found:
        return None
    heights = [value for one in found for value in one[2:] if math.isfinite(value)]
    marks = ticks(min(heights), max(heights))
    height = max(HEIGHT, TOP + LABEL * len(found) + BOTTOM)
    first, last = (math.log10(pick(one[1] for one in found)) for pick in (min, max))
    first, last = math.floor(first), max(math.ceil(last), math.floor(first) + 1)

    def across(seconds: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(seconds) - first) / (last - first), 1)

    def up(value: float) -> float:
        return round(TOP + (height - TOP - BOTTOM) * (marks[-1] - value) / (marks[-1] - marks[0]), 1)

    found.sort(key=lambda one: -one[2])
    labels = _apart([up(one[2]) + 4 for one in found], height - BOTTOM + 4)
    points = []
    for (method, seconds, mean, low, high), label in zip(found, labels, strict=True):
        title = titles.get(method, method)
        text = f"{title}: {number(mean)} in {duration(seconds)}"
        points.append(CostPoint(title, across(seconds), up(mean), up(low), up(high), label, text))
    return CostPlot(
        points,
        [
            (across(10.0**power), f"{10.0**power:g} s" if power < 2 else duration(10.0**power))
            for power in range(first, last + 1)
        ],
        [(up(mark), f"{mark:.6g}".replace("-", "−")) for mark in marks],
        n_datasets,
        height=height,
    )


def _apart(heights: list[float], lowest: float) -> list[float]:
    """Move heights (ascending) to be a line of text apart: down, then back up if the last is below `lowest`."""
    moved = np.array(heights)
    for at in range(1, len(moved)):
        moved[at] = max(moved[at], moved[at - 1] + LABEL)
    room = lowest - LABEL * np.arange(len(moved))[::-1]
    return [float(value) for value in np.minimum(moved, room)]
