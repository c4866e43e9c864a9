"""Where the spots of several sections go on one map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GAP = 0.08
"""Space between sections, as a fraction of the widest one."""

WIDE = 3
"""From this number of sections on, a map takes the whole width of the page."""

PANEL, WIDE_PANEL = (590, 440), (1200, 420)
"""Width and height (pixels) in which a map of few and of many sections is to be as large as it can."""

OTHER_UNITS = 1.5
"""Sections whose spots are this many times further apart, or nearer, than usual are in other units."""


@dataclass
class Arrangement:
    """Sections side by side.

    Attributes
    ----------
    coordinates
        float64, spots x 2, map coordinates; y grows downwards on the map, as in images.
    scales
        Per section what its coordinates were multiplied with: 1 unless its units are not those of the others.
    offsets
        Per section what was added after that; subtract it and divide by the scale to get platform units.
    titles
        Per section the map position of its title: middle of its upper edge.
    spacing
        Median distance from a spot to its nearest one in the same section; 0 where no section has two spots.
    aspect
        Width of the whole map over its height.
    """

    coordinates: np.ndarray
    scales: list[float]
    offsets: list[tuple[float, float]]
    titles: list[tuple[float, float]]
    spacing: float
    aspect: float


def arrange(spatial: np.ndarray, sections: np.ndarray, n_sections: int) -> Arrangement:
    """Place sections in the rows of a grid that shows them largest; a single section stays where it is.

    Parameters
    ----------
    sections
        Section code per spot, 0..n_sections-1.
    """
    parts = [spatial[sections == code] for code in range(n_sections)]
    spacings = [median_spacing(part) for part in parts]
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
    usual = [spacing * scale for spacing, scale in zip(spacings, scales, strict=True) if spacing > 0]
    width, height = np.array([per_row, -(-n_sections // per_row)]) * cell
    return Arrangement(
        placed, scales, offsets, titles, float(np.median(usual)) if usual else 0.0, float(width / height)
    )


def _per_row(n_sections: int, cell: np.ndarray) -> int:
    """The number of sections per row with which they are drawn largest, rows as even as they can be."""
    panel = PANEL if n_sections < WIDE else WIDE_PANEL

    def pixels(per_row: int) -> float:
        return float(min(panel[0] / (per_row * cell[0]), panel[1] / (-(-n_sections // per_row) * cell[1])))

    even = {-(-n_sections // n_rows) for n_rows in range(1, n_sections + 1)}
    return max(even, key=lambda per_row: (pixels(per_row), per_row))


def _scales(spacings: list[float]) -> list[float]:
    """Factors that bring sections in other units (images of another resolution) to the usual distance of spots."""
    known = [spacing for spacing in spacings if spacing > 0]
    usual = float(np.median(known)) if known else 0.0

    def similar(spacing: float) -> bool:
        return not spacing or max(spacing / usual, usual / spacing) < OTHER_UNITS

    return [1.0 if similar(spacing) else usual / spacing for spacing in spacings]


def median_spacing(points: np.ndarray) -> float:
    """Median distance from a point to its nearest one; 0 for fewer than two points."""
    from scipy.spatial import cKDTree

    return float(np.median(cKDTree(points).query(points, k=2)[0][:, 1])) if len(points) > 1 else 0.0
