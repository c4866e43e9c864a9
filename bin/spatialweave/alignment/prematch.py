"""Pre-matching: the transform that lays a section onto its neighbour, from their shapes and their features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from spatialweave.alignment import transforms
from spatialweave.alignment.climb import climb
from spatialweave.alignment.icp import icp
from spatialweave.alignment.judge import COARSEST, Judge, Part, prepare
from spatialweave.alignment.ndt import ndt
from spatialweave.alignment.starts import APART, MOST_COMPONENTS, Spots, Start, cell_side, pick, search
from spatialweave.alignment.transforms import Matrix
from spatialweave.errors import InputError
from spatialweave.graphs.spatial import spacing
from spatialweave.io.notices import warn
from spatialweave.settings import option

LEAST_EVIDENCE = 0.05
"""Below this share of foretold variance the features say nothing, and the shapes decide."""

ALIKE = 0.95
"""A runner-up with at least this share of the best score makes the result ambiguous."""

FINALISTS = 2
"""Climbed starts that are climbed to the last detail."""

MOST_RECORDED = 12

WIDTH_COARSE, WIDTH_FINE = 2.0, 1.0
"""Blur of the images, in units, for coming near and for the last detail."""

SPOTS_COARSE, SPOTS_FINE = 4_000, 20_000
"""Moving spots looked at while climbing coarsely and finely."""


@dataclass(frozen=True)
class PrematchSettings:
    """How to lay the sections of a dataset onto each other."""

    method: Literal["auto", "icp", "ndt", "none"] = option(
        "auto", "auto: shapes and features; icp or ndt: coordinates alone by that algorithm; none: leave as they are"
    )
    reflection: bool = option(False, "also try the moving section turned over")
    scale: bool = option(False, "the sections' coordinates differ in their units: also find one factor")
    angles: int = option(72, "angles over the full circle to start from", 4, 720)
    starts: int = option(6, "starts that are refined, by evidence and by shape each", 1, 50)


@dataclass
class Side:
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
        Evidence (share of variance that the sections foretell of each other) or, without, agreement of the shapes; None
        where nothing was sought.
    method
        What found the matrix: `evidence`, `icp`, `ndt` or `none`.
    record
        For the reader: scores of what was tried, overlap, runner-up (plain types, for JSON).
    """

    matrix: Matrix
    score: float | None
    method: str
    record: dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """A refined start: its transform, what refined it, its evidence from averaged and from single spots, its shape."""

    matrix: Matrix
    method: str
    evidence: float
    detail: float
    shape: float


def prematch(fixed: Side, moving: Side, settings: PrematchSettings) -> Registration:
    """Find the rigid transform (with `scale` a similarity) that lays `moving` onto `fixed`.

    All shifts at many angles are scored at once on coarse rasters; the best few are refined by ICP, NDT and, with
    `auto`, by the evidence of the features; the best of these is the result. Time and memory are linear in spots, and
    beyond pooling do not depend on their number. Nothing is drawn at random.

    Raises
    ------
    InputError
        For coordinates that are not n x 2 finite numbers, fewer than 3 spots, spots that all share one place, or
        latents of another number of spots.

    Warns
    -----
    InputWarning
        When another angle is about as good, when the spots of a section lie on one line, or when no angle is certain
        because there are no features and the shapes are too symmetric.
    """
    fixed, moving = _checked(fixed, "fixed section"), _checked(moving, "moving section")
    if settings.method == "none":
        return Registration(np.eye(3), None, "none", _untouched() | {"settings": vars(settings)})
    judge, to_fixed, to_moving = _ready(fixed, moving, settings)
    candidates = _candidates(judge, settings)
    by_evidence = judge.has_features and settings.method == "auto"
    if by_evidence and max(one.evidence for one in candidates) < LEAST_EVIDENCE:
        where = "alignment of sections"
        warn(where, "the features of the two sections say little of each other; the shapes of the sections decide")
        by_evidence = False
    candidates = _ordered(candidates, by_evidence)
    tried = [replace(one, matrix=np.linalg.inv(to_fixed) @ one.matrix @ to_moving) for one in candidates]
    runner_up = _different(candidates, judge.moving.points)
    record = _record(tried, runner_up, by_evidence, judge, candidates[0].matrix)
    if record["ambiguous"]:
        warn("alignment of sections", _ambiguity(tried, runner_up, by_evidence))
    score = candidates[0].evidence if by_evidence else candidates[0].shape
    return Registration(tried[0].matrix, score, tried[0].method, record | {"settings": vars(settings)})


def _checked(side: Side, where: str) -> Side:
    """The side with float64 points and one mask per modality; InputError for what cannot be registered."""
    points = np.asarray(side.points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise InputError(where, f"coordinates of the shape {points.shape}", "x and y of at least 3 spots")
    if not np.isfinite(points).all():
        wrong = int((~np.isfinite(points).all(axis=1)).sum())
        raise InputError(where, f"{wrong} spots have no finite coordinates", "finite x and y")
    centred = points - points.mean(axis=0)
    if not np.abs(centred).max() > 1e-12 * np.abs(points).max():
        raise InputError(where, f"all {len(points)} spots share one place", "spots at different places")
    spread = np.linalg.eigvalsh(centred.T @ centred)
    if spread[0] <= 1e-12 * spread[1]:
        warn(where, "all spots lie on one line: the section may end up turned over along it")
    features = {}
    for name, (latents, present) in side.features.items():
        if np.ndim(latents) != 2 or len(latents) != len(points) or np.shape(present) not in ((), (len(points),)):
            found = f"latents of the shape {np.shape(latents)}, presence of the shape {np.shape(present)}"
            raise InputError(f"{where}, modality '{name}'", found, f"rows for {len(points)} spots")
        mask = np.broadcast_to(np.asarray(present, dtype=bool), len(points))
        if not np.isfinite(np.asarray(latents)[mask]).all():
            raise InputError(f"{where}, modality '{name}'", "latents that are not finite", "finite numbers")
        features[name] = (np.asarray(latents), mask)
    return Side(points, features)


def _ready(fixed: Side, moving: Side, settings: PrematchSettings) -> tuple[Judge, Matrix, Matrix]:
    """Both sections centred, in spacings of the fixed one, and pooled; and the matrices that did so.

    One factor for both sections and both axes; with a free scale each section in its own spacings, so that sections
    of one platform start at the right scale whatever their units.
    """
    unit = spacing(fixed.points)
    own = spacing(moving.points) if settings.scale else unit
    to_fixed = transforms.rigid(0.0, -fixed.points.mean(axis=0) / unit, 1.0 / unit)
    to_moving = transforms.rigid(0.0, -moving.points.mean(axis=0) / own, 1.0 / own)
    # Latents are not used by the published ways, which know coordinates alone.
    use = settings.method == "auto"
    still, turning = transforms.apply(to_fixed, fixed.points), transforms.apply(to_moving, moving.points)
    first = prepare(still, fixed.features if use else {}, COARSEST * spacing(turning))
    second = prepare(turning, moving.features if use else {}, COARSEST)
    return Judge(first, second), to_fixed, to_moving


def _candidates(judge: Judge, settings: PrematchSettings) -> list[Candidate]:
    """Every refined start, scored at the same blur."""
    starts = _starts(judge, settings)
    still, turning = judge.fixed.border, judge.moving.border
    by_shape = pick([replace(one, evidence=one.overlap) for one in starts], judge.moving.points, settings.starts)
    refined: list[tuple[Matrix, str]] = []
    if settings.method != "ndt":
        refined += [(icp(still, turning, one.matrix, judge.unit, settings.scale).matrix, "icp") for one in by_shape]
    if settings.method == "ndt" or (settings.method == "auto" and not judge.has_features):
        thinned = thin(judge.moving.points, SPOTS_COARSE)
        refined += [
            (ndt(judge.fixed.points, thinned, one.matrix, judge.unit, settings.scale)[0], "ndt") for one in by_shape
        ]
    if judge.has_features:
        by_evidence = pick(starts, judge.moving.points, settings.starts)
        origins = [one.matrix for one in by_evidence] + [matrix for matrix, _ in refined]
        refined += [(matrix, "evidence") for matrix in _climb(judge, origins, settings)]
    return [
        Candidate(
            matrix,
            method,
            judge.evidence(matrix, WIDTH_FINE, SPOTS_FINE),
            judge.evidence(matrix, WIDTH_FINE, SPOTS_FINE, averaged=False),
            judge.shape(matrix),
        )
        for matrix, method in refined
    ]


def _ordered(candidates: list[Candidate], by_evidence: bool) -> list[Candidate]:
    """The best first.

    Averages over neighbours blur the difference between bands of unequal width, so among candidates that are alike by
    these the single spots decide.
    """
    if not by_evidence:
        return sorted(candidates, key=lambda one: one.shape, reverse=True)
    enough = ALIKE * max(one.evidence for one in candidates)
    return sorted(candidates, key=lambda one: (one.evidence >= enough, one.detail), reverse=True)


def _starts(judge: Judge, settings: PrematchSettings) -> list[Start]:
    parts = (judge.fixed, judge.moving)
    scales = [1.0]
    if settings.scale:
        ratio = float(np.divide(*(np.sqrt(np.mean((one.points - one.points.mean(axis=0)) ** 2)) for one in parts)))
        scales += [ratio] if abs(np.log(ratio)) > 0.02 else []
    still, turning = (Spots(one.points, _for_search(one)) for one in parts)
    reflections = (False, True) if settings.reflection else (False,)
    return search(still, turning, judge.unit, settings.angles, reflections, scales)


def _for_search(part: Part) -> np.ndarray:
    """The strongest components over all modalities, each with the variance of its strength (places x components)."""
    columns, strengths = [np.zeros((len(part.points), 0))], [np.zeros(0)]
    for one in part.components.values():
        table = np.zeros((len(part.points), len(one.strength)))
        table[one.rows] = one.smooth / one.smooth.std(axis=0) * np.sqrt(one.strength)
        columns.append(table)
        strengths.append(one.strength)
    order = np.argsort(-np.concatenate(strengths), kind="stable")[:MOST_COMPONENTS]
    return np.column_stack(columns)[:, order]


def _climb(judge: Judge, origins: list[Matrix], settings: PrematchSettings) -> list[Matrix]:
    """Climb the evidence coarsely from the best origins, and finely from the best few of these."""
    places = judge.moving.points
    wide = max(WIDTH_COARSE, cell_side(judge.fixed.points, judge.unit) / judge.unit)
    coarse = partial(judge.evidence, width=wide, most=SPOTS_COARSE)
    fine = partial(judge.evidence, width=WIDTH_FINE, most=SPOTS_FINE, averaged=False)
    promising = pick([Start(matrix, coarse(matrix), 0.0) for matrix in origins], places, settings.starts)
    climbed = [climb(coarse, places, one.matrix, wide * judge.unit, settings.scale) for one in promising]
    best = pick([Start(matrix, score, 0.0) for matrix, score in climbed], places, FINALISTS)
    return [climb(fine, places, one.matrix, WIDTH_FINE * judge.unit, settings.scale)[0] for one in best]


def thin(points: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the points, evenly taken."""
    return points[:: max(1, -(-len(points) // most))]


def _different(candidates: list[Candidate], places: np.ndarray) -> int | None:
    """Index of the best candidate that lays the section elsewhere than the first does."""
    for index, one in enumerate(candidates[1:], start=1):
        if transforms.disagreement(candidates[0].matrix, one.matrix, places) > APART:
            return index
    return None


def _record(
    tried: list[Candidate], runner_up: int | None, by_evidence: bool, judge: Judge, matrix: Matrix
) -> dict[str, Any]:
    """What was tried, in plain types; transforms in the units of the sections."""
    lines = []
    for one in tried[:MOST_RECORDED]:
        angle, shift, scale, reflected = transforms.decompose(one.matrix)
        lines.append({
            "method": one.method, "degrees": float(np.degrees(angle)), "shift": shift.tolist(), "scale": scale,
            "reflected": reflected, "evidence": one.evidence, "detail": one.detail, "shape": one.shape,
        })  # fmt: skip
    score = [one.evidence if by_evidence else one.shape for one in tried]
    second = None if runner_up is None else score[runner_up]
    return {
        "decided_by": "evidence" if by_evidence else "shape",
        "overlap": judge.overlap(matrix),
        "runner_up": second,
        "ambiguous": second is not None and second >= ALIKE * score[0],
        "modalities": {"fixed": sorted(judge.fixed.components), "moving": sorted(judge.moving.components)},
        "tried": lines,
    }


def _untouched() -> dict[str, Any]:
    """The record of sections that are left as they are."""
    return {
        "decided_by": "none", "overlap": None, "runner_up": None, "ambiguous": False,
        "modalities": {"fixed": [], "moving": []}, "tried": [],
    }  # fmt: skip


def _ambiguity(tried: list[Candidate], runner_up: int | None, by_evidence: bool) -> str:
    """The warning that two transforms are about equally good."""
    ways = []
    for one in (tried[0], tried[runner_up or 0]):
        angle, _, _, reflected = transforms.decompose(one.matrix)
        turned = " and turned over" if reflected else ""
        ways.append(f"{np.degrees(angle):.0f} degrees{turned} ({one.evidence if by_evidence else one.shape:.3f})")
    by = "features" if by_evidence else "shape"
    return f"two ways to lay the sections together are about equally good by {by}: {ways[0]}, {ways[1]}; look at them"
