"""Refinement of initial transforms by ICP, NDT and cross-prediction, and the ranking of the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from spatialweave.alignment import transforms
from spatialweave.alignment.icp import icp
from spatialweave.alignment.local_search import local_search
from spatialweave.alignment.ndt import ndt
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.alignment.prepared_section import PreparedSection
from spatialweave.alignment.registration_score import RegistrationScore
from spatialweave.alignment.shift_search import (
    DIFFERENT,
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
"""Transforms that are searched at the fine width after the coarse search."""

WIDTH_COARSE, WIDTH_FINE = 2.0, 1.0
"""Width of the rasters in spacings, for the coarse and the fine search."""

SPOTS_COARSE, SPOTS_FINE = 4_000, 20_000
"""Moving spots that are used in the coarse and the fine search."""

SEARCH_COMPONENTS = 6
"""Components per section in the search of initial transforms (time grows with the product of the two numbers)."""


@dataclass(frozen=True)
class RefinedTransform:
    """A refined transform and its scores.

    Attributes
    ----------
    matrix
        Moving -> fixed.
    method
        What refined it: ``icp``, ``ndt`` or ``evidence`` (cross-prediction).
    prediction
        Cross-prediction of components averaged over neighbours.
    prediction_of_spots
        Cross-prediction of components of single spots.
    shape
        Agreement of the shapes.
    """

    matrix: Matrix
    method: str
    prediction: float
    prediction_of_spots: float
    shape: float

    def score(self, by_features: bool) -> float:
        """The cross-prediction, or the agreement of the shapes."""
        return self.prediction if by_features else self.shape


def refined_transforms(scores: RegistrationScore, settings: PrematchSettings) -> list[RefinedTransform]:
    """The initial transforms of the best shape and cross-prediction, refined by the methods that the settings allow."""
    initial = initial_transforms(scores, settings)
    fixed, moving = scores.fixed, scores.moving
    by_shape = best_different([(one.overlap, one.matrix) for one in initial], moving.points, settings.starts)
    refined: list[tuple[Matrix, str]] = []
    if settings.method != "ndt":
        refined += [
            (icp(fixed.outline, moving.outline, start, scores.spacing, settings.scale).matrix, "icp")
            for start in by_shape
        ]
    if settings.method == "ndt" or (settings.method == "auto" and not scores.has_features):
        points = thin(moving.points, SPOTS_COARSE)
        refined += [(ndt(fixed.points, points, start, scores.spacing, settings.scale)[0], "ndt") for start in by_shape]
    if scores.has_features:
        explained = [(one.explained, one.matrix) for one in initial]
        starts = best_different(explained, moving.points, settings.starts) + [matrix for matrix, _ in refined]
        refined += [(matrix, "evidence") for matrix in _search_by_features(scores, starts, settings)]
    return [
        RefinedTransform(
            matrix,
            method,
            scores.cross_prediction(matrix, WIDTH_FINE, SPOTS_FINE),
            scores.cross_prediction(matrix, WIDTH_FINE, SPOTS_FINE, averaged=False),
            scores.shape_agreement(matrix),
        )
        for matrix, method in refined
    ]


def ranked(refined: Sequence[RefinedTransform], by_features: bool) -> list[RefinedTransform]:
    """The best first.

    Averaging over neighbours blurs the difference between bands of unequal width. Of transforms with about the best
    cross-prediction the one with the best cross-prediction of single spots is therefore first.
    """
    if not by_features:
        return sorted(refined, key=lambda one: one.shape, reverse=True)
    enough = NEARLY_BEST * max(one.prediction for one in refined)
    return sorted(refined, key=lambda one: (one.prediction >= enough, one.prediction_of_spots), reverse=True)


def runner_up(ordered: Sequence[RefinedTransform], points: np.ndarray) -> int | None:
    """Index of the best transform that differs from the first; `points` are the moving section's (n x 2)."""
    for index, one in enumerate(ordered[1:], start=1):
        if transforms.disagreement(ordered[0].matrix, one.matrix, points) > DIFFERENT:
            return index
    return None


def initial_transforms(scores: RegistrationScore, settings: PrematchSettings) -> list[InitialTransform]:
    """All initial transforms. With a free scale the sections are also tried at equal radii."""
    sections = (scores.fixed, scores.moving)
    scales = [1.0]
    if settings.scale:
        radii = (np.sqrt(np.mean((one.points - one.points.mean(axis=0)) ** 2)) for one in sections)
        ratio = float(np.divide(*radii))
        scales += [ratio] if abs(np.log(ratio)) > 0.02 else []
    fixed, moving = (ComponentMap(one.points, search_components(one)) for one in sections)
    reflections = (False, True) if settings.reflection else (False,)
    return search_shifts(fixed, moving, scores.spacing, settings.angles, reflections, scales)


def search_components(section: PreparedSection) -> np.ndarray:
    """The components with the largest spatial fraction over all modalities, with that fraction as variance (n x d)."""
    columns, fractions = [np.zeros((len(section.points), 0))], [np.zeros(0)]
    for one in section.components.values():
        table = np.zeros((len(section.points), len(one.spatial_fraction)))
        table[one.rows] = one.smooth / one.smooth.std(axis=0) * np.sqrt(one.spatial_fraction)
        columns.append(table)
        fractions.append(one.spatial_fraction)
    order = np.argsort(-np.concatenate(fractions), kind="stable")[:SEARCH_COMPONENTS]
    return np.column_stack(columns)[:, order]


def thin(points: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the points, evenly taken."""
    return points[:: max(1, -(-len(points) // most))]


def _search_by_features(
    scores: RegistrationScore, starts: Sequence[Matrix], settings: PrematchSettings
) -> list[Matrix]:
    """Search for the best cross-prediction: coarsely from the best starts, then finely from the best results."""
    points = scores.moving.points
    wide = max(WIDTH_COARSE, cell_side(scores.fixed.points, scores.spacing) / scores.spacing)
    coarse = partial(scores.cross_prediction, width=wide, most=SPOTS_COARSE)
    fine = partial(scores.cross_prediction, width=WIDTH_FINE, most=SPOTS_FINE, averaged=False)
    best = best_different([(coarse(matrix), matrix) for matrix in starts], points, settings.starts)
    found = [local_search(coarse, points, matrix, wide * scores.spacing, settings.scale) for matrix in best]
    finalists = best_different([(score, matrix) for matrix, score in found], points, FINALISTS)
    step = WIDTH_FINE * scores.spacing
    return [local_search(fine, points, matrix, step, settings.scale)[0] for matrix in finalists]
