"""Arrangement of the spots, from their coordinates: their spacing, and their layout if no platform is named."""

from __future__ import annotations

import numpy as np

SAMPLE = 20_000
"""Largest number of spots whose neighbours are examined: enough for a firm answer, and bounded for large sections."""

ORDER = 0.5
"""Bond order above which spots are on a lattice: 1 on a perfect one, 0 for cells; jitter of 0.1 spacings leaves 0.7."""


FEWEST = 9
"""Smallest number of spots from which a layout can be inferred."""


def spacing(points: np.ndarray) -> float:
    """Return the median distance to the nearest spot at another point; 0 if all spots have the same coordinates."""
    from scipy.spatial import cKDTree

    distinct = np.unique(points, axis=0)
    if len(distinct) < 2:
        return 0.0
    distances, _ = cKDTree(distinct).query(distinct, k=2)
    return float(np.median(distances[:, 1]))


def infer_layout(coordinates: np.ndarray) -> str:
    """Infer ``square``, ``hexagonal`` or ``cells`` from the angles between neighbouring spots.

    On a lattice, the bonds between touching spots have few directions, which are the same everywhere. The mean of
    exp(i m angle) over all bonds (the global bond-orientational order of Nelson and Halperin, Phys. Rev. B 19, 2457,
    1979) has magnitude 1 for m = 4 on a square and for m = 6 on a hexagonal lattice, for any rotation of the lattice
    and any missing spots. It is near 0 for cells. Rows and columns of unequal spacing count as square.

    Parameters
    ----------
    coordinates
        float, spots x 2.
    """
    from scipy.spatial import cKDTree

    points = np.unique(np.asarray(coordinates, dtype=np.float64), axis=0)
    if len(points) < FEWEST:
        return "cells"
    rng = np.random.default_rng(0)
    sample = points if len(points) <= SAMPLE else points[rng.choice(len(points), SAMPLE, replace=False)]
    distances, neighbours = cKDTree(points).query(sample, k=7)
    # The quantile is low, since with many missing spots most of the rest have no touching neighbour.
    touching = distances[:, 1:] <= 1.3 * np.quantile(distances[:, 1], 0.1)
    bonds = (points[neighbours[:, 1:]] - sample[:, None, :])[touching]
    angles = np.arctan2(bonds[:, 1], bonds[:, 0])
    square, hexagonal = (abs(np.exp(1j * m * angles).mean()) for m in (4, 6))
    # Few bonds can agree by chance: the order of n random angles exceeds 3 / sqrt(n) once in e^9 (Rayleigh). Each bond
    # is counted from both of its ends.
    chance = 3 / np.sqrt(max(len(angles), 1) / 2)
    if max(square, hexagonal) < max(ORDER, chance):
        return "cells"
    return "square" if square >= hexagonal else "hexagonal"
