"""Nearest neighbours in feature space: within one set of spots, between two sets, and mutual ones."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import from_edges
from spatialweave.graphs.nearest import nearest
from spatialweave.io.notices import warn

DISTANCES = ("euclidean", "correlation")

SPARE_CANDIDATES = 8
"""Extra candidates whose distances are recomputed in float64, since faiss ranks in float32."""


def feature_knn(features: np.ndarray, k: int, metric: str = "euclidean") -> sparse.csr_matrix:
    """Find the k nearest spots of each spot in feature space, without the spot itself.

    Parameters
    ----------
    features
        Spots x dimensions, finite.
    metric
        ``euclidean``, or ``correlation`` (1 - Pearson correlation of the two rows; 1 for a constant row).

    Returns
    -------
    CSR matrix, spots x spots, float64: row i contains the distances from i to its k nearest spots (directed). Ties go
    to the earlier spot. If there are no more than k other spots, all of them are used, with a warning.
    """
    if k >= len(features):
        warn("features", f"{len(features) - 1} neighbours per spot instead of {k}: {len(features)} spots were measured")
        k = len(features) - 1
    prepared = _prepare(features, metric)
    target, distance = _search(prepared, prepared, k, metric, itself=True)
    return from_edges(np.repeat(np.arange(len(features)), k), target.ravel(), distance.ravel(), len(features))


def nearest_in(
    queries: np.ndarray, reference: np.ndarray, k: int, metric: str = "euclidean"
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and distances (queries x k) of the nearest rows of `reference`, nearest first.

    Ties go to the earlier row. `k` is lowered to the number of rows of `reference` if it has fewer.
    """
    return _search(_prepare(queries, metric), _prepare(reference, metric), min(k, len(reference)), metric, itself=False)


def mutual_nearest_neighbours(a: np.ndarray, b: np.ndarray, k: int, metric: str = "euclidean") -> np.ndarray:
    """Find rows of `a` and `b` that are among each other's k nearest (Haghverdi et al., Nat Biotechnol 36:421).

    Returns pairs x 2 (int64, row of `a` and row of `b`), sorted.
    """
    forward, _ = nearest_in(a, b, k, metric)
    backward, _ = nearest_in(b, a, k, metric)
    ahead = np.repeat(np.arange(len(a)), forward.shape[1]) * len(b) + forward.ravel()
    back = backward.ravel() * len(b) + np.repeat(np.arange(len(b)), backward.shape[1])
    both = np.intersect1d(ahead, back)
    return np.column_stack([both // len(b), both % len(b)])


def _prepare(features: np.ndarray, metric: str) -> np.ndarray:
    """Return float64 rows whose Euclidean order is that of `metric`."""
    if metric not in DISTANCES:
        raise InputError("metric", f"'{metric}' is not known", "one of " + ", ".join(DISTANCES))
    values = np.asarray(features, dtype=np.float64)
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise InputError(f"features, row {row + 1}", "a value is not finite", "finite numbers")
    if metric == "euclidean":
        return values
    values = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > 1e-12 * np.abs(features).max())


def _search(
    queries: np.ndarray, reference: np.ndarray, k: int, metric: str, itself: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and distances (queries x k); with `itself`, row i is not a neighbour of query i."""
    if k < 1:
        return np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0))
    n_candidates = min(k + itself + SPARE_CANDIDATES, len(reference))
    candidates = _candidates(queries, reference, n_candidates, metric)
    target = np.empty((len(queries), k), dtype=np.int64)
    distance = np.empty((len(queries), k))
    for start in range(0, len(queries), 4096):
        rows = slice(start, start + 4096)
        block = candidates[rows]
        exact = _distances(queries[rows], reference[block], metric)
        if itself:
            exact[block == np.arange(len(queries))[rows, None]] = np.inf
        order = np.lexsort((block, exact), axis=-1)[:, :k]
        target[rows] = np.take_along_axis(block, order, axis=1)
        distance[rows] = np.take_along_axis(exact, order, axis=1)
    return target, distance


def _distances(rows: np.ndarray, others: np.ndarray, metric: str) -> np.ndarray:
    """Return the distance of each row (n x d) to each of its candidates (n x c x d)."""
    if metric == "correlation":
        return np.clip(1.0 - np.einsum("nd,ncd->nc", rows, others), 0.0, 2.0)
    return np.sqrt(((rows[:, None, :] - others) ** 2).sum(axis=2))


def _candidates(queries: np.ndarray, reference: np.ndarray, n_candidates: int, metric: str) -> np.ndarray:
    """Return likely nearest rows of `reference`."""
    if metric == "correlation" and not reference.any(axis=1).all():
        return _without_constant(queries, reference, n_candidates)
    return _nearest(queries, reference, n_candidates)


def _without_constant(queries: np.ndarray, reference: np.ndarray, n_candidates: int) -> np.ndarray:
    """Return candidates by correlation of which constant rows are the last: at the origin, they are near all others."""
    constant = ~reference.any(axis=1)
    varying, n_varying = np.flatnonzero(~constant), min(n_candidates, int((~constant).sum()))
    last = np.flatnonzero(constant)[: n_candidates - n_varying]
    found = np.empty((len(queries), n_candidates), dtype=np.int64)
    found[:, n_varying:] = last
    if n_varying:
        found[:, :n_varying] = varying[_nearest(queries, reference[varying], n_varying)]
    return found


def _nearest(queries: np.ndarray, reference: np.ndarray, n_candidates: int) -> np.ndarray:
    # Centred and scaled, because float32 loses small differences beside a large offset.
    centre = reference.mean(axis=0)
    scale = np.abs(reference - centre).max() or 1.0
    return nearest((queries - centre) / scale, (reference - centre) / scale, n_candidates)[0]
