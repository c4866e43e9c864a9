"""Plots of estimates with their intervals as numbers for inline SVG: one row per estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from spatialweave.report.strips import ticks

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 720, 230, 24, 24, 8, 40


@dataclass
class Estimate:
    """One row in units of the axis: a value, its interval, and the band that chance gives (None: no band)."""

    name: str
    value: float
    low: float
    high: float
    band: tuple[float, float] | None = None
    faint: bool = False


@dataclass
class PlotRow:
    """One row in pixels."""

    name: str
    y: float
    value: float
    low: float
    high: float
    band: tuple[float, float] | None
    faint: bool
    text: str


@dataclass
class IntervalPlot:
    """A plot in pixels, for templates/macros.html.

    Attributes
    ----------
    line
        Where a dashed line is; None: nowhere.
    """

    label: str
    title: str
    ticks: list[tuple[float, str]]
    rows: list[PlotRow]
    line: float | None = None
    width: int = WIDTH
    left: int = LEFT
    height: int = field(init=False)

    def __post_init__(self) -> None:
        self.height = TOP + ROW * len(self.rows) + BOTTOM


def interval_plot(
    label: str, title: str, estimates: Sequence[Estimate], unit: str, line: float | None = None
) -> IntervalPlot | None:
    """Lay out estimates; None without any.

    Parameters
    ----------
    label
        What the plot shows, for those who cannot see it.
    title
        Below the axis.
    unit
        Follows the numbers in the rows' texts.
    """
    if not estimates:
        return None
    everything = [value for one in estimates for value in (one.low, one.high, *(one.band or ()))]
    everything += [0.0] + ([] if line is None else [line])
    scale = ticks(min(everything), max(everything))
    low, high = scale[0], scale[-1]

    def position(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low), 1)

    rows = [
        PlotRow(
            one.name,
            TOP + ROW * (index + 0.5),
            position(one.value),
            position(one.low),
            position(one.high),
            (position(one.band[0]), position(one.band[1])) if one.band else None,
            one.faint,
            f"{one.value:.3g}{unit} ({one.low:.3g} to {one.high:.3g})".replace("-", "−"),
        )
        for index, one in enumerate(estimates)
    ]
    marks = [(position(tick), f"{tick:.6g}".replace("-", "−")) for tick in scale]
    return IntervalPlot(label, title, marks, rows, None if line is None else position(line))
