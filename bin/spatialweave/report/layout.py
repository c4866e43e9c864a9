"""Positions of the spots of several sections on one map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialweave.io.layout import spacing

GAP = 0.08
"""Space between sections, as a fraction of the widest one."""

WIDE = 3
"""Number of sections from which on a map takes the whole width of the page."""

PANEL, WIDE_PANEL = (590, 440), (1200, 420)
"""Width and height (pixels) to fill with a map of few and of many sections."""

OTHER_UNITS = 1.5
"""Ratio of spot distances to the usual one from which on a section is taken to be in other units."""


@dataclass
class Arrangement:
    """Arrangement of sections side by side.

    Attributes
    ----------
    coordinates
        float64, spots x 2, map coordinates; y grows downwards on the map, as in images.
    scales
        For each section the factor on its coordinates: 1 unless its units differ from those of the others.
    offsets
        For each section the shift added after that; subtract it and divide by the scale to get platform units.
    titles
        For each section the map position of its title: middle of its upper edge.
    room
        Width of a title that does not reach into the next section's.
    spacing
        Median distance from a spot to its nearest one in the same section; 0 if no section has two positions.
    aspect
        Width of the whole map over its height.
    """

    coordinates: np.ndarray
    scales: list[float]
    offsets: list[tuple[float, float]]
    titles: list[tuple[float, float]]
    room: float
    spacing: float
    aspect: float


def arrange(spatial: np.ndarray, sections: np.ndarray, n_sections: int) -> Arrangement:
    """Place sections in the rows of a grid that shows them largest; leave a single section in place.

    Parameters
    ----------
    sections
        Section code per spot, 0..n_sections-1.
    """
    parts = [spatial[sections == code] for code in range(n_sections)]
    spacings = [spacing(part) for part in parts]
    scales = _scales(spacings)
    lows = [part.min(axis=0) * scale for part, scale in zip(parts, scales, strict=True)]
    spans = np.array([np.ptp(part, axis=0) * scale for part, scale in zip(parts, scales, strict=True)])
    cell = spans.max(axis=0) + GAP * max(float(spans.max()), 1e-9)
    per_row = _per_row(n_sections, cell)
    placed = spatial * np.array(scales)[sections, None]
    offsets, titles = [], []
    for code, (low, span) in enumerate(zip(lows, spans, strict=True)):
        # The grid positions centre each section in its cell.
        corner = np.array([code % per_row, code // per_row]) * cell + (spans.max(axis=0) - span) / 2
        shift = corner - low if n_sections > 1 else np.zeros(2)
        placed[sections == code] += shift
        offsets.append((float(shift[0]), float(shift[1])))
        top = low + shift
        titles.append((float(top[0] + span[0] / 2), float(top[1])))
    usual = [distance * scale for distance, scale in zip(spacings, scales, strict=True) if distance > 0]
    width, height = np.array([per_row, -(-n_sections // per_row)]) * cell
    usual_spacing = float(np.median(usual)) if usual else 0.0
    return Arrangement(placed, scales, offsets, titles, float(cell[0]), usual_spacing, float(width / height))


def _per_row(n_sections: int, cell: np.ndarray) -> int:
    """Return the number of sections per row that shows them largest, with rows as even as possible."""
    panel = PANEL if n_sections < WIDE else WIDE_PANEL

    def pixels(per_row: int) -> float:
        return float(min(panel[0] / (per_row * cell[0]), panel[1] / (-(-n_sections // per_row) * cell[1])))

    even = {-(-n_sections // n_rows) for n_rows in range(1, n_sections + 1)}
    return max(even, key=lambda per_row: (pixels(per_row), per_row))


def _scales(spacings: list[float]) -> list[float]:
    """Return factors that bring sections in other units (other image resolution) to the usual spot distance."""
    known = [distance for distance in spacings if distance > 0]
    usual = float(np.median(known)) if known else 0.0

    def similar(distance: float) -> bool:
        return not distance or max(distance / usual, usual / distance) < OTHER_UNITS

    return [1.0 if similar(distance) else usual / distance for distance in spacings]
