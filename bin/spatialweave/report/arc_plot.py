"""Domains in a row with arcs between connected ones, as numbers for inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STEP, LEFT, RIGHT, TOP, BOTTOM, LABELS = 84, 60, 60, 14, 92, 20
WIDEST, FEWEST = 9.0, 0.05
"""Width of an arc of connectivity 1, in pixels; and the connectivity below which no arc is drawn."""


@dataclass
class Arc:
    """Path between two domains."""

    path: str
    width: float
    text: str


@dataclass
class Node:
    """Domain: its position, its name, and the text below it."""

    x: float
    colour: str
    name: str
    below: str


@dataclass
class ArcPlot:
    """Arcs in pixels, for templates/macros.html."""

    width: int
    height: int
    base: float
    nodes: list[Node]
    arcs: list[Arc]


def arc_plot(names: Sequence[str], colours: Sequence[str], joined: np.ndarray, below: Sequence[str]) -> ArcPlot:
    """Lay out domains in the given order.

    Parameters
    ----------
    joined
        Domains x domains, symmetric, 0 to 1.
    """
    n = len(names)
    xs = [LEFT + STEP * index for index in range(n)]
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n) if joined[i, j] >= FEWEST]
    furthest = max((j - i for i, j in pairs), default=1)
    base = TOP + min(STEP * furthest / 2, 260.0) + 12
    # Half ellipses, so that the widest arcs of many domains stay on the page.
    flat = (base - TOP) / (STEP * furthest / 2)
    arcs = [
        Arc(
            f"M{xs[i]} {base}A{STEP * (j - i) / 2:g} {STEP * (j - i) / 2 * min(flat, 1):.1f} 0 0 1 {xs[j]} {base}",
            round(max(WIDEST * float(joined[i, j]), 0.8), 2),
            f"{names[i]} and {names[j]}: connectivity {joined[i, j]:.2f}",
        )
        for i, j in sorted(pairs, key=lambda pair: joined[pair])
    ]
    nodes = [Node(*facts) for facts in zip(xs, colours, names, below, strict=True)]
    return ArcPlot(LEFT + STEP * max(n - 1, 0) + RIGHT, int(base + BOTTOM), base, nodes, arcs)
