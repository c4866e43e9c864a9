"""Similarity transforms of the plane as 3 x 3 matrices of homogeneous coordinates."""

from __future__ import annotations

import numpy as np

from spatialweave.errors import InputError

LARGEST_RESCALING = 1.25
"""Refinement with a free scale stays within this factor of its start. Without a bound, two sets of points can always be
brought together by shrinking one of them to a point."""

EQUAL = 1e-12
"""Points that differ by less than this fraction of their coordinates are equal, apart from rounding."""

Matrix = np.ndarray
"""Type of a transform: 3 x 3, float64; the last row is 0, 0, 1. A point p becomes `(matrix @ [x, y, 1])[:2]`."""


def apply(matrix: Matrix, points: np.ndarray) -> np.ndarray:
    """Return the transformed `points` (n x 2, float64)."""
    return np.asarray(points, dtype=np.float64) @ matrix[:2, :2].T + matrix[:2, 2]


def rigid(angle: float, shift: np.ndarray | tuple[float, float], scale: float = 1.0, reflect: bool = False) -> Matrix:
    """Mirror y (when `reflect`), scale, turn by `angle` (radians, from x towards y) about the origin, then shift."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    side = -1.0 if reflect else 1.0
    return np.array([[cos, -side * sin, shift[0]], [sin, side * cos, shift[1]], [0.0, 0.0, 1.0]])


def decompose(matrix: Matrix) -> tuple[float, np.ndarray, float, bool]:
    """Return angle (radians, -pi to pi), shift, scale and reflection: the arguments of :func:`rigid` for `matrix`."""
    reflect = bool(np.linalg.det(matrix[:2, :2]) < 0)
    angle = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    return angle, matrix[:2, 2].copy(), float(np.hypot(matrix[0, 0], matrix[1, 0])), reflect


def about(matrix: Matrix, centre: np.ndarray) -> Matrix:
    """Return `matrix` with `centre` instead of the origin as the point that it turns, scales and mirrors about."""
    return rigid(0.0, centre) @ matrix @ rigid(0.0, -np.asarray(centre))


def fit(
    source: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray | None = None,
    scale: bool = False,
    reflect: bool = False,
) -> Matrix:
    """Fit the transform that brings `source` (n x 2) closest to `target` (n x 2) in weighted least squares.

    In the plane the solution of Kabsch (Acta Cryst A32:922, 1976), with `scale` that of Umeyama (IEEE PAMI 13:376,
    1991), has a closed form: the angle of (sum of dot products, sum of cross products) of the centred points. The
    solution is mirrored only with `reflect`.

    Raises
    ------
    InputError
        For fewer than two pairs, or when all points of one set are equal, so that no angle is best.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    weight = np.ones(len(source)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(source) < 2 or len(source) != len(target) or not weight.sum() > 0:
        raise InputError("pairs of points", f"{len(source)} and {len(target)} points", "at least 2 pairs with weight")
    weight = weight / weight.sum()
    mirrored = source * (1.0, -1.0) if reflect else source
    from_mean, to_mean = weight @ mirrored, weight @ target
    a, b = mirrored - from_mean, target - to_mean
    dot = float(weight @ (a * b).sum(axis=1))
    cross = float(weight @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]))
    variance = float(weight @ (a * a).sum(axis=1))
    # Rounding leaves differences between equal points far from the origin.
    least = [(EQUAL * np.abs(points[weight > 0]).max()) ** 2 for points in (source, target)]
    if not variance > least[0] or not float(weight @ (b * b).sum(axis=1)) > least[1]:
        raise InputError("pairs of points", "all points of one set are equal", "points that differ")
    factor = float(np.hypot(dot, cross)) / variance if scale else 1.0
    matrix = rigid(float(np.arctan2(cross, dot)), (0.0, 0.0), factor)
    matrix[:2, 2] = to_mean - matrix[:2, :2] @ from_mean
    return matrix @ np.diag([1.0, -1.0, 1.0]) if reflect else matrix


def disagreement(one: Matrix, other: Matrix, points: np.ndarray) -> float:
    """Return the root mean square distance between `points` transformed by `one` and `other`, in radii of the former.

    The radius is the root mean square distance of the transformed points from their mean.
    """
    first, second = apply(one, points), apply(other, points)
    squared_radius = np.mean(((first - first.mean(axis=0)) ** 2).sum(axis=1))
    return float(np.sqrt(np.mean(((first - second) ** 2).sum(axis=1)) / squared_radius))
