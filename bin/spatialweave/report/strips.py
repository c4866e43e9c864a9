"""Strip plots as numbers for inline SVG: one row per method, one dot per seed, a bar at the mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spatialweave.report.metric_list import MetricInfo
from spatialweave.report.text import number

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 720, 190, 24, 30, 8, 40


@dataclass
class StripRow:
    """One method: its name, the height of its row, the dots, and the mean (NaN without dots)."""

    name: str
    y: float
    dots: list[float]
    mean: float
    text: str


@dataclass
class StripPlot:
    """A strip plot in pixels, for templates/macros.html."""

    title: str
    arrow: str
    width: int
    height: int
    ticks: list[tuple[float, str]]
    rows: list[StripRow]


def strip(metric: MetricInfo, values: dict[str, list[float]]) -> StripPlot | None:
    """Lay out the values per method; None when there are none."""
    finite = {name: [v for v in seeds if math.isfinite(v)] for name, seeds in values.items()}
    everything = [v for seeds in finite.values() for v in seeds]
    if not everything:
        return None
    scale = ticks(min(everything), max(everything))
    low, high = scale[0], scale[-1]

    def position(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low), 1)

    rows = [
        StripRow(
            name,
            TOP + ROW * (index + 0.5),
            [position(v) for v in seeds],
            position(float(np.mean(seeds))) if seeds else float("nan"),
            f"mean {number(float(np.mean(seeds)))} of {len(seeds)} seed{'s' * (len(seeds) > 1)}"
            if seeds
            else "no result",
        )
        for index, (name, seeds) in enumerate(finite.items())
    ]
    arrow = {True: "higher is better", False: "lower is better", None: ""}[metric.higher]
    marks = [(position(tick), f"{tick:.6g}".replace("-", "−")) for tick in scale]
    return StripPlot(metric.title, arrow, WIDTH, TOP + ROW * len(rows) + BOTTOM, marks, rows)


def ticks(low: float, high: float) -> list[float]:
    """Round values that enclose low..high, at most about six."""
    span = high - low or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    return [round(step * index, 10) for index in range(first, last + 1)]
