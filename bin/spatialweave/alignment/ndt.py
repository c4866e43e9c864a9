"""Normal distributions transform: lays places onto a map of local normal distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from spatialweave.alignment import transforms
from spatialweave.alignment.climb import climb
from spatialweave.alignment.transforms import Matrix

FEWEST = 4
"""Cells with fewer places have no normal distribution and add nothing to the score."""

FLATTEST = 0.01
"""The smaller variance of a cell is raised to this share of the larger, so that places on a line make no wall."""

CELLS = (12.0, 6.0, 3.0)
"""Sides of the cells in spacings, coarse to fine: wide cells pull from afar, narrow ones place exactly."""

OFFSETS = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
"""Four overlapping grids, half a cell apart, so that the score does not jump where a place crosses a border."""


@dataclass(frozen=True)
class Cells:
    """Normal distributions of the fixed section in one size of cells.

    Attributes
    ----------
    side
        Of a cell, in the places' units.
    corner
        Lowest x and y of each grid (grids x 2).
    shape
        Columns and rows of the grids.
    mean
        Of each cell's places (grids x cells x 2).
    precision
        Inverse covariance as (xx, xy, yy) (grids x cells x 3).
    known
        Whether a cell has at least :data:`FEWEST` places (grids x cells).
    """

    side: float
    corner: np.ndarray
    shape: tuple[int, int]
    mean: np.ndarray
    precision: np.ndarray
    known: np.ndarray


def build(fixed: np.ndarray, side: float) -> Cells:
    """Describe the `fixed` places (n x 2) by one normal distribution per cell of the given side, on four grids."""
    low = fixed.min(axis=0)
    columns, rows = (int(number) for number in np.floor(np.ptp(fixed, axis=0) / side).astype(int) + 2)
    corners = low - side * np.array(OFFSETS)
    n_cells = columns * rows
    mean = np.zeros((len(corners), n_cells, 2))
    precision = np.zeros((len(corners), n_cells, 3))
    known = np.zeros((len(corners), n_cells), dtype=bool)
    for grid, corner in enumerate(corners):
        column, row = np.floor((fixed - corner) / side).astype(np.int64).T
        cell = row * columns + column
        count = np.bincount(cell, minlength=n_cells)
        full = np.flatnonzero(count >= FEWEST)
        centre = [np.bincount(cell, fixed[:, axis], n_cells)[full] / count[full] for axis in (0, 1)]
        mean[grid, full] = np.column_stack(centre)
        away = fixed - mean[grid, cell]
        moments = [away[:, 0] ** 2, away[:, 0] * away[:, 1], away[:, 1] ** 2]
        covariance = [np.bincount(cell, moment, n_cells)[full] / (count[full] - 1) for moment in moments]
        precision[grid, full] = _invert(np.column_stack(covariance), side)
        known[grid, full] = True
    return Cells(side, corners, (columns, rows), mean, precision, known)


def _invert(covariance: np.ndarray, side: float) -> np.ndarray:
    """Inverse of the covariances (cells x (xx, xy, yy)), the smaller variance raised (see :data:`FLATTEST`)."""
    matrices = covariance[:, [0, 1, 1, 2]].reshape(-1, 2, 2)
    values, vectors = np.linalg.eigh(matrices)
    values = np.maximum(values, np.maximum(FLATTEST * values[:, -1:], 1e-9 * side**2))
    inverse = (vectors / values[:, None, :]) @ vectors.transpose(0, 2, 1)
    return inverse.reshape(-1, 4)[:, [0, 1, 3]]


def score(cells: Cells, placed: np.ndarray) -> float:
    """Mean over `placed` places (n x 2) and grids of exp(-squared Mahalanobis distance / 2) to their cell; 0 to 1.

    A place outside the map, or in a cell of too few places, scores 0 (Biber and Strasser, IROS 2743, 2003).
    """
    total = 0.0
    columns, rows = cells.shape
    for grid, corner in enumerate(cells.corner):
        column, row = np.floor((placed - corner) / cells.side).astype(np.int64).T
        inside = np.flatnonzero((column >= 0) & (column < columns) & (row >= 0) & (row < rows))
        cell = row[inside] * columns + column[inside]
        known = cells.known[grid, cell]
        cell, inside = cell[known], inside[known]
        x, y = (placed[inside] - cells.mean[grid, cell]).T
        xx, xy, yy = cells.precision[grid, cell].T
        total += float(np.exp(-0.5 * (xx * x * x + 2.0 * xy * x * y + yy * y * y)).sum())
    return total / (len(cells.corner) * len(placed))


def ndt(fixed: np.ndarray, moving: np.ndarray, start: Matrix, unit: float, scale: bool = False) -> tuple[Matrix, float]:
    """The transform near `start` with the highest score, coarse cells first, and its score in the finest cells.

    The score is smooth enough for a simplex search (see :func:`~spatialweave.alignment.climb.climb`).

    Parameters
    ----------
    fixed, moving
        Places (n x 2, m x 2).
    start
        Moving -> fixed.
    unit
        Spacing of the fixed places; the cells' sides are :data:`CELLS` times this.
    """
    matrix, best = start, 0.0
    for size in CELLS:
        cells = build(fixed, size * unit)
        # Shrinking the moving section onto the middle of the fixed one would raise a score that looks one way only.
        own = build(moving, size * unit / transforms.decompose(start)[2]) if scale else None
        tried = partial(_placed_score, cells, moving, own, fixed)
        matrix, best = climb(tried, moving, matrix, 0.25 * size * unit, scale)
    return matrix, best


def _placed_score(cells: Cells, moving: np.ndarray, own: Cells | None, fixed: np.ndarray, matrix: Matrix) -> float:
    """The score of the moving places; with cells of the moving section, the geometric mean with the way back."""
    there = score(cells, transforms.apply(matrix, moving))
    if own is None:
        return there
    return float(np.sqrt(there * score(own, transforms.apply(np.linalg.inv(matrix), fixed))))
