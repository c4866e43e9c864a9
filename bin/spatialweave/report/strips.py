"""Strip plots as numbers for inline SVG: one row per method, one dot per seed, a bar at the mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spatialweave.metrics.metric_list import MetricInfo
from spatialweave.report.axis import Axis
from spatialweave.report.text import number

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 840, 280, 24, 30, 8, 40


@dataclass
class StripRow:
    """Row of one method: its name, height, dots, mean (NaN without dots) and its interval, if any."""

    name: str
    y: float
    dots: list[float]
    mean: float
    interval: tuple[float, float] | None
    text: str


@dataclass
class StripPlot:
    """Strip plot in pixels, for templates/macros.html."""

    title: str
    arrow: str
    width: int
    height: int
    ticks: list[tuple[float, str]]
    rows: list[StripRow]


@dataclass
class Seeds:
    """Values of one method's seeds, and the interval of their mean if there is one."""

    values: list[float]
    interval: tuple[float, float] | None = None


def strip(metric: MetricInfo, methods: dict[str, Seeds]) -> StripPlot | None:
    """Lay out the values per method; None if there are none."""
    finite = {name: [v for v in seeds.values if math.isfinite(v)] for name, seeds in methods.items()}
    intervals = {
        name: seeds.interval if seeds.interval and all(map(math.isfinite, seeds.interval)) else None
        for name, seeds in methods.items()
    }
    everything = [v for seeds in finite.values() for v in seeds]
    if not everything:
        return None
    everything += [end for interval in intervals.values() for end in interval or ()]
    axis = Axis(min(everything), max(everything), LEFT, RIGHT, WIDTH)
    rows = [
        StripRow(
            name,
            TOP + ROW * (index + 0.5),
            [axis.at(v) for v in seeds],
            axis.at(float(np.mean(seeds))) if seeds else float("nan"),
            _ends(intervals[name], axis),
            f"mean {number(float(np.mean(seeds)))} of {len(seeds)} seed{'s' * (len(seeds) > 1)}"
            if seeds
            else "no result",
        )
        for index, (name, seeds) in enumerate(finite.items())
    ]
    arrow = {True: "higher is better", False: "lower is better", None: ""}[metric.higher]
    return StripPlot(metric.title, arrow, WIDTH, TOP + ROW * len(rows) + BOTTOM, axis.marks, rows)


def _ends(interval: tuple[float, float] | None, axis: Axis) -> tuple[float, float] | None:
    return None if interval is None else (axis.at(interval[0]), axis.at(interval[1]))
