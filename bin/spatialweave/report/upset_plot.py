"""UpSet plots as numbers for inline SVG: a bar for every combination of sets, and dots for its sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spatialweave.report.axis import ticks
from spatialweave.report.text import number

LEFT, RIGHT, TOP, BARS, GAP, ROW, COLUMN, BAR = 210, 20, 26, 150, 14, 24, 34, 20
MOST = 20
"""Number of combinations drawn, most frequent first."""


@dataclass
class Column:
    """Combination: its bar, the rows of its dots, and the line that joins them."""

    x: float
    y: float
    height: float
    count: str
    inside: list[float]
    outside: list[float]
    text: str


@dataclass
class UpsetPlot:
    """UpSet plot in pixels, for templates/macros.html.

    Attributes
    ----------
    left_out
        Number of combinations that are not drawn.
    """

    label: str
    axis: str
    width: int
    height: int
    left: int
    base: float
    bar: int
    y_ticks: list[tuple[float, str]]
    sets: list[tuple[float, str]]
    columns: list[Column]
    left_out: int


def upset_plot(label: str, axis: str, sets: Mapping[str, str], counts: Mapping[tuple[str, ...], int]) -> UpsetPlot:
    """Lay out combinations.

    Parameters
    ----------
    axis
        What is counted.
    sets
        Titles of the sets by name, from the top.
    counts
        Count by names of exactly the sets that a combination is in; the most frequent come first.
    """
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: -item[1])[:MOST]
    scale = ticks(0.0, float(ordered[0][1]))
    base = TOP + BARS
    ys = {name: base + GAP + ROW * (index + 0.5) for index, name in enumerate(sets)}

    def height(count: float) -> float:
        return round(BARS * count / scale[-1], 1)

    columns = []
    for index, (names, count) in enumerate(ordered):
        own = height(count)
        titles = " and ".join(sets[name] for name in names)
        columns.append(
            Column(
                LEFT + COLUMN * (index + 0.5),
                base - own,
                own,
                f"{100 * count / total:.0f}%" if count >= 0.005 * total else "<1%",
                [ys[name] for name in names],
                [y for name, y in ys.items() if name not in names],
                f"only in {titles}: {number(count)} edges, {100 * count / total:.1f}%",
            )
        )
    sizes = {name: sum(count for names, count in counts.items() if name in names) for name in sets}
    rows = [(ys[name], f"{title} ({number(sizes[name])})") for name, title in sets.items()]
    marks = [(base - height(tick), number(tick)) for tick in scale]
    width, bottom = LEFT + COLUMN * len(columns) + RIGHT, int(base + GAP + ROW * len(sets) + 10)
    return UpsetPlot(
        label, axis, max(width, 480), bottom, LEFT, base, BAR, marks, rows, columns, len(counts) - len(columns)
    )
