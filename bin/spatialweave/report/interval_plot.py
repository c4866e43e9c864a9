"""Plots of estimates with their intervals as numbers for inline SVG: one row per estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from spatialweave.report.axis import Axis

WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 720, 230, 24, 24, 8, 40


@dataclass
class Estimate:
    """Row in units of the axis: a value, its interval, and the band expected by chance (None: no band)."""

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
    """Plot in pixels, for templates/macros.html.

    Attributes
    ----------
    line
        Position of a dashed line; None: no line.
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
        Description of the plot for screen readers.
    title
        Title below the axis.
    unit
        Unit after the numbers in the rows' texts.
    """
    if not estimates:
        return None
    everything = [value for one in estimates for value in (one.low, one.high, *(one.band or ()))]
    everything += [0.0] + ([] if line is None else [line])
    axis = Axis(min(everything), max(everything), LEFT, RIGHT, WIDTH)
    rows = [
        PlotRow(
            one.name,
            TOP + ROW * (index + 0.5),
            axis.at(one.value),
            axis.at(one.low),
            axis.at(one.high),
            (axis.at(one.band[0]), axis.at(one.band[1])) if one.band else None,
            one.faint,
            f"{one.value:.3g}{unit} ({one.low:.3g} to {one.high:.3g})".replace("-", "−"),
        )
        for index, one in enumerate(estimates)
    ]
    return IntervalPlot(label, title, axis.marks, rows, None if line is None else axis.at(line))
