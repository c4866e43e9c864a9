"""Fused Gromov-Wasserstein: couples the spots of two sections by features and distances to find the transform of one.

This is PASTE's pairwise alignment (Zeira et al., Nat Methods 19:567, 2022). The coupling P of all spots, which have
equal weights, minimises

    (1 - alpha) sum M_ij P_ij + alpha sum (C_ik - D_jl)^2 P_ij P_kl

(Vayer et al., Algorithms 13:212, 2020). M are the dissimilarities of the features of spots of the two sections, C and D
the distances within each. Weighted least squares on the coupled spots then gives the transform. All spots are coupled,
so the sections must show the same part of the tissue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from spatialweave.alignment import transforms
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.alignment.prepared_section import pool
from spatialweave.alignment.transforms import Matrix
from spatialweave.errors import InputError
from spatialweave.io.layout import spacing
from spatialweave.threads import one_thread

ALPHA = 0.1
"""Weight of the distances, as in PASTE."""

MOST_SPOTS = 1_000
"""Sections with more spots are pooled to fewer than this, because time and memory grow at least with its square."""

MOST_ITERATIONS = 200

Features = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Mapping of each modality to its latents (n x d) and whether each spot has them (n)."""


@dataclass(frozen=True)
class Coupling:
    """Result of :func:`fused_gromov_wasserstein`.

    Attributes
    ----------
    matrix
        3 x 3, moving units -> fixed units.
    overlap
        Fraction of the moving spots that end up within a spacing of a fixed one.
    record
        Numbers of coupled spots, modalities, and the final cost (plain types).
    """

    matrix: Matrix
    overlap: float
    record: dict[str, Any]


def fused_gromov_wasserstein(
    fixed: np.ndarray,
    fixed_features: Features,
    moving: np.ndarray,
    moving_features: Features,
    settings: PrematchSettings,
) -> Coupling:
    """Find the transform of `moving` onto `fixed` (n x 2 and m x 2, any units) by coupling their spots.

    Dissimilarities are squared distances of the latents of the modalities that both sections have. They are divided by
    their mean and averaged over modalities. Distances are in units of their mean in the fixed section; with `scale`,
    each section's are in units of their own mean. Nothing is drawn at random.

    Raises
    ------
    InputError
        When the sections have no modality in common.
    """
    import ot

    widths = {name: latents.shape[1] for name, (latents, _) in moving_features.items()}
    shared = [name for name, (latents, _) in fixed_features.items() if widths.get(name) == latents.shape[1]]
    if not shared:
        named = "; ".join(", ".join(features) for features in (fixed_features, moving_features))
        problem = f"the sections have no modality with the same number of latent dimensions in common ({named})"
        raise InputError("--align-by fgw", problem, "at least one", "use --align-by auto")
    first, first_features = _pooled(fixed, {name: fixed_features[name] for name in shared})
    second, second_features = _pooled(moving, {name: moving_features[name] for name in shared})
    dissimilarities = _dissimilarities(first_features, second_features)
    distances, other = cdist(first, first), cdist(second, second)
    unit = distances.mean()
    weights = [np.full(len(points), 1.0 / len(points)) for points in (first, second)]
    # The whole optimisation depends on the last digits.
    with one_thread():
        plan, log = ot.gromov.fused_gromov_wasserstein(
            dissimilarities, distances / unit, other / (other.mean() if settings.scale else unit), *weights,
            alpha=ALPHA, symmetric=True, max_iter=MOST_ITERATIONS, log=True,
        )  # fmt: skip
    i, j = np.nonzero(plan)
    matrix = _transform(second[j], first[i], plan[i, j], settings)
    distance = cKDTree(fixed).query(transforms.apply(matrix, moving))[0]
    overlap = float((distance <= spacing(fixed)).mean())
    coupled = {"coupled_spots": [len(first), len(second)], "cost": float(log["fgw_dist"])}
    return Coupling(matrix, overlap, {"modalities": {"fixed": shared, "moving": shared}, "coupling": coupled})


def _pooled(points: np.ndarray, features: Features) -> tuple[np.ndarray, Features]:
    """Return the section itself or, with more than :data:`MOST_SPOTS` spots, their means in squares of a grid."""
    pooled, cell = (points, features), spacing(points)
    while len(pooled[0]) > MOST_SPOTS:
        # On a lattice each square contains one spot; where some cells are close together, a square contains several.
        cell *= 1.01 * float(np.sqrt(len(pooled[0]) / MOST_SPOTS))
        pooled = pool(points, features, cell)
    return pooled


def _dissimilarities(first: Features, second: Features) -> np.ndarray:
    """Return squared distances of latents, spots x spots, averaged over the modalities that both spots have.

    Each modality's distances are divided by their mean. Where two spots have no modality in common the value is 1, the
    mean.
    """
    shape = tuple(len(next(iter(one.values()))[0]) for one in (first, second))
    total, number = np.zeros(shape), np.zeros(shape)
    for name, (latents, present) in first.items():
        rows, columns = np.flatnonzero(present), np.flatnonzero(second[name][1])
        squared = cdist(latents[rows], second[name][0][columns], "sqeuclidean")
        total[np.ix_(rows, columns)] += squared / (squared.mean() or 1.0)
        number[np.ix_(rows, columns)] += 1
    return np.where(number > 0, total / np.maximum(number, 1), 1.0)


def _transform(source: np.ndarray, target: np.ndarray, weights: np.ndarray, settings: PrematchSettings) -> Matrix:
    """Fit the transform of coupled spots; with `reflection` the mirrored one if that brings them closer.

    A free scale is the ratio of the radii. Least squares would give a smaller one where the coupling is blurred.
    """
    factor = _radius(target, weights) / _radius(source, weights) if settings.scale else 1.0
    candidates = [
        transforms.fit(factor * source, target, weights, reflect=reflect) @ transforms.rigid(0.0, (0.0, 0.0), factor)
        for reflect in ((False, True) if settings.reflection else (False,))
    ]
    return min(
        candidates, key=lambda matrix: float(weights @ ((transforms.apply(matrix, source) - target) ** 2).sum(axis=1))
    )


def _radius(points: np.ndarray, weights: np.ndarray) -> float:
    """Return the root mean square distance of weighted points (n x 2) from their mean."""
    centred = points - np.average(points, axis=0, weights=weights)
    return float(np.sqrt(np.average((centred**2).sum(axis=1), weights=weights)))
