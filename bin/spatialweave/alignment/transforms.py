"""Similarity transforms of the plane as 3 x 3 matrices of homogeneous coordinates."""

from __future__ import annotations

import numpy as np

from spatialweave.errors import InputError

LARGEST_RESCALING = 1.25
"""Refinement with a free scale stays within this factor of its start: without a bound two sets of places can always be
brought together by shrinking one of them to a dot."""

Matrix = np.ndarray
"""3 x 3, float64; the last row is 0, 0, 1. A point p becomes `(matrix @ [x, y, 1])[:2]`."""


def apply(matrix: Matrix, points: np.ndarray) -> np.ndarray:
    """The transformed `points` (n x 2, float64)."""
    return np.asarray(points, dtype=np.float64) @ matrix[:2, :2].T + matrix[:2, 2]


def rigid(angle: float, shift: np.ndarray | tuple[float, float], scale: float = 1.0, reflect: bool = False) -> Matrix:
    """Mirror y (when `reflect`), scale, turn by `angle` (radians, from x towards y) about the origin, then shift."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    side = -1.0 if reflect else 1.0
    return np.array([[cos, -side * sin, shift[0]], [sin, side * cos, shift[1]], [0.0, 0.0, 1.0]])


def decompose(matrix: Matrix) -> tuple[float, np.ndarray, float, bool]:
    """Angle (radians, -pi to pi), shift, scale and reflection: what :func:`rigid` makes the matrix of."""
    reflect = bool(np.linalg.det(matrix[:2, :2]) < 0)
    angle = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    return angle, matrix[:2, 2].copy(), float(np.hypot(matrix[0, 0], matrix[1, 0])), reflect


def about(matrix: Matrix, centre: np.ndarray) -> Matrix:
    """`matrix` with `centre` instead of the origin as the point that it turns, scales and mirrors about."""
    there, back = rigid(0.0, centre), rigid(0.0, -np.asarray(centre))
    return there @ matrix @ back


def fit(
    source: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray | None = None,
    scale: bool = False,
    reflect: bool = False,
) -> Matrix:
    """The transform that brings `source` (n x 2) closest to `target` (n x 2) in weighted least squares.

    In the plane the solution of Kabsch (Acta Cryst A32:922, 1976), with `scale` that of Umeyama (IEEE PAMI 13:376,
    1991), has a closed form: the angle of (sum of dot products, sum of cross products) of the centred points. A
    mirrored solution is given with `reflect`, and only then.

    Raises
    ------
    InputError
        For fewer than two pairs, or when all points of one side share one place: no angle is best.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    share = np.ones(len(source)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(source) < 2 or len(source) != len(target) or not share.sum() > 0:
        raise InputError("pairs of places", f"{len(source)} and {len(target)} places", "at least 2 pairs with weight")
    share = share / share.sum()
    mirrored = source * (1.0, -1.0) if reflect else source
    from_mean, to_mean = share @ mirrored, share @ target
    a, b = mirrored - from_mean, target - to_mean
    dot = float(share @ (a * b).sum(axis=1))
    cross = float(share @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]))
    spread = float(share @ (a * a).sum(axis=1))
    if not spread > 0 or not (b[share > 0] != 0).any():
        raise InputError("pairs of places", "all places of one side are the same", "places that differ")
    factor = float(np.hypot(dot, cross)) / spread if scale else 1.0
    matrix = rigid(float(np.arctan2(cross, dot)), (0.0, 0.0), factor)
    matrix[:2, 2] = to_mean - matrix[:2, :2] @ from_mean
    return matrix @ np.diag([1.0, -1.0, 1.0]) if reflect else matrix


def disagreement(one: Matrix, other: Matrix, places: np.ndarray) -> float:
    """Root mean square distance between the `places` as laid by two transforms, in radii of the section as laid."""
    gap = apply(one, places) - apply(other, places)
    laid = apply(one, places)
    radius = np.mean(((laid - laid.mean(axis=0)) ** 2).sum(axis=1))
    return float(np.sqrt(np.mean((gap**2).sum(axis=1)) / radius))
