"""Normal distributions transform: registers points onto a map of local normal distributions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from spatialweave.alignment import transforms
from spatialweave.alignment.local_search import local_search
from spatialweave.alignment.transforms import Matrix

FEWEST = 4
"""Cells with fewer points have no normal distribution and add nothing to the score."""

FLATTEST = 0.01
"""The smaller variance of a cell is raised to this fraction of the larger one. Otherwise points on a line would give
every point beside the line a score of 0."""

CELLS = (12.0, 6.0, 3.0)
"""Sides of the cells in spacings, coarse to fine: large cells attract from a distance, small cells are precise."""

OFFSETS = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
"""Four overlapping grids, half a cell apart, so that the score does not jump where a point crosses a border."""


@dataclass(frozen=True)
class NormalCells:
    """Normal distributions of the fixed section for one cell size.

    Attributes
    ----------
    side
        Side of a cell, in the points' units.
    corner
        Lowest x and y of each grid (grids x 2).
    shape
        Columns and rows of the grids.
    mean
        Mean of each cell's points (grids x cells x 2).
    precision
        Inverse covariance as (xx, xy, yy) (grids x cells x 3).
    known
        Whether a cell has at least :data:`FEWEST` points (grids x cells).
    """

    side: float
    corner: np.ndarray
    shape: tuple[int, int]
    mean: np.ndarray
    precision: np.ndarray
    known: np.ndarray


def build(fixed: np.ndarray, side: float) -> NormalCells:
    """Fit one normal distribution to the `fixed` points (n x 2) of each cell of the given side, on four grids."""
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
    return NormalCells(side, corners, (columns, rows), mean, precision, known)


def _invert(covariance: np.ndarray, side: float) -> np.ndarray:
    """Invert the covariances (cells x (xx, xy, yy)) after raising the smaller variance (see :data:`FLATTEST`)."""
    matrices = covariance[:, [0, 1, 1, 2]].reshape(-1, 2, 2)
    values, vectors = np.linalg.eigh(matrices)
    values = np.maximum(values, np.maximum(FLATTEST * values[:, -1:], 1e-9 * side**2))
    inverse = (vectors / values[:, None, :]) @ vectors.transpose(0, 2, 1)
    return inverse.reshape(-1, 4)[:, [0, 1, 3]]


def score(cells: NormalCells, points: np.ndarray) -> float:
    """Return the mean over `points` (n x 2) and grids of exp(-squared Mahalanobis distance to the cell / 2), 0 to 1.

    A point outside the map, or in a cell with too few points, scores 0 (Biber and Strasser, IROS 2743, 2003).
    """
    total = 0.0
    columns, rows = cells.shape
    for grid, corner in enumerate(cells.corner):
        column, row = np.floor((points - corner) / cells.side).astype(np.int64).T
        inside = np.flatnonzero((column >= 0) & (column < columns) & (row >= 0) & (row < rows))
        cell = row[inside] * columns + column[inside]
        known = cells.known[grid, cell]
        cell, inside = cell[known], inside[known]
        x, y = (points[inside] - cells.mean[grid, cell]).T
        xx, xy, yy = cells.precision[grid, cell].T
        total += float(np.exp(-0.5 * (xx * x * x + 2.0 * xy * x * y + yy * y * y)).sum())
    return total / (len(cells.corner) * len(points))


def ndt(
    fixed: np.ndarray, moving: np.ndarray, start: Matrix, spacing: float, scale: bool = False
) -> tuple[Matrix, float]:
    """Return the transform near `start` with the highest score, and its score in the finest cells.

    Coarse cells are used first. :func:`~spatialweave.alignment.local_search.local_search` can optimise this smooth
    score.

    Parameters
    ----------
    fixed, moving
        n x 2, m x 2.
    start
        Moving -> fixed.
    spacing
        Spacing of the fixed points; the cells' sides are :data:`CELLS` times this.
    """
    matrix, best = start, 0.0
    for size in CELLS:
        cells = build(fixed, size * spacing)
        # Shrinking the moving section onto the middle of the fixed one would raise a score that has one direction only.
        reverse = build(moving, size * spacing / transforms.decompose(start)[2]) if scale else None
        score_of = partial(_score_of, cells, moving, reverse, fixed)
        matrix, best = local_search(score_of, moving, matrix, 0.25 * size * spacing, scale)
    return matrix, best


def _score_of(
    cells: NormalCells, moving: np.ndarray, reverse: NormalCells | None, fixed: np.ndarray, matrix: Matrix
) -> float:
    """Return the score of the moving points, or the geometric mean of both directions if `reverse` cells are given."""
    forward = score(cells, transforms.apply(matrix, moving))
    if reverse is None:
        return forward
    return float(np.sqrt(forward * score(reverse, transforms.apply(np.linalg.inv(matrix), fixed))))
