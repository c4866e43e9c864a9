"""Fractions of the domains in sections as numbers for inline SVG: a bar per section, a segment per domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spatialweave.domains.palette import ink_on

WIDTH, LEFT, RIGHT, ROW, BAR, TOP, BOTTOM = 900, 180, 24, 32, 24, 8, 40
READABLE = 18
"""Width in pixels that a segment needs for its domain's number."""


@dataclass
class Segment:
    """Segment of one domain in one section."""

    x: float
    width: float
    colour: str
    ink: str
    name: str
    text: str


@dataclass
class ShareRow:
    """Row of one section."""

    name: str
    y: float
    segments: list[Segment]


@dataclass
class SharePlot:
    """Stacked bars in pixels, for templates/macros.html."""

    width: int
    height: int
    left: int
    bar: int
    ticks: list[tuple[float, str]]
    rows: list[ShareRow]


def share_plot(fractions: Mapping[str, Sequence[float]], names: Sequence[str], colours: Sequence[str]) -> SharePlot:
    """Lay out the fractions (0 to 1) of all domains by section.

    Parameters
    ----------
    names, colours
        Names and colours of the domains, in the order of the fractions; a name begins with the domain's number.
    """
    span = WIDTH - LEFT - RIGHT
    rows = []
    for index, (section, own) in enumerate(fractions.items()):
        at, segments = float(LEFT), []
        for name, colour, fraction in zip(names, colours, own, strict=True):
            width = round(span * fraction, 2)
            if width > 0:
                shown = name.partition(":")[0] if width >= READABLE else ""
                text = f"domain {name}: {100 * fraction:.1f}% of the spots of {section}"
                segments.append(Segment(round(at, 2), width, colour, ink_on(colour), shown, text))
            at += span * fraction
        rows.append(ShareRow(section, TOP + ROW * (index + 0.5), segments))
    marks = [(LEFT + span * tick / 100, f"{tick}%") for tick in (0, 25, 50, 75, 100)]
    return SharePlot(WIDTH, TOP + ROW * len(rows) + BOTTOM, LEFT, BAR, marks, rows)
