"""Spots of all sections on the axes of a slide, drawn as an image within the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.sampling import random_subset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SPOTS = 100_000
"""Maximal number of spots on a map of a slide; of more a random sample is drawn, which looks the same."""

MISSING = "#e4e8ed"
PERCENTILE = 99.5
"""Percentile of the values above 0 at the top of the colour scale, as in the report."""

MARKER_SHAPES = {"square": "s", "hexagonal": "h", "cells": "o"}
FILL = {"square": 1.2, "hexagonal": 1.12, "cells": 0.95}
"""Size of a spot relative to the distance between spots; on lattices spots overlap, so that no background shows."""


@dataclass(frozen=True)
class SpotMap:
    """Positions of the drawn spots.

    Attributes
    ----------
    coordinates
        float64, spots x 2; y grows downwards.
    titles
        Titles of the sections, with the middle of their upper edges; a single section needs none.
    micrometres
        Micrometres per coordinate unit; None if unknown.
    rows
        Indices of the spots that are drawn, ascending.
    """

    coordinates: np.ndarray
    spacing: float
    layout: str
    titles: list[tuple[str, float, float]]
    micrometres: float | None
    rows: np.ndarray

    @classmethod
    def of(
        cls,
        coordinates: np.ndarray,
        spacing: float,
        layout: str,
        titles: list[tuple[str, float, float]],
        micrometres: float | None,
    ) -> SpotMap:
        """Map all spots, or a random sample if there are many."""
        rows = random_subset(len(coordinates), MOST_SPOTS, seed=0)
        return cls(coordinates, spacing, layout, titles if len(titles) > 1 else [], micrometres, rows)

    @property
    def n_drawn(self) -> int:
        """Number of spots drawn."""
        return len(self.rows)

    @property
    def is_sample(self) -> bool:
        """Whether some spots are not drawn."""
        return self.n_drawn < len(self.coordinates)

    def draw_classes(self, axes: Axes, inside: np.ndarray, colour: str, others: str) -> None:
        """Draw the spots inside in a colour above all others, section titles and a scale bar."""
        own = inside[self.rows]
        for rows, fill in ((self.rows[~own], others), (self.rows[own], colour)):
            self._scatter(axes, rows, fill)
        for title, x, y in self.titles:
            axes.text(x, y - self.spacing, title, fontsize=7, ha="center", va="bottom", clip_on=False)
        self._bar(axes)

    def draw_values(self, axes: Axes, values: np.ndarray) -> None:
        """Draw values from 0 (dark) to the top of their scale (bright), and spots without a value in grey."""
        known = np.isfinite(values[self.rows])
        positive = values[np.isfinite(values) & (values > 0)]
        top = float(np.percentile(positive, PERCENTILE)) if len(positive) else 1.0
        if not known.all():
            self._scatter(axes, self.rows[~known], MISSING)
        self._scatter(axes, self.rows[known], values[self.rows[known]], top)

    def _scatter(self, axes: Axes, rows: np.ndarray, fill: str | np.ndarray, top: float | None = None) -> None:
        points = self._points_per_unit(axes)
        # For a sample, as if its spots were spread over the tissue.
        size = self.spacing * np.sqrt(len(self.coordinates) / max(self.n_drawn, 1)) * FILL.get(self.layout, 1.0)
        x, y = self.coordinates[rows].T
        axes.scatter(
            x, y, s=max(size * points, 0.6) ** 2, c=fill, marker=MARKER_SHAPES.get(self.layout, "o"), linewidths=0,
            rasterized=True, cmap="viridis" if top else None, vmin=0 if top else None, vmax=top,
        )  # fmt: skip

    def _points_per_unit(self, axes: Axes) -> float:
        """Frame the axes about all spots with equal units of x and y, and return the length of a unit in points."""
        low, high = self.coordinates.min(axis=0) - self.spacing, self.coordinates.max(axis=0) + self.spacing
        inches = np.array(axes.get_window_extent().size) / axes.figure.dpi
        per_unit = float((inches / np.maximum(high - low, 1e-9)).min())
        middle, half = (low + high) / 2, inches / per_unit / 2
        # Directly below the heading, not in the middle of the free space.
        axes.set(xlim=(middle[0] - half[0], middle[0] + half[0]), ylim=(low[1] + 2 * half[1], low[1]))
        axes.axis("off")
        return 72 * per_unit

    def _bar(self, axes: Axes) -> None:
        """Draw a bar of a round length below the tissue, unless its unit is unknown."""
        if not self.micrometres:
            return
        left, right = axes.get_xlim()
        most = 0.25 * (right - left) * self.micrometres
        power = 10 ** np.floor(np.log10(most))
        length = next(digit * power for digit in (5, 2, 1) if digit * power <= most)
        top = float(self.coordinates[:, 1].max()) + self.spacing
        y = min(axes.get_ylim()[0], top + 0.05 * (right - left))
        axes.plot([left, left + length / self.micrometres], [y, y], color="black", lw=2.5, clip_on=False)
        text = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
        axes.text(left + length / self.micrometres / 2, y, text, fontsize=8, ha="center", va="bottom")
