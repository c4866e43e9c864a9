"""Pairs of classes of two sets as numbers for inline SVG: a block per class, a ribbon per pair of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

WIDTH, SIDE, BAR, TOP, BOTTOM = 380, 44, 14, 30, 8
TALL, GAP = 240, 5
"""Height of all blocks of a side together, and the space between two of them, in pixels."""
READABLE = 11
"""Height in pixels that a block needs for its name."""


@dataclass
class Block:
    """Block of one class on one side; `name` is empty if there is no room for it."""

    x: float
    y: float
    height: float
    colour: str
    name: str
    text: str


@dataclass
class Ribbon:
    """Ribbon between a class of the left and one of the right, in the colour of the left one."""

    path: str
    colour: str
    text: str


@dataclass
class FlowPlot:
    """Blocks and ribbons in pixels, for templates/macros.html."""

    width: int
    height: int
    side: int
    bar: int
    titles: tuple[str, str]
    left: list[Block]
    right: list[Block]
    ribbons: list[Ribbon]


def flow_plot(counts: Mapping[tuple[str, str], int], titles: tuple[str, str], colours: Mapping[str, str]) -> FlowPlot:
    """Lay out pairs of classes; heights are proportional to counts.

    Parameters
    ----------
    counts
        Number of joined pairs by (class on the left, class on the right), all above 0. The classes of the left keep
        the order in which they come first; those of the right come by the mean position of what joins them, so that
        few ribbons cross.
    titles
        What the sides are.
    colours
        Colour of each class.
    """
    lefts = list(dict.fromkeys(a for a, _ in counts))
    rights = list(dict.fromkeys(b for _, b in counts))
    table = np.array([[counts.get((a, b), 0) for b in rights] for a in lefts], dtype=float)
    order = np.argsort(np.arange(len(lefts)) @ table / table.sum(axis=0), kind="stable")
    rights, table = [rights[at] for at in order], table[:, order]
    scale = TALL / table.sum()
    y_left, y_right = _tops(table.sum(axis=1) * scale), _tops(table.sum(axis=0) * scale)
    inner = (SIDE + BAR, WIDTH - SIDE - BAR)
    # Within a block its ribbons lie in the order of the other side.
    starts = y_left[:, None] + scale * (table.cumsum(axis=1) - table)
    ends = y_right[None, :] + scale * (table.cumsum(axis=0) - table)
    ribbons = [
        Ribbon(
            _ribbon(inner, starts[i, j], ends[i, j], table[i, j] * scale),
            colours[a],
            f"{titles[0]}, {a} – {titles[1]}, {b}: {_pairs(counts[a, b])}, "
            f"{100 * table[i, j] / table[i].sum():.0f}% of those of {a} in {titles[0]}",
        )
        for i, a in enumerate(lefts)
        for j, b in enumerate(rights)
        if table[i, j]
    ]
    height = TOP + TALL + GAP * (max(len(lefts), len(rights)) - 1) + BOTTOM
    left = _blocks(float(SIDE), lefts, y_left, table.sum(axis=1), scale, titles[0], colours)
    right = _blocks(float(inner[1]), rights, y_right, table.sum(axis=0), scale, titles[1], colours)
    return FlowPlot(WIDTH, height, SIDE, BAR, titles, left, right, ribbons)


def _tops(heights: np.ndarray) -> np.ndarray:
    """Return where each block begins when they lie below each other."""
    return TOP + np.cumsum(heights) - heights + GAP * np.arange(len(heights))


def _ribbon(ends: tuple[int, int], start: float, end: float, height: float) -> str:
    """Return the outline of a ribbon between the inner edges of two blocks, which leaves and arrives horizontally."""
    left, right = ends
    middle = (left + right) / 2
    upper = f"M{left} {start:.2f}C{middle:g} {start:.2f} {middle:g} {end:.2f} {right} {end:.2f}"
    start, end = start + height, end + height
    return f"{upper}V{end:.2f}C{middle:g} {end:.2f} {middle:g} {start:.2f} {left} {start:.2f}Z"


def _blocks(
    x: float,
    names: list[str],
    tops: np.ndarray,
    totals: np.ndarray,
    scale: float,
    title: str,
    colours: Mapping[str, str],
) -> list[Block]:
    return [
        Block(
            x,
            round(float(top), 2),
            round(float(total * scale), 2),
            colours[name],
            name if total * scale >= READABLE else "",
            f"{title}, {name}: {_pairs(int(total))}",
        )
        for name, top, total in zip(names, tops, totals, strict=True)
    ]


def _pairs(number: int) -> str:
    return f"{number:,} pair{'s' if number != 1 else ''}"
