"""Coordinates of simulated cells: irregular, with a smallest distance of one cell width and with gaps."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

LEAST_DISTANCE = 0.7
"""Smallest distance of cells, in spacings (square roots of the area per cell). Random sequential adsorption could place
1.4 times as many cells at this distance; the cells that are left out make the gaps."""

TRIALS_PER_CELL = 6


def cell_coordinates(size: np.ndarray, n_cells: int, random: np.random.Generator) -> np.ndarray:
    """Place `n_cells` points in a rectangle from 0 to `size` (width, height), n x 2.

    Random sequential adsorption (Feder, J Theor Biol 87:237, 1980): points arrive at random, and a point too close to
    an earlier point is refused. All points are handled together: a point stays if all earlier points near it are
    refused, which takes a few rounds. Time and memory are linear in cells.
    """
    distance = LEAST_DISTANCE * float(np.sqrt(np.prod(size) / n_cells))
    points = random.uniform(0.0, 1.0, (TRIALS_PER_CELL * n_cells, 2)) * size
    earlier, later = cKDTree(points).query_pairs(distance, output_type="ndarray").T
    stays, open_ = np.zeros(len(points), dtype=bool), np.ones(len(points), dtype=bool)
    while open_.any():
        # Open points without an earlier open neighbour stay; points with an earlier neighbour that stays are refused.
        first = open_.copy()
        first[later[open_[earlier] & open_[later]]] = False
        stays |= first
        open_ &= ~first
        open_[later[stays[earlier]]] = False
    return points[np.flatnonzero(stays)[:n_cells]]
