"""Matching the spots of two aligned sections by embedding and coordinates.

A pair (i, j) within the radius scores ``(cosine + 1) / (2 temperature) - spatial_weight d² / 2`` (d in spot spacings of
the coarser section). A transport plan with a dustbin (:mod:`~spatialweave.matching.transport`) turns scores into
masses, so that spots compete for partners. A pair is accepted when each spot is the other's best (where pairs are few:
among the other's 2, 3, ... `top` best) and the pair has more mass than either spot gives the dustbin.

This follows the matching layer of SpatialFuser (bioRxiv 2025.09.14.676067). ``docs/alignment_matching.md`` lists the
differences and their reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from spatialweave.matching.candidates import CandidatePairs, check_sections, find_candidates, shared_spacing
from spatialweave.matching.exact_transport import exact_transport
from spatialweave.matching.settings import MatchSettings, check
from spatialweave.matching.spot_pairs import mutual_best, mutual_nearest
from spatialweave.matching.transport import TransportPlan, sinkhorn

DUSTBIN_SDS = 2.5
"""The dustbin scores this many standard deviations below the typical best pair."""

MAD_TO_SD = 1.4826
"""Standard deviation of a normal distribution per median absolute deviation."""


@dataclass(frozen=True)
class SpotMatches:
    """Pairs of matched spots, sorted by a and then b.

    Attributes
    ----------
    a, b
        Indices of the spots in their sections (int64): all pairs that are mutually among the best.
    score
        Mass of the pair as a fraction of either spot's mass, 0 to 1 (float64).
    accepted
        Whether the pair also has more mass than the dustbin on both sides.
    cosine, distance
        Cosine of the embeddings, and distance in units of the coordinates (float64).
    dustbin_a, dustbin_b
        Fraction of every spot's mass that went to the dustbin; 1 where a spot has no candidate.
    record
        Values for the run's record: spacing, radius, candidates, dustbin score, sweeps, error, and `top`: among how
        many of the best the spots of a pair are.
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
) -> SpotMatches:
    """Match the spots of two aligned sections.

    Parameters
    ----------
    embedding_a, embedding_b
        spots x dimensions, the same dimensions in both.
    points_a, points_b
        spots x 2, aligned coordinates in any units.

    Raises
    ------
    InputError
        For settings out of range, shapes that do not match, or values that are not finite.
    """
    settings = settings or MatchSettings()
    candidates, plan, record = _transport(embedding_a, embedding_b, points_a, points_b, settings)
    if plan is None:
        none, empty = np.empty(0, dtype=np.int64), np.empty(0)
        dustbin_a, dustbin_b = np.ones(candidates.n_a), np.ones(candidates.n_b)
        return SpotMatches(none, none, empty, empty.astype(bool), empty, empty, dustbin_a, dustbin_b, record)
    return _select(candidates, plan, points_a, points_b, settings, record)


def transport_plan(
    embedding_a: np.ndarray,
    embedding_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    settings: MatchSettings,
) -> sparse.csr_matrix:
    """Return the masses of the transport plan (spots of a x spots of b), as fractions of a spot's mass.

    Rows and columns sum to 1 minus the dustbin's fraction. Arguments and errors as for :func:`match`.
    """
    candidates, plan, _ = _transport(embedding_a, embedding_b, points_a, points_b, settings)
    shape = (candidates.n_a, candidates.n_b)
    if plan is None:
        return sparse.csr_matrix(shape)
    return sparse.csr_matrix((plan.mass, (candidates.a, candidates.b)), shape=shape)


def match_nearest(points_a: np.ndarray, points_b: np.ndarray, radius: float) -> SpotMatches:
    """Match spots that are each other's nearest and at most `radius` spacings apart, without embeddings.

    All pairs are accepted. The score is 1 at distance 0 and 0 at `radius`.
    """
    points_a, points_b = np.asarray(points_a, np.float64), np.asarray(points_b, np.float64)
    check_sections(points_a, points_b, points_a, points_b)
    check(MatchSettings(radius=radius))
    radius *= shared_spacing(points_a, points_b)
    a, b, distance = mutual_nearest(points_a, points_b, radius)
    dustbin_a, dustbin_b = np.ones(len(points_a)), np.ones(len(points_b))
    dustbin_a[a] = dustbin_b[b] = 0.0
    accepted, cosine = np.ones(len(a), dtype=bool), np.full(len(a), np.nan)
    return SpotMatches(
        a, b, 1.0 - distance / radius, accepted, cosine, distance, dustbin_a, dustbin_b, {"radius": radius}
    )


def pair_scores(candidates: CandidatePairs, spacing: float, settings: MatchSettings) -> np.ndarray:
    """Return each candidate pair's score: ``(cosine + 1) / (2 temperature) - spatial_weight d² / 2`` (float64)."""
    similarity = (candidates.cosine.astype(np.float64) + 1.0) / (2.0 * settings.temperature)
    return similarity - 0.5 * settings.spatial_weight * (candidates.distance / spacing) ** 2


def dustbin_score(candidates: CandidatePairs, scores: np.ndarray, settings: MatchSettings) -> float:
    """Return the dustbin's score according to ``settings.dustbin``.

    ``auto`` takes the best score of every spot of both sections that has a candidate. The dustbin's score is their
    median minus 2.5 robust standard deviations (from the median absolute deviation), or minus epsilon if that is more.
    """
    if settings.dustbin == "constant":
        return settings.bin_score
    if settings.dustbin == "median":
        return float(np.sort(scores)[(len(scores) - 1) // 2])
    best_a, best_b = np.full(candidates.n_a, -np.inf), np.full(candidates.n_b, -np.inf)
    np.maximum.at(best_a, candidates.a, scores)
    np.maximum.at(best_b, candidates.b, scores)
    best = np.concatenate([best_a, best_b])
    best = best[np.isfinite(best)]
    middle = float(np.median(best))
    sd = MAD_TO_SD * float(np.median(np.abs(best - middle)))
    return middle - max(DUSTBIN_SDS * sd, settings.epsilon)


def _transport(
    embedding_a: np.ndarray,
    embedding_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    settings: MatchSettings,
) -> tuple[CandidatePairs, TransportPlan | None, dict[str, float]]:
    """Return the candidate pairs, their transport plan (None without candidates) and the values for the record."""
    check(settings)
    check_sections(embedding_a, embedding_b, points_a, points_b)
    spacing = shared_spacing(points_a, points_b)
    # Candidates rank by the score, so the cosine and the distance have the same weights as in the score.
    penalty = settings.temperature * settings.spatial_weight / spacing**2
    candidates = find_candidates(
        embedding_a, embedding_b, points_a, points_b, settings.radius * spacing, settings.cap, penalty
    )
    record = {"spacing": spacing, "radius": settings.radius * spacing, "candidates": float(len(candidates))}
    if len(candidates) == 0:
        return candidates, None, record
    scores = pair_scores(candidates, spacing, settings)
    dustbin = dustbin_score(candidates, scores, settings)
    # The corner receives the dustbins' mass of all spots. Without this term it would receive more of it the more spots
    # there are: with 10,000 spots a pair would need a score 9 epsilon above the dustbin's to keep half of its mass.
    extra = 0.5 * settings.epsilon * np.log(candidates.n_a * candidates.n_b) if settings.size_free else 0.0
    problem = (candidates.a, candidates.b, scores, candidates.n_a, candidates.n_b, dustbin)
    if settings.epsilon == 0:
        plan = exact_transport(*problem, corner=dustbin + extra, outside=settings.outside)
    else:
        plan = sinkhorn(
            *problem,
            settings.epsilon,
            corner=dustbin + extra,
            outside=settings.outside,
            tolerance=settings.tolerance,
            max_sweeps=settings.max_sweeps,
        )
    return candidates, plan, record | {"dustbin": dustbin, "sweeps": float(plan.sweeps), "error": plan.error}


def _select(
    candidates: CandidatePairs,
    plan: TransportPlan,
    points_a: np.ndarray,
    points_b: np.ndarray,
    settings: MatchSettings,
    record: dict[str, float],
) -> SpotMatches:
    """Return the pairs that are mutually among the best, and whether they have more mass than both dustbins."""
    shift = np.asarray(points_b, np.float64)[candidates.b] - np.asarray(points_a, np.float64)[candidates.a]
    always = settings.enough is None
    enough = 0.0 if settings.enough is None else settings.enough * min(candidates.n_a, candidates.n_b)
    for top in range(settings.top if always else 1, settings.top + 1):
        chosen = mutual_best(candidates.a, candidates.b, plan.mass, shift, top)
        a, b, mass = candidates.a[chosen], candidates.b[chosen], plan.mass[chosen]
        accepted = np.ones(len(a), dtype=bool)
        if settings.reject:
            accepted = (mass > plan.dustbin_a[a]) & (mass > plan.dustbin_b[b])
        if accepted.sum() >= enough:
            break
    return SpotMatches(
        a,
        b,
        mass,
        accepted,
        candidates.cosine[chosen].astype(np.float64),
        candidates.distance[chosen],
        plan.dustbin_a,
        plan.dustbin_b,
        record | {"top": float(top)},
    )
