"""Box plots as numbers for inline SVG: one row per domain, a box from quartile to quartile, whiskers to 5% and 95%."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spatialweave.report.axis import Axis

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 460, 130, 16, 20, 24, 40


class Spread(NamedTuple):
    """Distribution: 5%, quartiles, 95% and mean, in units of the axis or in pixels."""

    low: float
    q25: float
    median: float
    q75: float
    high: float
    mean: float


@dataclass
class Box:
    """Distribution of one domain."""

    name: str
    spread: Spread
    spots: int


@dataclass
class BoxRow:
    """One row in pixels."""

    name: str
    y: float
    spread: Spread
    text: str


@dataclass
class BoxPlot:
    """Box plot in pixels, for templates/macros.html."""

    title: str
    axis: str
    width: int
    height: int
    left: int
    ticks: list[tuple[float, str]]
    rows: list[BoxRow]


def box_plot(title: str, axis: str, boxes: Sequence[Box]) -> BoxPlot:
    """Lay out boxes; the axis includes 0."""
    spreads = [one.spread for one in boxes]
    low, high = min(one.low for one in spreads), max(max(one.high, one.mean) for one in spreads)
    scale = Axis(min(0.0, low), max(0.0, high), LEFT, RIGHT, WIDTH)
    rows = [
        BoxRow(
            one.name,
            TOP + ROW * (index + 0.5),
            Spread(*map(scale.at, one.spread)),
            _in_words(one.spread, one.spots),
        )
        for index, one in enumerate(boxes)
    ]
    return BoxPlot(title, axis, WIDTH, TOP + ROW * len(rows) + BOTTOM, LEFT, scale.marks, rows)


def _in_words(spread: Spread, spots: int) -> str:
    half = f"half of the spots from {spread.q25:.3g} to {spread.q75:.3g}"
    return f"median {spread.median:.3g}, {half}, mean {spread.mean:.3g}; {spots} spots".replace("-", "−")
