"""Graphs over spots by their coordinates, section by section: an edge never joins two sections.

All functions take `coordinates` (spots x 2, platform units) and `sections` (one name or code per spot). They return a
CSR matrix (float64, spots x spots) whose row i contains the distances from spot i to its neighbours, without itself.
Spots with the same coordinates are neighbours at a stored distance of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse
from scipy.spatial import Delaunay, QhullError, cKDTree

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import from_edges
from spatialweave.io.layout import spacing
from spatialweave.io.notices import warn

TIE_PRECISION = 1e-9
"""Distances that differ by less than this fraction of the spots' spacing count as equal."""

MAX_TIE_CANDIDATES = 1024
"""Ties are searched among this many nearest spots; among more at the same coordinates the tree's order decides."""

MAX_MEAN_DEGREE = 500
"""A radius with a larger mean number of neighbours per spot is refused."""

LONG_EDGE = 3.0
"""Delaunay edges longer than this many times the section's median edge bridge gaps and hulls, and are removed."""

ROWS_AT_ONCE = 200_000

Edges = tuple[np.ndarray, np.ndarray, np.ndarray]


def knn(coordinates: np.ndarray, sections: np.ndarray, k: int) -> sparse.csr_matrix:
    """Find the k nearest spots of each spot, exactly k per row (directed); none if k is 0.

    Ties, which occur at every border of a lattice, go to the spot with the lower x, then the lower y, then the earlier
    spot. So the graph depends on the coordinates and not on the order of the spots. In a section of k spots or fewer
    all others are neighbours, with a warning.
    """
    return _by_section(coordinates, sections, lambda points, name: _knn_edges(points, k, name))


def radius(coordinates: np.ndarray, sections: np.ndarray, units: float) -> sparse.csr_matrix:
    """Find all spots within `units` times the section's median spot spacing (symmetric).

    Raises
    ------
    InputError
        When spots would have more than :data:`MAX_MEAN_DEGREE` neighbours on average.
    """
    return _by_section(coordinates, sections, lambda points, name: _radius_edges(points, units, name))


def delaunay(coordinates: np.ndarray, sections: np.ndarray) -> sparse.csr_matrix:
    """Return the edges of the Delaunay triangulation without those longer than :data:`LONG_EDGE` median edges
    (symmetric).

    Among several spots with the same coordinates the first is triangulated and the others are joined to it. A section
    whose spots are on one line has no triangles; its spots are joined to their two nearest, with a warning. On a square
    lattice the choice between the two diagonals of a square is arbitrary.
    """
    return _by_section(coordinates, sections, _delaunay_edges)


def rows_by_group(groups: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of every group of spots, e.g. a section, and the ascending indices of its spots, sorted by name.

    Numbers are sorted as text.
    """
    names, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    yield from zip(names.tolist(), np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True)


def _by_section(
    coordinates: np.ndarray, sections: np.ndarray, build: Callable[[np.ndarray, str], Edges]
) -> sparse.csr_matrix:
    """Build each section's edges separately and combine them block by block."""
    points = np.asarray(coordinates, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(wrong):
        raise InputError(
            f"coordinates, spot {wrong[0] + 1}", f"{len(wrong)} spots have no finite coordinates", "finite x and y"
        )
    parts = []
    for name, rows in rows_by_group(sections):
        source, target, distance = build(points[rows], name)
        parts.append((rows[source], rows[target], distance))
    source, target, distance = (np.concatenate(column) for column in zip(*parts, strict=True))
    return from_edges(source, target, distance, len(points))


def _knn_edges(points: np.ndarray, k: int, section: str) -> Edges:
    n_spots = len(points)
    if k >= n_spots:
        warn(f"section '{section}'", f"{n_spots - 1} neighbours per spot instead of {k}: it has {n_spots} spots")
        k = n_spots - 1
    if k < 1:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    tree = cKDTree(points)
    rank = np.empty(n_spots, dtype=np.int64)
    rank[np.lexsort((np.arange(n_spots), points[:, 1], points[:, 0]))] = np.arange(n_spots)
    unit = TIE_PRECISION * (spacing(points) or 1.0)
    blocks = [
        _nearest(tree, points, np.arange(start, min(start + ROWS_AT_ONCE, n_spots)), k, rank, unit)
        for start in range(0, n_spots, ROWS_AT_ONCE)
    ]
    target = np.concatenate([block[0] for block in blocks])
    distance = np.concatenate([block[1] for block in blocks])
    return np.repeat(np.arange(n_spots), k), target.ravel(), distance.ravel()


def _nearest(
    tree: cKDTree, points: np.ndarray, rows: np.ndarray, k: int, rank: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k nearest of `rows` and their distances (rows x k), ties by `rank`."""
    target = np.empty((len(rows), k), dtype=np.int64)
    distance = np.empty((len(rows), k))
    open_rows = np.arange(len(rows))
    n_candidates = k + 5
    while len(open_rows):
        n_candidates = min(n_candidates, tree.n)
        found, candidates = tree.query(points[rows[open_rows]], k=n_candidates)
        steps = np.round(found / unit)
        farthest = steps[:, -1].copy()
        steps[candidates == rows[open_rows, None]] = np.inf
        order = np.lexsort((rank[candidates], steps), axis=-1)[:, :k]
        target[open_rows] = np.take_along_axis(candidates, order, axis=1)
        distance[open_rows] = np.take_along_axis(found, order, axis=1)
        if n_candidates in (tree.n, MAX_TIE_CANDIDATES + k):
            break
        # A spot beyond the candidates may tie with the last chosen one: search further, for those rows only.
        chosen = np.take_along_axis(steps, order[:, -1:], axis=1)[:, 0]
        open_rows = open_rows[farthest <= chosen]
        n_candidates = min(4 * n_candidates, MAX_TIE_CANDIDATES + k)
    return target, distance


def _radius_edges(points: np.ndarray, units: float, section: str) -> Edges:
    tree = cKDTree(points)
    limit = units * spacing(points) * (1.0 + TIE_PRECISION)
    degree = tree.count_neighbors(tree, limit) / len(points) - 1.0
    if degree > MAX_MEAN_DEGREE:
        raise InputError(
            f"recipe, spatial.radius, section '{section}'",
            f"radius {units} gives {degree:.0f} neighbours per spot",
            f"at most {MAX_MEAN_DEGREE}",
            "choose a smaller radius (it counts in median spot spacings)",
        )
    return _both_ways(points, tree.query_pairs(limit, output_type="ndarray").astype(np.int64))


def _delaunay_edges(points: np.ndarray, section: str) -> Edges:
    distinct, first, index_of = np.unique(points, axis=0, return_index=True, return_inverse=True)
    index_of = index_of.ravel()
    extra = np.setdiff1d(np.arange(len(points)), first)
    duplicates = np.column_stack([first[index_of[extra]], extra])
    try:
        # Centred, because Qhull loses precision with a large offset.
        triangulation = Delaunay(distinct - distinct.mean(axis=0))
    except (QhullError, ValueError):
        problem = "has no triangulation (too few spots, or all on one line); spots are joined to their 2 nearest"
        warn(f"section '{section}'", problem)
        return _symmetric(_knn_edges(points, min(2, len(points) - 1), section), len(points))
    pairs = np.concatenate([triangulation.simplices[:, [0, 1]], triangulation.simplices[:, [1, 2]],
                            triangulation.simplices[:, [0, 2]]])  # fmt: skip
    pairs = np.unique(np.sort(pairs, axis=1), axis=0).astype(np.int64)
    length = np.linalg.norm(distinct[pairs[:, 0]] - distinct[pairs[:, 1]], axis=1)
    pairs = pairs[length <= LONG_EDGE * np.median(length)]
    # Points that Qhull set aside as too close to a vertex are joined to that vertex.
    aside = triangulation.coplanar[:, [0, 2]].astype(np.int64)
    return _both_ways(points, np.concatenate([first[np.concatenate([pairs, aside])], duplicates]))


def _both_ways(points: np.ndarray, pairs: np.ndarray) -> Edges:
    """Return each pair as two edges, with its distance."""
    source, target = np.concatenate([pairs, pairs[:, ::-1]]).T
    return source, target, np.linalg.norm(points[source] - points[target], axis=1)


def _symmetric(edges: Edges, n_spots: int) -> Edges:
    """Add the reverse of every edge that lacks it."""
    source, target, distance = (np.concatenate(column) for column in zip(edges, _reverse(edges), strict=True))
    _, kept = np.unique(source * n_spots + target, return_index=True)
    return source[kept], target[kept], distance[kept]


def _reverse(edges: Edges) -> Edges:
    return edges[1], edges[0], edges[2]
