"""Box plots as numbers for inline SVG: one row per domain, a box from quartile to quartile, whiskers to 5% and 95%."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialweave.report.strips import ticks

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 460, 130, 16, 20, 24, 40


@dataclass
class Box:
    """The distribution of one domain in units of the axis."""

    name: str
    low: float
    q25: float
    median: float
    q75: float
    high: float
    mean: float
    spots: int


@dataclass
class BoxRow:
    """One row in pixels."""

    name: str
    y: float
    low: float
    q25: float
    median: float
    q75: float
    high: float
    mean: float
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
    scale = ticks(min(0.0, *(one.low for one in boxes)), max(0.0, *(max(one.high, one.mean) for one in boxes)))
    low, high = scale[0], scale[-1]

    def position(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low), 1)

    rows = [
        BoxRow(
            one.name,
            TOP + ROW * (index + 0.5),
            position(one.low),
            position(one.q25),
            position(one.median),
            position(one.q75),
            position(one.high),
            position(one.mean),
            f"median {one.median:.3g}, half of the spots from {one.q25:.3g} to {one.q75:.3g}, mean {one.mean:.3g}; "
            f"{one.spots} spots".replace("-", "−"),
        )
        for index, one in enumerate(boxes)
    ]
    marks = [(position(tick), f"{tick:.6g}".replace("-", "−")) for tick in scale]
    return BoxPlot(title, axis, WIDTH, TOP + ROW * len(rows) + BOTTOM, LEFT, marks, rows)
