"""The charts of a passport as numbers for inline SVG: a distribution, and dots per row between two ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialweave.report.strips import ticks
from spatialweave.report.text import number

WIDTH, RIGHT, TOP, AXIS = 520, 18, 10, 40
BARS_LEFT, BARS_HEIGHT = 48, 130
DOTS_LEFT, ROW = 170, 24


@dataclass
class Bar:
    """One bin: its place, and what it holds in words."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass
class Distribution:
    """A histogram in pixels, for templates/passport_macros.html."""

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
    """One row: its name, height, dots, and values in words; `strong` for a row that matters more."""

    name: str
    y: float
    dots: list[float]
    text: str
    strong: bool


@dataclass
class Dots:
    """Dots per row in pixels; `line` is where a dashed line is, None for nowhere."""

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
    """Lay out rows of a name, its values, what they are in words, and whether the row is strong.

    Parameters
    ----------
    ends
        Of the axis; None: 0 and what holds all values.
    """
    everything = [value for _, values, _, _ in rows for value in values]
    scale = ticks(*ends) if ends else ticks(0.0, max([*everything, 1e-9]))
    low, high = scale[0], scale[-1]

    def position(value: float) -> float:
        return round(DOTS_LEFT + (WIDTH - DOTS_LEFT - RIGHT) * (value - low) / (high - low), 1)

    laid = [
        DotRow(name, TOP + ROW * (index + 0.5), [position(value) for value in values], text, strong)
        for index, (name, values, text, strong) in enumerate(rows)
    ]
    marks = [(position(tick), f"{tick:g}") for tick in scale]
    at = None if line is None else position(line)
    return Dots(label, title, WIDTH, TOP + ROW * len(rows) + AXIS, DOTS_LEFT, marks, laid, at)
