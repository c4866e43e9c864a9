"""Charts of a passport as numbers for inline SVG: a distribution, and rows of dots between two ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialweave.report.axis import Axis, ticks
from spatialweave.report.text import number

WIDTH, RIGHT, TOP, AXIS = 520, 18, 10, 40
BARS_LEFT, BARS_HEIGHT = 48, 130
DOTS_LEFT, ROW = 170, 24


@dataclass
class Bar:
    """One bin: its position, and its contents in words."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass
class Distribution:
    """Histogram in pixels, for templates/passport_macros.html."""

    label: str
    title: str
    width: int
    height: int
    left: int
    base: float
    bars: list[Bar]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


@dataclass
class DotRow:
    """Row: its name, height, dots, and values in words; `strong` marks a row that matters more."""

    name: str
    y: float
    dots: list[float]
    text: str
    strong: bool


@dataclass
class Dots:
    """Rows of dots in pixels; `line` is the position of a dashed line, None for no line."""

    label: str
    title: str
    width: int
    height: int
    left: int
    ticks: list[tuple[float, str]]
    rows: list[DotRow]
    line: float | None


def distribution(label: str, title: str, counts: Sequence[int]) -> Distribution:
    """Lay out counts in equal bins from 0 to 1 as percentages of all."""
    total = max(sum(counts), 1)
    shares = [100 * count / total for count in counts]
    scale = ticks(0.0, max(*shares, 1.0))
    span, base = WIDTH - BARS_LEFT - RIGHT, TOP + BARS_HEIGHT
    step = span / len(counts)

    def height(share: float) -> float:
        return round(BARS_HEIGHT * share / scale[-1], 1)

    bars = [
        Bar(
            round(BARS_LEFT + step * index + 1, 1),
            round(base - height(share), 1),
            round(step - 2, 1),
            height(share),
            f"{index / len(counts):.1f} to {(index + 1) / len(counts):.1f}: {number(count)} spots, {share:.1f}%",
        )
        for index, (share, count) in enumerate(zip(shares, counts, strict=True))
    ]
    x_ticks = [(round(BARS_LEFT + span * tick, 1), f"{tick:g}") for tick in (0, 0.25, 0.5, 0.75, 1)]
    y_ticks = [(round(base - height(tick), 1), f"{tick:g}%") for tick in scale]
    return Distribution(label, title, WIDTH, base + AXIS, BARS_LEFT, base, bars, x_ticks, y_ticks)


def dots(
    label: str,
    title: str,
    rows: Sequence[tuple[str, Sequence[float], str, bool]],
    ends: tuple[float, float] | None = None,
    line: float | None = None,
) -> Dots:
    """Lay out rows of a name, its values, their description in words, and whether the row is strong.

    Parameters
    ----------
    ends
        Ends of the axis; None: 0 and the largest value.
    """
    everything = [value for _, values, _, _ in rows for value in values]
    low, high = ends or (0.0, max([*everything, 1e-9]))
    axis = Axis(low, high, DOTS_LEFT, RIGHT, WIDTH)
    laid = [
        DotRow(name, TOP + ROW * (index + 0.5), [axis.at(value) for value in values], text, strong)
        for index, (name, values, text, strong) in enumerate(rows)
    ]
    at = None if line is None else axis.at(line)
    return Dots(label, title, WIDTH, TOP + ROW * len(rows) + AXIS, DOTS_LEFT, axis.marks, laid, at)
