"""Pre-matching: the transform of a section onto its neighbour in the stack, from their shapes and their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spatialweave.alignment import transforms
from spatialweave.alignment.fgw import fused_gromov_wasserstein
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.alignment.prepared_section import prepare
from spatialweave.alignment.refinement import (
    NEARLY_BEST,
    RefinedTransform,
    ranked,
    refined_transforms,
    runner_up,
)
from spatialweave.alignment.registration_score import RegistrationScore
from spatialweave.alignment.transforms import Matrix
from spatialweave.errors import InputError
from spatialweave.graphs.spatial import spacing
from spatialweave.io.notices import warn
from spatialweave.settings import configure

LEAST_PREDICTION = 0.05
"""Below this cross-prediction the features of the sections have nothing in common, and the shapes decide."""

LEAST_SPACING = 0.5
"""A section with a smaller spacing than this many of the other's is pooled to it: the other cannot have such detail."""

MOST_RECORDED = 12


@dataclass
class SectionFeatures:
    """A section to register.

    Attributes
    ----------
    points
        n x 2, float64, any units.
    features
        Modality -> latents (n x d, float32) and whether they were measured: for each spot (n), or for all (one bool).
        May be empty.
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
        Cross-prediction of the sections or, where the shapes decide, the agreement of these; None with the method
        ``none`` or ``fgw``.
    method
        What found the matrix: ``evidence`` (cross-prediction), ``icp``, ``ndt``, ``fgw`` or ``none``.
    record
        Scores of what was tried, overlap, runner-up (plain types, for JSON).
    """

    matrix: Matrix
    score: float | None
    method: str
    record: dict[str, Any]


def prematch(fixed: SectionFeatures, moving: SectionFeatures, settings: PrematchSettings) -> Registration:
    """Find the rigid transform (with `scale` a similarity transform) of `moving` onto `fixed`.

    All shifts at many angles are scored at once on coarse rasters. The best few are refined by ICP, NDT and, with
    `auto`, by the cross-prediction of the features; the result is the best of these. Time and memory are linear in
    spots up to the number above which sections are pooled, and constant above. Nothing is drawn at random.

    Raises
    ------
    InputError
        For coordinates that are not n x 2 finite numbers, fewer than 3 spots, spots that all have the same coordinates,
        latents of another number of spots, or settings out of bounds.

    Warns
    -----
    InputWarning
        When another transform is about as good (by shape alone: where the shapes are symmetric), when the features do
        not predict each other, or when the spots of a section are on one line.
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
    refined = refined_transforms(scores, settings)
    by_features = scores.has_features and settings.method == "auto"
    if by_features and max(one.prediction for one in refined) < LEAST_PREDICTION:
        found = "the features of the two sections do not predict each other; the shapes of the sections decide"
        warn("alignment of sections", found)
        by_features = False
    refined = ranked(refined, by_features)
    second = runner_up(refined, scores.moving.points)
    overlap = scores.overlap(refined[0].matrix)
    tried = [replace(one, matrix=np.linalg.inv(to_fixed) @ one.matrix @ to_moving) for one in refined]
    record = _record(tried, second, by_features, scores, overlap)
    if record["ambiguous"]:
        warn("alignment of sections", _ambiguity(tried[0], tried[second or 0], by_features))
    score = tried[0].score(by_features)
    return Registration(tried[0].matrix, score, tried[0].method, record | {"settings": vars(settings)})


def _checked(section: SectionFeatures, where: str) -> SectionFeatures:
    """The section with float64 coordinates and one mask per modality; InputError for what cannot be registered."""
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
        warn(where, "all spots are on one line: the section may end up turned over along it")
    features = {}
    for name, (latents, present) in section.features.items():
        if np.ndim(latents) != 2 or len(latents) != len(points) or np.shape(present) not in ((), (len(points),)):
            found = f"latents of the shape {np.shape(latents)}, presence of the shape {np.shape(present)}"
            raise InputError(f"{where}, modality '{name}'", found, f"rows for {len(points)} spots")
        mask = np.broadcast_to(np.asarray(present, dtype=bool), len(points))
        if not np.isfinite(np.asarray(latents)[mask]).all():
            raise InputError(f"{where}, modality '{name}'", "latents that are not finite", "finite numbers")
        features[name] = (np.asarray(latents), mask)
    return SectionFeatures(points, features)


def _prepared(
    fixed: SectionFeatures, moving: SectionFeatures, settings: PrematchSettings
) -> tuple[RegistrationScore, Matrix, Matrix]:
    """Both sections centred, in spacings of the fixed one, and pooled; and the matrices of that change of units.

    One factor for both sections and both axes. With a free scale each section is in its own spacings, so that sections
    of one platform start at the right scale whatever their units.
    """
    unit = spacing(fixed.points)
    own = spacing(moving.points) if settings.scale else unit
    to_fixed = transforms.rigid(0.0, -fixed.points.mean(axis=0) / unit, 1.0 / unit)
    to_moving = transforms.rigid(0.0, -moving.points.mean(axis=0) / own, 1.0 / own)
    # ICP and NDT as published use coordinates only.
    use_features = settings.method == "auto"
    fixed_points, moving_points = transforms.apply(to_fixed, fixed.points), transforms.apply(to_moving, moving.points)
    least_fixed = LEAST_SPACING * spacing(moving_points)
    first = prepare(fixed_points, fixed.features if use_features else {}, least_fixed)
    second = prepare(moving_points, moving.features if use_features else {}, LEAST_SPACING)
    return RegistrationScore(first, second), to_fixed, to_moving


def _record(
    tried: Sequence[RefinedTransform], second: int | None, by_features: bool, scores: RegistrationScore, overlap: float
) -> dict[str, Any]:
    """What was tried, in plain types; transforms in the units of the sections. `second` is the runner-up's index."""
    lines = []
    for one in tried[:MOST_RECORDED]:
        angle, shift, scale, reflected = transforms.decompose(one.matrix)
        lines.append({
            "method": one.method, "degrees": float(np.degrees(angle)), "shift": shift.tolist(), "scale": scale,
            "reflected": reflected, "evidence": one.prediction, "detail": one.prediction_of_spots, "shape": one.shape,
        })  # fmt: skip
    next_best = None if second is None else tried[second].score(by_features)
    return {
        "decided_by": "evidence" if by_features else "shape",
        "overlap": overlap,
        "runner_up": next_best,
        "ambiguous": next_best is not None and next_best >= NEARLY_BEST * tried[0].score(by_features),
        "modalities": {"fixed": sorted(scores.fixed.components), "moving": sorted(scores.moving.components)},
        "tried": lines,
    }


def _record_of_none() -> dict[str, Any]:
    """The record of sections that are not registered."""
    return {
        "decided_by": "none", "overlap": None, "runner_up": None, "ambiguous": False,
        "modalities": {"fixed": [], "moving": []}, "tried": [],
    }  # fmt: skip


def _ambiguity(first: RefinedTransform, second: RefinedTransform, by_features: bool) -> str:
    """The warning that two transforms are about equally good."""
    described = []
    for one in (first, second):
        angle, _, _, reflected = transforms.decompose(one.matrix)
        turned_over = " and turned over" if reflected else ""
        described.append(f"{np.degrees(angle):.0f} degrees{turned_over} ({one.score(by_features):.3f})")
    by = "features" if by_features else "shape"
    return f"two transforms are about equally good by {by}: {described[0]}, {described[1]}; look at the overlay"
