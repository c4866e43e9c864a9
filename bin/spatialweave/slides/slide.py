"""Passport of a domain as one slide: text that stays text in PDF and SVG, and spots as an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.io.files import atomic_path
from spatialweave.passport.passport import Passport
from spatialweave.report.text import number
from spatialweave.slides import panels
from spatialweave.slides.panels import INK, LINE, OTHERS, SMALL, SOFT, TEXT
from spatialweave.slides.spot_map import SpotMap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png", "svg")
SIZE = (13.333, 7.5)
"""Size in inches: a slide of 16:9."""

DPI = 150
TITLE, MOST_MAPS = 22, 3

STYLE: Any = {
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "spatialweave",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": TEXT,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "text.parse_math": False,
}
"""Fonts stay fonts, a $ in a name does not start a formula, and the same input gives the same file."""


@dataclass(frozen=True)
class MarkerMap:
    """Values of one marker at all spots, NaN where its modality was not measured."""

    title: str
    values: np.ndarray


@dataclass(frozen=True)
class Slide:
    """Contents of a slide.

    Attributes
    ----------
    inside
        bool, one per spot: whether it is in the domain.
    colour
        Colour of the domain, as #rrggbb.
    markers
        Markers that are drawn as small maps, at most :data:`MOST_MAPS`.
    labels
        Number -> label of each domain of the run.
    titles
        Title of each method.
    """

    passport: Passport
    dataset: str
    spots: SpotMap
    inside: np.ndarray
    colour: str
    markers: Sequence[MarkerMap]
    labels: Mapping[int, str]
    titles: Mapping[str, str]

    def write(self, folder: Path, formats: Sequence[str]) -> list[Path]:
        """Write the slide in some of :data:`FORMATS` and return the files."""
        from matplotlib import rc_context

        # Without the domain's name, so that a slide of a later run with other names replaces this one.
        paths = [folder / f"domain_{self.passport.number}.{kind}" for kind in formats]
        with rc_context(STYLE):
            figure = self.figure()
            for path in paths:
                date: Any = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix)
                with atomic_path(path) as temporary:
                    figure.savefig(temporary, dpi=DPI, metadata=date)
        return paths

    def figure(self) -> Figure:
        """Draw the slide as a figure of matplotlib."""
        # The object interface: no display, no global state, nothing left open.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        one = self.passport
        figure = Figure(figsize=SIZE, facecolor="white")
        FigureCanvasAgg(figure)
        title = panels.cut(f"Domain {one.label}", 60)
        figure.text(0.025, 0.935, title, fontsize=TITLE, fontweight="bold", va="center")
        figure.text(0.025, 0.885, self._facts(), fontsize=TEXT, color=SOFT, va="center")
        self._maps(figure)
        panels.certainty(figure, one, self.labels)
        panels.sightings(figure, one, self.titles)
        panels.need(figure, one)
        panels.markers(figure, one)
        panels.texts(figure, one, self.labels)
        figure.text(0.025, 0.018, self._footer(), fontsize=7, color=SOFT)
        return figure

    def _facts(self) -> str:
        one = self.passport
        facts = [f"{self.dataset}, {one.run_title}", f"{number(one.n_spots)} spots, {100 * one.fraction:.1f}% of all"]
        if one.certainty:
            facts.append(f"mean {one.certainty_is} {one.certainty.mean:.2f}")
        titles = {"area": "area", "pieces": "pieces", "roundness": "roundness", "found_again": "found again"}
        for name, title in titles.items():
            value = one.structure.get(name, float("nan"))
            if value == value:
                unit = f" {one.units.get(name, '')}" if name == "area" else ""
                facts.append(f"{title} {number(value)}{unit}")
        return "  ·  ".join(facts)

    def _maps(self, figure: Figure) -> None:
        from matplotlib.patches import Rectangle

        panels.head(figure, 0.025, 0.85, "Where is it?")
        for x, fill, text in ((0.13, self.colour, f"domain {self.passport.number}"), (0.205, OTHERS, "other domains")):
            figure.add_artist(Rectangle((x, 0.843), 0.009, 0.014, color=fill, transform=figure.transFigure))
            figure.text(x + 0.013, 0.85, text, fontsize=SMALL, color=SOFT, va="center")
        below = bool(self.markers)
        place = (0.025, 0.39, 0.3, 0.43) if below else (0.025, 0.08, 0.3, 0.74)
        self.spots.draw_classes(figure.add_axes(place), self.inside, self.colour, OTHERS)
        if below:
            panels.head(figure, 0.025, 0.325, "Its best marker in each modality")
        shown = self.markers[:MOST_MAPS]
        for index, marker in enumerate(shown):
            width = 0.3 / len(shown)
            axes = figure.add_axes((0.025 + index * width, 0.065, width - 0.008, 0.21))
            self.spots.draw_values(axes, marker.values)
            axes.set_title(panels.cut(marker.title, 20), fontsize=SMALL, color=INK, pad=3)

    def _footer(self) -> str:
        text = f"spatialweave · {self.dataset} · {self.passport.run_title}."
        if self.markers:
            text += " Maps of markers: bright is much, from 0 to the 99.5th percentile of each."
        if self.spots.is_sample:
            text += f" A random {number(self.spots.n_drawn)} of {number(len(self.inside))} spots are drawn."
        return text
