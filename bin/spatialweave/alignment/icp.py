"""Trimmed iterative closest points: registers a set of points onto another set of which it covers a part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from spatialweave.alignment import transforms
from spatialweave.alignment.transforms import LARGEST_RESCALING, Matrix

LEAST_OVERLAP = 0.4
"""At least this fraction of the points is kept."""

OVERLAP_POWER = 3.0
"""Exponent of trimmed ICP's criterion: the overlap x minimises (mean square distance at x) / x^3 (its lambda = 2)."""

TOLERANCE = 1e-5
"""ICP ends when no point moves by more than this fraction of the spacing of the fixed points."""

MOST_ITERATIONS = 200


@dataclass(frozen=True)
class IcpResult:
    """Result of :func:`icp`.

    Attributes
    ----------
    matrix
        Moving -> fixed.
    overlap
        Fraction of the moving points that were kept in the last step.
    rms
        Root mean square distance of the kept points to their nearest fixed point, in the points' units.
    iterations
        Number of steps.
    """

    matrix: Matrix
    overlap: float
    rms: float
    iterations: int


def icp(fixed: np.ndarray, moving: np.ndarray, start: Matrix, spacing: float, scale: bool = False) -> IcpResult:
    """Run trimmed ICP (Besl and McKay, IEEE PAMI 14:239, 1992; Chetverikov et al., Image Vis Comput 23:299, 2005).

    Each step pairs every moving point with its nearest fixed point, keeps the fraction of closest pairs that minimises
    Chetverikov's criterion, and solves for the transform in closed form. It ends when the points stop moving or after
    :data:`MOST_ITERATIONS` steps. A start with a reflection gives a solution with a reflection.

    Parameters
    ----------
    fixed, moving
        n x 2, m x 2: all spots or outlines.
    start
        Moving -> fixed; ICP finds the nearest local optimum.
    spacing
        Spacing of the fixed points, for the tolerance.
    scale
        Also fit a scale factor, within :data:`~spatialweave.alignment.transforms.LARGEST_RESCALING` of the start's.
    """
    tree = cKDTree(fixed)
    matrix, first_scale = start, transforms.decompose(start)[2]
    reflect = transforms.decompose(start)[3]
    rms, overlap, iterations = np.inf, 1.0, 0
    placed = transforms.apply(matrix, moving)
    while iterations < MOST_ITERATIONS:
        iterations += 1
        distance, nearest = tree.query(placed)
        kept, overlap = closest_fraction(distance, TOLERANCE * spacing)
        rms = float(np.sqrt(np.mean(distance[kept] ** 2)))
        if len(np.unique(nearest[kept])) < 2:
            break
        step = transforms.fit(moving[kept], fixed[nearest[kept]], scale=scale, reflect=reflect)
        if not 1 / LARGEST_RESCALING < transforms.decompose(step)[2] / first_scale < LARGEST_RESCALING:
            break
        before, placed, matrix = placed, transforms.apply(step, moving), step
        if np.abs(placed - before).max() <= TOLERANCE * spacing:
            break
    return IcpResult(matrix, overlap, rms, iterations)


def closest_fraction(distance: np.ndarray, exact: float) -> tuple[np.ndarray, float]:
    """Return the pairs to keep (indices) and their fraction: x that minimises (mean square of the closest x) / x^3.

    The square of `exact` is added to the mean squares as a floor. Without it a few pairs at distance 0 would win over
    any larger fraction.
    """
    order = np.argsort(distance, kind="stable")
    n_pairs = len(distance)
    count = np.arange(1, n_pairs + 1)
    mean_square = np.cumsum(distance[order] ** 2) / count + exact**2
    least = max(2, int(np.ceil(LEAST_OVERLAP * n_pairs)))
    criterion = mean_square / (count / n_pairs) ** OVERLAP_POWER
    best = least - 1 + int(np.argmin(criterion[least - 1 :])) if n_pairs > least else n_pairs - 1
    return order[: best + 1], (best + 1) / n_pairs
