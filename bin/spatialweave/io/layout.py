"""How the spots are arranged, from their coordinates: the layout, when no platform is named, and the spacing."""

from __future__ import annotations

import numpy as np

SAMPLE = 20_000
"""Spots whose surroundings are looked at: enough for a firm answer, and bounded for sections of millions."""

ORDER = 0.5
"""Bond order above which spots are on a lattice: 1 on a perfect one, 0 for cells; jitter of 0.1 spacings leaves 0.7."""


FEWEST = 9
"""With fewer spots, no layout can be told."""


def spacing(points: np.ndarray) -> float:
    """Median distance of a spot to the nearest spot elsewhere; 0 when all spots have the same coordinates."""
    from scipy.spatial import cKDTree

    distinct = np.unique(points, axis=0)
    if len(distinct) < 2:
        return 0.0
    distances, _ = cKDTree(distinct).query(distinct, k=2)
    return float(np.median(distances[:, 1]))


def infer_layout(coordinates: np.ndarray) -> str:
    """``square``, ``hexagonal`` or ``cells``, from the angles between neighbouring spots.

    On a lattice the bonds between touching spots point in few directions, the same everywhere: the mean of
    exp(i m angle) over all bonds (the global bond-orientational order of Nelson and Halperin, Phys. Rev. B 19, 2457,
    1979) has magnitude 1 for m = 4 on a square and for m = 6 on a hexagonal lattice, for any rotation of the lattice
    and any missing spots, and is near 0 for cells. Rows and columns of unequal spacing count as square.

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
    # A low quantile: with many spots missing, most of the rest have lost their touching neighbours.
    touching = distances[:, 1:] <= 1.3 * np.quantile(distances[:, 1], 0.1)
    bonds = (points[neighbours[:, 1:]] - sample[:, None, :])[touching]
    angles = np.arctan2(bonds[:, 1], bonds[:, 0])
    square, hexagonal = (abs(np.exp(1j * m * angles).mean()) for m in (4, 6))
    # Few bonds agree by chance: the order of n random angles exceeds 3 / sqrt(n) once in e^9 (Rayleigh). Each bond is
    # seen from both of its ends.
    chance = 3 / np.sqrt(max(len(angles), 1) / 2)
    if max(square, hexagonal) < max(ORDER, chance):
        return "cells"
    return "square" if square >= hexagonal else "hexagonal"
