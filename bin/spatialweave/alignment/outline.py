"""The outline of a section: the spots on the border of its alpha shape."""

from __future__ import annotations

import numpy as np
from scipy.spatial import Delaunay, QhullError

REACH = 2.5
"""Triangles with a circumscribed circle larger than this many times the median circle span gaps, not tissue."""


def outline(points: np.ndarray, reach: float = REACH) -> np.ndarray:
    """Return the spots on the border of the tissue, of its holes and of its islands (ascending indices, int64).

    The alpha shape (Edelsbrunner, Kirkpatrick and Seidel, IEEE Trans Inf Theory 29:551, 1983) is the union of the
    Delaunay triangles with a small circumscribed circle. Its border consists of the edges that belong to only one of
    these triangles. A circle is small if its radius is at most `reach` times the median radius. The median is
    proportional to the spot spacing on any lattice and also for scattered cells, whose nearest neighbours are too close
    to give it. It does not depend on the units.

    Among several spots with equal coordinates only the first can be on the outline. Groups of fewer than three spots
    enclose no tissue and are left out. Without any triangle (all spots on one line) all spots are on the outline.
    """
    distinct, first = np.unique(np.asarray(points, dtype=np.float64), axis=0, return_index=True)
    everything = np.sort(first).astype(np.int64)
    if len(distinct) < 3:
        return everything
    try:
        # Centred, because Qhull loses precision with a large offset.
        triangles = Delaunay(distinct - distinct.mean(axis=0)).simplices
    except (QhullError, ValueError):
        return everything
    radius = circumradius(distinct[triangles])
    finite = np.isfinite(radius)
    if not finite.any():
        return everything
    kept = triangles[finite & (radius <= reach * np.median(radius[finite]))]
    edges = np.sort(np.concatenate([kept[:, [0, 1]], kept[:, [1, 2]], kept[:, [0, 2]]]), axis=1)
    pairs, times = np.unique(edges, axis=0, return_counts=True)
    return np.unique(first[pairs[times == 1].ravel()]).astype(np.int64)


def circumradius(corners: np.ndarray) -> np.ndarray:
    """Return the radius of the circle through each triangle (triangles x 3 x 2): abc / (4 area); inf without area."""
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    sides = np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1) * np.linalg.norm(u - v, axis=1)
    area = 0.5 * np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    # Points of a lattice on one line can form a triangle whose area is only rounding error.
    flat = area <= 1e-12 * (u**2 + v**2).sum(axis=1)
    return np.where(flat, np.inf, sides / (4.0 * np.where(flat, 1.0, area)))
