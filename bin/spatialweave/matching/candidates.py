"""Candidate pairs of spots of two sections: the pairs within a radius that have the most similar embeddings.

Time and memory grow with the number of pairs within the radius. Only the capped pairs are kept; the others are held one
block at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import rank_within_spot
from spatialweave.io.layout import spacing
from spatialweave.matching.spot_pairs import pair_blocks

CAP = 64
"""Default number of candidates per spot; about 28 spots of a square grid are within 3 spacings."""


@dataclass(frozen=True)
class CandidatePairs:
    """Candidate pairs (a, b), sorted by a and then b.

    Attributes
    ----------
    a, b
        Indices of the spots in their sections (int64).
    cosine
        Cosine of the two embeddings (float32); 0 where either is all zero.
    distance
        Distance of the two spots, in units of the coordinates (float64).
    n_a, n_b
        Number of spots of the two sections.
    """

    a: np.ndarray
    b: np.ndarray
    cosine: np.ndarray
    distance: np.ndarray
    n_a: int
    n_b: int

    def __len__(self) -> int:
        return len(self.a)


def find_candidates(
    embedding_a: np.ndarray,
    embedding_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    radius: float,
    cap: int = CAP,
    penalty: float = 0.0,
) -> CandidatePairs:
    """Return the pairs at most `radius` apart that are among the best `cap` of either spot.

    Parameters
    ----------
    embedding_a, embedding_b
        spots x dimensions, the same dimensions in both.
    points_a, points_b
        spots x 2, aligned coordinates.
    radius
        In units of the coordinates (see :func:`shared_spacing` for a radius in spot spacings).
    cap
        A pair is kept when it is among the best `cap` of its a or of its b, so that swapping the sections keeps the
        same pairs. At most ``cap * (spots of a + spots of b)`` pairs are kept.
    penalty
        Pairs rank by cosine minus `penalty` times their squared distance.

    Raises
    ------
    InputError
        For shapes that do not match, values that are not finite, or a radius that contains too many spots.
    """
    check_sections(embedding_a, embedding_b, points_a, points_b)
    if not (np.isfinite(radius) and radius > 0):
        raise InputError("matching radius", f"{radius}", "a number above 0")
    if cap < 1:
        raise InputError("matching, cap", f"{cap}", "1 or more")
    n_a, n_b = len(points_a), len(points_b)
    units_a, units_b = unit_rows(embedding_a), unit_rows(embedding_b)
    points_a, points_b = np.asarray(points_a, np.float64), np.asarray(points_b, np.float64)
    pairs, capped = _best(units_a, units_b, points_a, points_b, radius, cap, penalty)
    if capped:
        mirrored, _ = _best(units_b, units_a, points_b, points_a, radius, cap, penalty)
        pairs = _union(pairs, (mirrored[1], mirrored[0], *mirrored[2:]), n_b)
    return CandidatePairs(*pairs, n_a, n_b)


def unit_rows(embedding: np.ndarray) -> np.ndarray:
    """Return the rows scaled to length 1 (float32); all-zero rows stay zero."""
    values = np.asarray(embedding, dtype=np.float32)
    # Divide by the largest entry first, because squares of very large or small entries leave float32's range.
    values = values / np.maximum(np.abs(values).max(axis=1, initial=0.0, keepdims=True), np.finfo(np.float32).tiny)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.ascontiguousarray(values / np.where(length > 0, length, 1.0), dtype=np.float32)


def shared_spacing(points_a: np.ndarray, points_b: np.ndarray) -> float:
    """Return the unit of radii: the spot spacing of the coarser section, or 1 if neither section has a spacing."""
    return max((spacing(np.asarray(points, np.float64)) for points in (points_a, points_b)), default=0.0) or 1.0


def check_sections(
    embedding_a: np.ndarray, embedding_b: np.ndarray, points_a: np.ndarray, points_b: np.ndarray
) -> None:
    """Raise an InputError for embeddings and coordinates whose shapes do not match or that are not finite."""
    for name, embedding, points in (("first", embedding_a, points_a), ("second", embedding_b, points_b)):
        where = f"matching, {name} section"
        if np.ndim(points) != 2 or np.shape(points)[1] != 2:
            raise InputError(where, f"coordinates of shape {np.shape(points)}", "spots x 2")
        if np.ndim(embedding) != 2 or len(embedding) != len(points):
            raise InputError(
                where, f"an embedding of shape {np.shape(embedding)} for {len(points)} spots", "spots x dimensions"
            )
        for what, values in (("coordinates are", points), ("embedding is", embedding)):
            wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
            if len(wrong):
                raise InputError(f"{where}, spot {wrong[0] + 1}", f"its {what} not finite", "finite numbers")
    if np.shape(embedding_a)[1] != np.shape(embedding_b)[1]:
        raise InputError(
            "matching",
            f"embeddings of {np.shape(embedding_a)[1]} and {np.shape(embedding_b)[1]} dimensions",
            "the same dimensions in both sections",
        )


Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _best(
    units_a: np.ndarray,
    units_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    radius: float,
    cap: int,
    penalty: float,
) -> tuple[Pairs, bool]:
    """Return the best `cap` pairs of every spot of a, sorted, and whether the cap excluded any."""
    parts: list[Pairs] = []
    capped = False
    for a, b, distance in pair_blocks(points_a, points_b, radius):
        cosine = np.einsum("ij,ij->i", units_a[a], units_b[b])
        order = np.lexsort((b, distance, penalty * distance**2 - cosine, a))
        rank = rank_within_spot(a[order])
        capped |= bool((rank >= cap).any())
        kept = order[rank < cap]
        parts.append((a[kept], b[kept], cosine[kept], distance[kept]))
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return (none, none, np.empty(0, dtype=np.float32), np.empty(0)), False
    a, b, cosine, distance = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _sorted((a, b, cosine, distance), len(points_b)), capped


def _sorted(pairs: Pairs, n_b: int) -> Pairs:
    order = np.argsort(pairs[0] * n_b + pairs[1], kind="stable")
    a, b, cosine, distance = (column[order] for column in pairs)
    return a, b, cosine, distance


def _union(first: Pairs, second: Pairs, n_b: int) -> Pairs:
    pairs = [np.concatenate(columns) for columns in zip(first, second, strict=True)]
    _, kept = np.unique(pairs[0] * n_b + pairs[1], return_index=True)
    a, b, cosine, distance = (column[kept] for column in pairs)
    return a, b, cosine, distance
