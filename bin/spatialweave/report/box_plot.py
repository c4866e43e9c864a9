"""Box plots as numbers for inline SVG: one row per domain, a box from quartile to quartile, whiskers to 5% and 95%."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spatialweave.report.strips import ticks

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 460, 130, 16, 20, 24, 40


class Spread(NamedTuple):
    """A distribution: 5%, quartiles, 95% and mean, in units of the axis or in pixels."""

    low: float
    q25: float
    median: float
    q75: float
    high: float
    mean: float


@dataclass
class Box:
    """The distribution of one domain."""

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
    """A box plot in pixels, for templates/macros.html."""

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
    scale = ticks(min(0.0, *(one.low for one in spreads)), max(0.0, *(max(one.high, one.mean) for one in spreads)))
    low, high = scale[0], scale[-1]

    def position(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low), 1)

    rows = [
        BoxRow(
            one.name,
            TOP + ROW * (index + 0.5),
            Spread(*map(position, one.spread)),
            _in_words(one.spread, one.spots),
        )
        for index, one in enumerate(boxes)
    ]
    marks = [(position(tick), f"{tick:.6g}".replace("-", "−")) for tick in scale]
    return BoxPlot(title, axis, WIDTH, TOP + ROW * len(rows) + BOTTOM, LEFT, marks, rows)


def _in_words(spread: Spread, spots: int) -> str:
    half = f"half of the spots from {spread.q25:.3g} to {spread.q75:.3g}"
    return f"median {spread.median:.3g}, {half}, mean {spread.mean:.3g}; {spots} spots".replace("-", "−")
