"""Small charts of curves between 0 and 1 as numbers for inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SIDE, LEFT, RIGHT, TOP, BOTTOM = 150, 40, 12, 24, 40


@dataclass
class Curve:
    """Curve as x,y x,y ... in pixels."""

    name: str
    colour: str
    dashed: bool
    points: str


@dataclass
class CurvePlot:
    """Square chart in pixels, for templates/macros.html; `chance` is the line of chance, "" for none."""

    title: str
    label: str
    x_title: str
    y_title: str
    width: int
    height: int
    left: int
    base: int
    ticks: list[tuple[float, float, str]]
    chance: str
    curves: list[Curve]


def curve_plot(
    title: str,
    axes: tuple[str, str],
    curves: Sequence[tuple[str, str, bool, Sequence[tuple[float, float]]]],
    chance: Sequence[tuple[float, float]] = (),
) -> CurvePlot:
    """Lay out curves.

    Parameters
    ----------
    axes
        Titles of x and y.
    curves
        Name, colour, whether it is dashed, and points (0 to 1).
    """

    def path(points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{LEFT + SIDE * x:.1f},{TOP + SIDE * (1 - y):.1f}" for x, y in points)

    marks = [(LEFT + SIDE * tick, TOP + SIDE * (1 - tick), f"{tick:g}") for tick in (0, 0.5, 1)]
    return CurvePlot(
        title,
        f"{axes[1]} against {axes[0]}: {title}",
        *axes,
        LEFT + SIDE + RIGHT,
        TOP + SIDE + BOTTOM,
        LEFT,
        TOP + SIDE,
        marks,
        path(chance) if chance else "",
        [Curve(name, colour, dashed, path(points)) for name, colour, dashed, points in curves],
    )
