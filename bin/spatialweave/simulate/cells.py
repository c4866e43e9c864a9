"""Coordinates of simulated cells: irregular, none closer to another than cells are wide, with gaps between them."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

LEAST_DISTANCE = 0.7
"""Between cells, in spacings (square roots of the area per cell). Random sequential adsorption could place 1.4 times as
many cells at this distance; those that are left out make the gaps."""

TRIALS_PER_CELL = 6


def cell_coordinates(size: np.ndarray, n_cells: int, random: np.random.Generator) -> np.ndarray:
    """`n_cells` points in a rectangle from 0 to `size` (width, height), n x 2.

    Random sequential adsorption (Feder, J Theor Biol 87:237, 1980): points arrive at random, and one too close to an
    earlier one is refused. It is done for all points at once: a point stays when all earlier ones near it are refused,
    which is settled in a few rounds. Time and memory are linear in cells.
    """
    distance = LEAST_DISTANCE * float(np.sqrt(np.prod(size) / n_cells))
    points = random.uniform(0.0, 1.0, (TRIALS_PER_CELL * n_cells, 2)) * size
    earlier, later = cKDTree(points).query_pairs(distance, output_type="ndarray").T
    stays, open_ = np.zeros(len(points), dtype=bool), np.ones(len(points), dtype=bool)
    while open_.any():
        # Open points behind no open one stay, and those behind a point that stays are refused.
        first = open_.copy()
        first[later[open_[earlier] & open_[later]]] = False
        stays |= first
        open_ &= ~first
        open_[later[stays[earlier]]] = False
    return points[np.flatnonzero(stays)[:n_cells]]
