"""Where the spots of several sections go on one map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GAP = 0.08
"""Space between sections, as a share of the widest one."""


@dataclass
class Arrangement:
    """Sections side by side.

    Attributes
    ----------
    xy
        float64, spots x 2, map coordinates; y grows downwards on the map, as in images.
    offsets
        Per section what was added to its coordinates; subtract it to get platform units.
    titles
        Per section the map position of its title: middle of its upper edge.
    spacing
        Median distance from a spot to its nearest one in the same section; 0 where no section has two spots.
    """

    xy: np.ndarray
    offsets: list[tuple[float, float]]
    titles: list[tuple[float, float]]
    spacing: float


def arrange(spatial: np.ndarray, sections: np.ndarray, n_sections: int) -> Arrangement:
    """Place sections in rows of a near-square grid, one alone where it lies.

    Parameters
    ----------
    sections
        Section code per spot, 0..n_sections-1.
    """
    parts = [spatial[sections == code] for code in range(n_sections)]
    lows = [part.min(axis=0) for part in parts]
    spans = np.array([np.ptp(part, axis=0) for part in parts])
    cell = spans.max(axis=0) + GAP * max(float(spans.max()), 1e-9)
    per_row = int(np.ceil(np.sqrt(n_sections)))
    xy = spatial.astype(np.float64).copy()
    offsets, titles = [], []
    for code, (low, span) in enumerate(zip(lows, spans, strict=True)):
        # The grid positions centre each section in its cell.
        corner = np.array([code % per_row, code // per_row]) * cell + (spans.max(axis=0) - span) / 2
        shift = corner - low if n_sections > 1 else np.zeros(2)
        xy[sections == code] += shift
        offsets.append((float(shift[0]), float(shift[1])))
        top = low + shift
        titles.append((float(top[0] + span[0] / 2), float(top[1])))
    return Arrangement(xy, offsets, titles, _spacing(parts))


def _spacing(parts: list[np.ndarray]) -> float:
    from scipy.spatial import cKDTree

    distances = [cKDTree(part).query(part, k=2)[0][:, 1] for part in parts if len(part) > 1]
    return float(np.median(np.concatenate(distances))) if distances else 0.0
