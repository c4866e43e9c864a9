"""Refinement of initial transforms by ICP, NDT and cross-prediction, and the ranking of the results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from spatialweave.alignment.icp import icp
from spatialweave.alignment.local_search import local_search
from spatialweave.alignment.ndt import ndt
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.alignment.prepared_section import PreparedSection
from spatialweave.alignment.registration_score import RegistrationScore
from spatialweave.alignment.shift_search import (
    ComponentMap,
    InitialTransform,
    best_different,
    cell_side,
    search_shifts,
)
from spatialweave.alignment.transforms import Matrix

NEARLY_BEST = 0.95
"""A score of at least this fraction of the best one is about as good."""

FINALISTS = 2
"""Number of transforms that are searched at the fine width after the coarse search."""

WIDTH_COARSE, WIDTH_FINE = 2.0, 1.0
"""Width of the rasters in spacings, for the coarse and the fine search."""

PRECISION_COARSE = 0.05
"""The coarse search ends when points move by less than this fraction of its first step."""

SPOTS_COARSE, SPOTS_FINE = 4_000, 20_000
"""Numbers of moving spots in the coarse and the fine search."""

BACK_WEIGHT, SHAPE_WEIGHT = 0.5, 0.1
"""Weights of the cross-prediction by the fixed spots, and of the agreement of the shapes, beside the cross-prediction
by the moving spots, when the scale is refined. docs/alignment_prematching.md has the effect."""

FEWEST_ON_OUTLINE = 3
"""Fewer points than this do not determine a transform."""

SEARCH_COMPONENTS = 6
"""Components per section in the search of initial transforms (time grows with the product of the two numbers)."""


def starts_by_shape(scores: RegistrationScore, settings: PrematchSettings) -> list[Matrix]:
    """Return the initial transforms with the largest overlap."""
    overlaps = [(one.overlap, one.matrix) for one in initial_transforms(scores, settings, by_features=False)]
    return best_different(overlaps, scores.moving.points, settings.starts)


def search_by_shape(
    scores: RegistrationScore, starts: Sequence[Matrix], settings: PrematchSettings
) -> list[tuple[Matrix, str]]:
    """Return different transforms found by coordinates alone, and their methods: ``icp`` of the outlines or ``ndt``."""
    methods = ["icp"] if scores.has_features or settings.method == "icp" else ["icp", "ndt"]
    if settings.method == "ndt":
        methods = ["ndt"]
    refined = [(refine_by_shape(scores, start, method, settings), method) for method in methods for start in starts]
    by_shape = [(scores.shape_agreement(matrix), matrix) for matrix, _ in refined]
    names = {id(matrix): method for matrix, method in refined}
    return [(matrix, names[id(matrix)]) for matrix in best_different(by_shape, scores.moving.points, len(refined))]


def refine_by_shape(scores: RegistrationScore, start: Matrix, method: str, settings: PrematchSettings) -> Matrix:
    """Refine `start` by ICP of the outlines or by NDT; return `start` if the moving section has too few points."""
    fixed, moving = scores.fixed, scores.moving
    if method == "ndt":
        return ndt(fixed.points, thin(moving.points, SPOTS_COARSE), start, scores.spacing, settings.scale)[0]
    if len(moving.outline) < FEWEST_ON_OUTLINE:
        return start
    return icp(fixed.outline, moving.outline, start, scores.spacing, settings.scale).matrix


def search_by_features(scores: RegistrationScore, starts: Sequence[Matrix], settings: PrematchSettings) -> list[Matrix]:
    """Return the transforms with the best cross-prediction, best first, from `starts` and from those of the best
    components.

    The search is coarse from the best starts, which always include the first of `starts`, and then fine from the best
    results.
    """
    points = scores.moving.points
    wide = max(WIDTH_COARSE, cell_side(scores.fixed.points, scores.spacing) / scores.spacing)
    coarse = partial(scores.cross_prediction, width=wide, most=SPOTS_COARSE)
    explained = [(one.explained, one.matrix) for one in initial_transforms(scores, settings)]
    tried = [*starts, *best_different(explained, points, settings.starts)]
    best = best_different([(coarse(matrix), matrix) for matrix in tried], points, settings.starts)
    found = [
        local_search(coarse, points, matrix, wide * scores.spacing, settings.scale, PRECISION_COARSE)
        for matrix in [starts[0], *(matrix for matrix in best if matrix is not starts[0])]
    ]
    finalists = best_different([(score, matrix) for matrix, score in found], points, FINALISTS)
    refined = [refine_by_features(scores, matrix, settings) for matrix in finalists]
    averaged = [scores.cross_prediction(matrix, WIDTH_FINE, SPOTS_FINE) for matrix, _ in refined]
    # Averages separate right from wrong transforms better, but blur the difference between bands of unequal width. So
    # among the transforms that are about the best by averages, the best by single spots comes first.
    enough = NEARLY_BEST * max(averaged)
    order = sorted(range(len(refined)), key=lambda i: (averaged[i] >= enough, refined[i][1]), reverse=True)
    return [refined[i][0] for i in order]


def refine_by_features(scores: RegistrationScore, start: Matrix, settings: PrematchSettings) -> tuple[Matrix, float]:
    """Return the transform near `start` with the best cross-prediction of single spots, and this score."""
    fine = partial(scores.cross_prediction, width=WIDTH_FINE, most=SPOTS_FINE, averaged=False)
    return local_search(fine, scores.moving.points, start, WIDTH_FINE * scores.spacing, settings.scale)


def rescale_by_both(scores: RegistrationScore, start: Matrix) -> Matrix:
    """Return the similarity transform near `start` with the best cross-prediction by the spots of both sections.

    By the moving spots alone it would be too small, since fixed spots that are left uncovered cost nothing. By both
    alike it would be too large where the moving section lacks a part.
    """
    back = RegistrationScore(scores.moving, scores.fixed, scores.fixed.points)

    def score(matrix: Matrix) -> float:
        by_moving, by_fixed = (
            one.cross_prediction(moved, WIDTH_FINE, SPOTS_FINE, averaged=False)
            for one, moved in ((scores, matrix), (back, np.linalg.inv(matrix)))
        )
        return by_moving + BACK_WEIGHT * by_fixed + SHAPE_WEIGHT * scores.shape_agreement(matrix)

    return local_search(score, scores.moving.points, start, WIDTH_FINE * scores.spacing, scale=True)[0]


def initial_transforms(
    scores: RegistrationScore, settings: PrematchSettings, by_features: bool = True
) -> list[InitialTransform]:
    """Return all initial transforms. With a free scale the sections are also compared at equal radii."""
    sections = (scores.fixed, scores.moving)
    scales = [1.0]
    if settings.scale:
        radii = (np.sqrt(np.mean((one.points - one.points.mean(axis=0)) ** 2)) for one in sections)
        ratio = float(np.divide(*radii))
        scales += [ratio] if abs(np.log(ratio)) > 0.02 else []
    same = scores.shared_modalities
    fixed, moving = (ComponentMap(one.points, search_components(one, same, by_features)) for one in sections)
    reflections = (False, True) if settings.reflection else (False,)
    return search_shifts(fixed, moving, scores.spacing, settings.angles, reflections, scales, bool(same))


def search_components(section: PreparedSection, same: Sequence[str] = (), by_features: bool = True) -> np.ndarray:
    """Return the components with the largest spatial fraction over all modalities, scaled to that fraction (n x d).

    The fraction is their variance. If modalities have the `same` components in both sections, only these are used.
    """
    columns, fractions = [np.zeros((len(section.points), 0))], [np.zeros(0)]
    for name in (same or section.components) if by_features else ():
        one = section.components[name]
        table = np.zeros((len(section.points), len(one.spatial_fraction)))
        table[one.rows] = one.smooth / one.smooth.std(axis=0) * np.sqrt(one.spatial_fraction)
        columns.append(table)
        fractions.append(one.spatial_fraction)
    order = np.argsort(-np.concatenate(fractions), kind="stable")[:SEARCH_COMPONENTS]
    return np.column_stack(columns)[:, order]


def thin(points: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` of the points, evenly sampled."""
    return points[:: max(1, -(-len(points) // most))]
