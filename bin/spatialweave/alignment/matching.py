"""Pairs of spots of two aligned sections that show the same place, by embedding and position.

A pair (i, j) within the radius scores ``(cosine + 1) / (2 temperature) - spatial_weight d² / 2`` (d in spot spacings of
the coarser section). A transport plan with a dustbin (:mod:`~spatialweave.alignment.transport`) turns scores into
masses, which makes spots compete; a pair is accepted when each spot is among the other's `top` best and the pair holds
more mass than either spot gives the dustbin.

This follows the matching layer of SpatialFuser (bioRxiv 2025.09.14.676067). What differs by default, and why, is in
``docs/alignment_matching.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from spatialweave.alignment.candidates import (
    Candidates,
    check_sides,
    find_candidates,
    pair_blocks,
    shared_spacing,
)
from spatialweave.alignment.match_settings import MatchSettings, check
from spatialweave.alignment.transport import Plan, sinkhorn

DEVIATIONS = 2.5
"""A pair that scores so many standard deviations below the typical best pair is better off in the dustbin."""

TO_SD = 1.4826
"""Standard deviation of a normal distribution per median absolute deviation."""

TIE = 1e-9
"""Masses and distances that differ by less than this share count as equal."""


@dataclass(frozen=True)
class Matches:
    """Pairs of spots, by a and then b.

    Attributes
    ----------
    a, b
        Indices of the spots in their sections (int64): all pairs that are mutually among the best.
    score
        Mass of the pair: the share of either spot's own mass, 0 to 1 (float64).
    accepted
        Whether the pair also beats the dustbin on both sides.
    cosine, distance
        Of the embeddings, and of the positions in units of the coordinates (float64).
    dustbin_a, dustbin_b
        Share of every spot's mass that went to the dustbin; 1 where a spot has no candidate.
    record
        Facts for the run's record: spacing, radius, candidates, dustbin score, sweeps, error.
    """

    a: np.ndarray
    b: np.ndarray
    score: np.ndarray
    accepted: np.ndarray
    cosine: np.ndarray
    distance: np.ndarray
    dustbin_a: np.ndarray
    dustbin_b: np.ndarray
    record: dict[str, float]


def match(
    embedding_a: np.ndarray,
    embedding_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    settings: MatchSettings | None = None,
) -> Matches:
    """Match the spots of two sections whose coordinates are in one frame.

    Parameters
    ----------
    embedding_a, embedding_b
        spots x dimensions, the same dimensions in both.
    points_a, points_b
        spots x 2, in one frame, any units.

    Raises
    ------
    InputError
        For settings out of range, shapes that do not fit and values that are not finite.
    """
    settings = settings or MatchSettings()
    candidates, plan, record = _transport(embedding_a, embedding_b, points_a, points_b, settings)
    if plan is None:
        none, empty = np.empty(0, dtype=np.int64), np.empty(0)
        lost_a, lost_b = np.ones(candidates.n_a), np.ones(candidates.n_b)
        return Matches(none, none, empty, empty.astype(bool), empty, empty, lost_a, lost_b, record)
    return _select(candidates, plan, points_a, points_b, settings, record)


def counterparts(
    embedding_a: np.ndarray,
    embedding_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    settings: MatchSettings,
) -> sparse.csr_matrix:
    """The transport plan itself: the share of either spot's mass that each pair holds (spots of a x spots of b).

    Rows and columns sum to 1 less what goes to the dustbin. Arguments and errors as for :func:`match`.
    """
    candidates, plan, _ = _transport(embedding_a, embedding_b, points_a, points_b, settings)
    shape = (candidates.n_a, candidates.n_b)
    if plan is None:
        return sparse.csr_matrix(shape)
    return sparse.csr_matrix((plan.mass, (candidates.a, candidates.b)), shape=shape)


def nearest_only(points_a: np.ndarray, points_b: np.ndarray, radius: float) -> Matches:
    """The control without embeddings: pairs of spots that are each other's nearest, at most `radius` spacings apart.

    Where several spots are equally near, the pair whose b lies the least to the right of its a (then the least above)
    goes first, so that a lattice shifted by half a spacing still pairs up. The score is 1 at distance 0, 0 at `radius`.
    """
    points_a, points_b = np.asarray(points_a, np.float64), np.asarray(points_b, np.float64)
    check_sides(points_a, points_b, points_a, points_b)
    check(MatchSettings(radius=radius))
    radius *= shared_spacing(points_a, points_b)
    kept = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    if len(points_a) and len(points_b):
        limit_a = cKDTree(points_b).query(points_a)[0] + TIE * radius
        limit_b = cKDTree(points_a).query(points_b)[0] + TIE * radius
        for a, b, distance in pair_blocks(points_a, points_b, radius):
            nearest = (distance <= limit_a[a]) & (distance <= limit_b[b])
            kept.append((a[nearest], b[nearest], distance[nearest]))
    a, b, distance = (np.concatenate(column) for column in zip(*kept, strict=True))
    value = 1.0 - distance / radius
    chosen = mutual_best(a, b, value, points_b[b] - points_a[a], 1)
    chosen = chosen[np.argsort(a[chosen])]
    a, b, value, distance = a[chosen], b[chosen], value[chosen], distance[chosen]
    lost_a, lost_b = np.ones(len(points_a)), np.ones(len(points_b))
    lost_a[a] = lost_b[b] = 0.0
    accepted = np.ones(len(a), dtype=bool)
    return Matches(a, b, value, accepted, np.full(len(a), np.nan), distance, lost_a, lost_b, {"radius": radius})


def pair_scores(candidates: Candidates, spacing: float, settings: MatchSettings) -> np.ndarray:
    """Score of every candidate pair: ``(cosine + 1) / (2 temperature) - spatial_weight d² / 2`` (float64)."""
    likeness = (candidates.cosine.astype(np.float64) + 1.0) / (2.0 * settings.temperature)
    return likeness - 0.5 * settings.spatial_weight * (candidates.distance / spacing) ** 2


def dustbin_score(candidates: Candidates, scores: np.ndarray, settings: MatchSettings) -> float:
    """The dustbin's score after ``settings.dustbin``.

    ``auto`` takes the best score of every spot that has a candidate, of both sections, and goes 2.5 robust standard
    deviations (from the median absolute deviation), but at least epsilon, below their median.
    """
    if settings.dustbin == "median":
        return float(np.sort(scores)[(len(scores) - 1) // 2])
    if settings.dustbin != "auto":
        return float(settings.dustbin)
    best_a, best_b = np.full(candidates.n_a, -np.inf), np.full(candidates.n_b, -np.inf)
    np.maximum.at(best_a, candidates.a, scores)
    np.maximum.at(best_b, candidates.b, scores)
    best = np.concatenate([best_a, best_b])
    best = best[np.isfinite(best)]
    middle = float(np.median(best))
    spread = TO_SD * float(np.median(np.abs(best - middle)))
    return middle - max(DEVIATIONS * spread, settings.epsilon)


def mutual_best(a: np.ndarray, b: np.ndarray, value: np.ndarray, shift: np.ndarray, top: int) -> np.ndarray:
    """Indices of the pairs that are among the `top` highest of both their spots; ties by `shift` (pairs x 2), b - a.

    Ties must be broken by something that a pair's two spots share, or regular lattices would pair up none of them.
    """
    steps = TIE * max(float(np.abs(shift).max(initial=0.0)), np.finfo(np.float64).tiny)
    order = np.lexsort((*np.round(shift / steps).T[::-1], -np.round(value / TIE)))
    chosen = np.ones(len(a), dtype=bool)
    for spot in (a, b):
        by_spot = order[np.argsort(spot[order], kind="stable")]
        first = np.flatnonzero(np.diff(spot[by_spot], prepend=-1))
        rank = np.arange(len(by_spot)) - np.repeat(first, np.diff(first, append=len(by_spot)))
        chosen[by_spot] &= rank < top
    return np.flatnonzero(chosen)


def _transport(
    embedding_a: np.ndarray,
    embedding_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    settings: MatchSettings,
) -> tuple[Candidates, Plan | None, dict[str, float]]:
    """The candidate pairs, their transport plan (None without candidates) and the facts for the record."""
    check(settings)
    check_sides(embedding_a, embedding_b, points_a, points_b)
    spacing = shared_spacing(points_a, points_b)
    # Candidates rank by the score: cosine and distance in its proportions.
    penalty = settings.temperature * settings.spatial_weight / spacing**2
    candidates = find_candidates(
        embedding_a, embedding_b, points_a, points_b, settings.radius * spacing, settings.cap, penalty
    )
    record = {"spacing": spacing, "radius": settings.radius * spacing, "candidates": float(len(candidates))}
    if len(candidates) == 0:
        return candidates, None, record
    scores = pair_scores(candidates, spacing, settings)
    dustbin = dustbin_score(candidates, scores, settings)
    # One corner holds the dustbins' mass of all spots; without this term it takes more of it, the more spots there are,
    # and with 10,000 spots a pair would need a score of 9 epsilon above the dustbin's to keep half of its mass.
    extra = 0.5 * settings.epsilon * np.log(candidates.n_a * candidates.n_b) if settings.size_free else 0.0
    plan = sinkhorn(
        candidates.a,
        candidates.b,
        scores,
        candidates.n_a,
        candidates.n_b,
        dustbin,
        settings.epsilon,
        corner=dustbin + extra,
        outside=settings.outside,
        tolerance=settings.tolerance,
        max_sweeps=settings.max_sweeps,
    )
    return candidates, plan, record | {"dustbin": dustbin, "sweeps": float(plan.sweeps), "error": plan.error}


def _select(
    candidates: Candidates,
    plan: Plan,
    points_a: np.ndarray,
    points_b: np.ndarray,
    settings: MatchSettings,
    record: dict[str, float],
) -> Matches:
    """The pairs that are mutually among the best, and whether they beat the dustbin on both sides."""
    shift = np.asarray(points_b, np.float64)[candidates.b] - np.asarray(points_a, np.float64)[candidates.a]
    chosen = mutual_best(candidates.a, candidates.b, plan.mass, shift, settings.top)
    a, b, mass = candidates.a[chosen], candidates.b[chosen], plan.mass[chosen]
    accepted = np.ones(len(a), dtype=bool)
    if settings.reject:
        accepted = (mass > plan.dustbin_a[a]) & (mass > plan.dustbin_b[b])
    return Matches(
        a,
        b,
        mass,
        accepted,
        candidates.cosine[chosen].astype(np.float64),
        candidates.distance[chosen],
        plan.dustbin_a,
        plan.dustbin_b,
        record,
    )
