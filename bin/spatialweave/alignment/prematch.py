"""Pre-matching: the transform of a section onto its neighbour in the stack, from their shapes and features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from spatialweave.alignment import transforms
from spatialweave.alignment.choice import LEAST_PREDICTION, Choice, Judge, Place, choose, lies_on
from spatialweave.alignment.fgw import fused_gromov_wasserstein
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.alignment.prepared_section import UnpreparedSection, prepare
from spatialweave.alignment.refinement import (
    refine_by_features,
    refine_by_shape,
    rescale_by_both,
    search_by_features,
    search_by_shape,
    starts_by_shape,
)
from spatialweave.alignment.registration_score import RegistrationScore
from spatialweave.alignment.transforms import Matrix
from spatialweave.errors import InputError
from spatialweave.io.layout import spacing
from spatialweave.io.notices import warn
from spatialweave.settings import configure

LEAST_SPACING = 0.5
"""A section whose spacing is below this fraction of the other's is pooled to it, since the other lacks such detail."""

FREE_SCALE = "give --align_scale, or convert the coordinates of one section"

MOST_RECORDED = 12

MOST_AREA = 10_000_000
"""Largest area of a section's bounding box, in squares of its spacing. A pair of such sections takes about 4 GB."""

OTHER_UNITS = 1.5
"""Sections whose spacings and radii both differ by more than this factor are probably in different units, unless the
factors themselves differ as much."""


@dataclass
class SectionFeatures:
    """Section to register.

    Attributes
    ----------
    points
        n x 2, float64, any units.
    features
        Modality -> latents (n x d, float32) and whether they were measured: one bool per spot (n) or one for all spots.
        A modality that both sections have with the same number of dimensions has the same latents in both. May be
        empty.
    """

    points: np.ndarray
    features: dict[str, tuple[np.ndarray, Any]]


@dataclass(frozen=True)
class Registration:
    """Result of :func:`prematch`.

    Attributes
    ----------
    matrix
        3 x 3, moving units -> fixed units.
    score
        Cross-prediction of the sections or, where the shapes decide, their agreement; None with the method ``none`` or
        ``fgw``.
    method
        What found the matrix: ``identity`` (the current position), ``evidence`` (cross-prediction), ``icp``, ``ndt``,
        ``fgw`` or ``none``.
    record
        Scores of the candidates, confidence, overlap, runner-up (plain types, for JSON).
    """

    matrix: Matrix
    score: float | None
    method: str
    record: dict[str, Any]


def prematch(fixed: SectionFeatures, moving: SectionFeatures, settings: PrematchSettings) -> Registration:
    """Find the rigid transform (with `scale`, a similarity transform) of `moving` onto `fixed`.

    All shifts at many angles are scored at once on coarse rasters. The best few, and the current position, are refined
    by ICP, NDT and, with `auto`, by the cross-prediction of the features. The section is left as it lies unless one of
    the results is better, with confidence, in blocks that were held out from its search
    (:func:`~spatialweave.alignment.choice.choose`). Time and memory are linear in the number of spots up to the number
    above which sections are pooled, and constant above it. The same sections give the same result every time.

    Raises
    ------
    InputError
        For coordinates that are not n x 2 finite numbers, fewer than 3 spots, spots that all have the same coordinates
        or are scattered over an area too large, sections in very different units, latents of a different number of
        spots, or settings out of bounds.

    Warns
    -----
    InputWarning
        When the evidence does not settle the registration (by shape alone: where the shapes are symmetric), when the
        features do not predict each other, when the spots of a section are on one line, or when the coordinates of the
        sections seem to have different units.
    """
    configure(PrematchSettings, "alignment", vars(settings))
    fixed, moving = _checked(fixed, "fixed section"), _checked(moving, "moving section")
    if settings.method == "none":
        return Registration(np.eye(3), None, "none", _record_of_none() | {"settings": vars(settings)})
    if settings.method == "fgw":
        coupling = fused_gromov_wasserstein(fixed.points, fixed.features, moving.points, moving.features, settings)
        coupled = {"decided_by": "fgw", "overlap": coupling.overlap, "settings": vars(settings)} | coupling.record
        return Registration(coupling.matrix, None, "fgw", _record_of_none() | coupled)
    scores, to_fixed, to_moving = _prepared(fixed, moving, settings)
    judge = Judge(scores)
    places, rivals, spread = _places(judge, to_fixed @ np.linalg.inv(to_moving), settings)
    by_features = judge.has_features
    if by_features and max(one.evidence.value for one in places) < LEAST_PREDICTION:
        problem = "the features of the two sections do not predict each other; the shapes of the sections decide"
        warn("alignment of sections", problem)
        by_features = False
    choice = choose(places, rivals, judge, by_features)
    if settings.scale and choice.place.method == "evidence":
        choice = replace(choice, place=replace(choice.place, matrix=rescale_by_both(scores, choice.place.matrix)))
    to_units = partial(_in_units, to_fixed, to_moving)
    if not choice.settled:
        warn("alignment of sections", _doubt(choice, to_units))
    record = _record(choice, [*places, *rivals], scores, to_units) | {"spread": spread, "settings": vars(settings)}
    matrix = np.eye(3) if choice.place is places[0] else to_units(choice.place.matrix)
    return Registration(matrix, score_of(choice.place, by_features), choice.place.method, record)


def _places(judge: Judge, lying: Matrix, settings: PrematchSettings) -> tuple[list[Place], list[Place], float | None]:
    """Return the candidate transforms, other transforms (rivals), and the distance between the results of the two
    halves.

    The first candidate is the current position. The distance is the mean, in spacings, over the moving spots between
    the two positions that the transforms found by the two halves of the section give them.
    """
    scores = judge.scores
    starts = starts_by_shape(scores, settings)
    if lies_on(scores.common(lying), [scores.common(matrix) for matrix in starts]):
        starts = [lying, *starts]
    places, by_shape = [judge.place(lying, "identity")], search_by_shape(scores, starts, settings)
    for matrix, method in by_shape:
        by_half = [refine_by_shape(half, matrix, method, settings) for half in judge.halves]
        places.append(judge.place(matrix, method, by_shape=by_half))
    if not judge.has_features:
        return places, [], None
    starts = [*starts[:1], *(matrix for matrix, _ in by_shape)]
    searched = [search_by_features(half, starts, settings) for half in judge.halves]
    refined = [refine_by_features(scores, found[0], settings) for found in searched]
    best = max(refined, key=lambda one: one[1])[0]
    places.append(judge.place(best, "evidence", by_features=[found[0] for found in searched]))
    rivals = [judge.place(matrix, "evidence") for found in searched for matrix in found]
    points = scores.moving.points
    apart = transforms.apply(searched[0][0], points) - transforms.apply(searched[1][0], points)
    return places, rivals, float(np.linalg.norm(apart, axis=1).mean() / scores.spacing)


def _checked(section: SectionFeatures, where: str) -> SectionFeatures:
    """Return the section with float64 coordinates and one mask per modality; raise InputError if it is unusable."""
    points = np.asarray(section.points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise InputError(where, f"coordinates of the shape {points.shape}", "x and y of at least 3 spots")
    if not np.isfinite(points).all():
        wrong = int((~np.isfinite(points).all(axis=1)).sum())
        raise InputError(where, f"{wrong} spots have no finite coordinates", "finite x and y")
    centred = points - points.mean(axis=0)
    if not np.abs(centred).max() > 1e-12 * np.abs(points).max():
        raise InputError(where, f"all {len(points)} spots have the same coordinates", "different coordinates")
    scatter = np.linalg.eigvalsh(centred.T @ centred)
    if scatter[0] <= 1e-12 * scatter[1]:
        warn(where, "all spots are on one line: the section may be turned over along it")
    features = {}
    for name, (latents, present) in section.features.items():
        if np.ndim(latents) != 2 or len(latents) != len(points) or np.shape(present) not in ((), (len(points),)):
            problem = f"latents of the shape {np.shape(latents)}, presence of the shape {np.shape(present)}"
            raise InputError(f"{where}, modality '{name}'", problem, f"rows for {len(points)} spots")
        mask = np.broadcast_to(np.asarray(present, dtype=bool), len(points))
        if not np.isfinite(np.asarray(latents)[mask]).all():
            raise InputError(f"{where}, modality '{name}'", "latents that are not finite", "finite numbers")
        features[name] = (np.asarray(latents), mask)
    return SectionFeatures(points, features)


def _prepared(
    fixed: SectionFeatures, moving: SectionFeatures, settings: PrematchSettings
) -> tuple[RegistrationScore, Matrix, Matrix]:
    """Return both sections centred, in spacings of the fixed one, and pooled; and the matrices of that change of units.

    Both sections and both axes have the same factor. With a free scale each section is in its own spacings, so that
    sections of one platform start at the right scale in any units.
    """
    unit = spacing(fixed.points)
    if not settings.scale:
        _warn_of_units(fixed.points, moving.points)
    own_unit = spacing(moving.points) if settings.scale else unit
    to_fixed = transforms.rigid(0.0, -fixed.points.mean(axis=0) / unit, 1.0 / unit)
    to_moving = transforms.rigid(0.0, -moving.points.mean(axis=0) / own_unit, 1.0 / own_unit)
    # As published, ICP and NDT use coordinates only.
    use_features = settings.method == "auto"
    fixed_points, moving_points = transforms.apply(to_fixed, fixed.points), transforms.apply(to_moving, moving.points)
    first, second = prepare([
        UnpreparedSection(fixed_points, fixed.features if use_features else {}, LEAST_SPACING * spacing(moving_points)),
        UnpreparedSection(moving_points, moving.features if use_features else {}, LEAST_SPACING),
    ])  # fmt: skip
    for where, prepared, given in (("fixed section", first, fixed), ("moving section", second, moving)):
        if len(prepared.points) < 3:
            problem = f"all of it is within {len(prepared.points)} spots of the other section"
            raise InputError(where, problem, "coordinates in the same units", FREE_SCALE)
        area = np.prod(np.ptp(prepared.points, axis=0) / prepared.spacing)
        if area > MOST_AREA:
            x, y = given.points[np.argmax(np.abs(given.points - np.median(given.points, axis=0)).max(axis=1))]
            problem = f"its {len(given.points)} spots are scattered over {area:.3g} squares of their spacing"
            fix = f"remove spots far from the tissue; the farthest is at x {x:.6g}, y {y:.6g}"
            raise InputError(where, problem, f"at most {MOST_AREA:,}", fix)
    return RegistrationScore(first, second, second.points), to_fixed, to_moving


def _warn_of_units(fixed: np.ndarray, moving: np.ndarray) -> None:
    """Warn of coordinates of which one section's seem to be a multiple of the other's."""
    spacings = spacing(moving) / spacing(fixed)
    radii = float(np.sqrt(moving.var(axis=0).sum() / fixed.var(axis=0).sum()))
    factors = np.abs(np.log([spacings, radii]))
    same_way = (spacings > 1) == (radii > 1)
    if same_way and factors.min() > np.log(OTHER_UNITS) and np.ptp(factors) < np.log(OTHER_UNITS):
        problem = f"the moving section is {radii:.3g} times as large, and its spots {spacings:.3g} times as far apart"
        warn("alignment of sections", f"{problem}; if the units of coordinates differ, {FREE_SCALE}")


def _in_units(to_fixed: Matrix, to_moving: Matrix, matrix: Matrix) -> Matrix:
    """Convert a transform between prepared sections to one between their own coordinates."""
    return np.asarray(np.linalg.inv(to_fixed) @ matrix @ to_moving)


def score_of(place: Place, by_features: bool) -> float:
    """Return the cross-prediction, or the agreement of the shapes."""
    return (place.evidence if by_features else place.shape).value


def _record(
    choice: Choice, tried: Sequence[Place], scores: RegistrationScore, to_units: Callable[[Matrix], Matrix]
) -> dict[str, Any]:
    """Return the candidates in plain types, with transforms in the units of the sections."""
    lines = []
    for one in tried[:MOST_RECORDED]:
        angle, shift, scale, reflected = transforms.decompose(to_units(one.matrix))
        lines.append({
            "method": one.method, "degrees": float(np.degrees(angle)), "shift": shift.tolist(), "scale": scale,
            "reflected": reflected, "evidence": one.evidence.value, "shape": one.shape.value,
        })  # fmt: skip
    runner_up = choice.runner_up
    return {
        "decided_by": "evidence" if choice.by_features else "shape",
        "settled": choice.settled,
        "confidence": choice.confidence,
        "confidence_over_identity": choice.over_identity,
        "overlap": scores.overlap(choice.place.matrix),
        "runner_up": None if runner_up is None else score_of(runner_up, choice.by_features),
        "modalities": {"fixed": sorted(scores.fixed.components), "moving": sorted(scores.moving.components)},
        "tried": lines,
    }


def _record_of_none() -> dict[str, Any]:
    """Return the record of sections that are not registered."""
    return {
        "decided_by": "none", "settled": True, "confidence": None, "confidence_over_identity": None, "overlap": None,
        "runner_up": None, "modalities": {"fixed": [], "moving": []}, "tried": [], "spread": None,
    }  # fmt: skip


def _doubt(choice: Choice, to_units: Callable[[Matrix], Matrix]) -> str:
    """Return the warning text for a registration that is not settled."""
    described = []
    for one in (choice.place, choice.runner_up):
        if one is not None:
            angle, _, _, reflected = transforms.decompose(to_units(one.matrix))
            turned_over = " and turned over" if reflected else ""
            where = "where it lies" if one.method == "identity" else f"{np.degrees(angle):.0f} degrees{turned_over}"
            described.append(f"{where} ({score_of(one, choice.by_features):.3f})")
    by = "features and shape" if choice.by_features else "shape"
    problem = f"the registration is not settled by {by} (confidence {choice.confidence:.2f})"
    return f"{problem}: {described[0]} or {described[1]}; look at the overlay"
