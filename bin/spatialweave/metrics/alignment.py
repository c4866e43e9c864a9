"""How good the matches between two sections are, with and without labels and true positions.

Pure functions of coordinates, labels and pairs; docs/metrics.md has the definitions. `a` and `b` are the sections of a
pair, their coordinates in one frame. The control that uses coordinates only is :func:`alignment_quality` of the pairs
of :func:`nearest_pairs`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

NEAR_TRUTH = 1.5
"""Spots from the true position up to which a match counts as right."""

MATCHABLE = 1.0
"""Spots from a spot's true position up to which the other section must have a spot for it to be matchable."""

SLACK = 1e-6
"""Share by which limits give way: on a lattice many distances equal the limit, up to rounding."""


@dataclass(frozen=True)
class Side:
    """The spots of one section of a pair.

    Attributes
    ----------
    points
        float64, spots x 2: coordinates in the frame of both sections.
    labels
        Text, "" = unlabelled; None without labels.
    truth
        float64, spots x 2: true positions, in any frame that both sections share; None where they are not known.
    """

    points: np.ndarray
    labels: np.ndarray | None = None
    truth: np.ndarray | None = None


def alignment_quality(
    a: Side,
    b: Side,
    pairs: tuple[np.ndarray, np.ndarray],
    accepted: np.ndarray,
    spacing: float,
    target: np.ndarray | None = None,
    threshold: float | None = None,
) -> dict[str, float]:
    """Every figure that is defined, by name, in the order of docs/metrics.md.

    Parameters
    ----------
    pairs
        Spots of `a` and spots of `b` (indices from 0), pair by pair; a spot may be in several.
    accepted
        bool, one per pair. Only accepted pairs are judged.
    spacing
        Distance of neighbouring spots in the frame of both sections, the unit of all distances; where it is 0, figures
        that need a unit are left out.
    target
        The whole-section mapping: a spot of `b` per spot of `a`, -1 = none. Its figures begin with ``mapping_``.
    threshold
        The score below which the mapping took a spot to have no counterpart.
    """
    in_a, in_b = (np.asarray(side)[accepted] for side in pairs)
    truth = _true_positions(a, b) if spacing > 0 else None
    found = {"spots_a": float(len(a.points)), "spots_b": float(len(b.points)), "pairs": float(len(pairs[0]))}
    found |= _pair_quality(a, b, in_a, in_b, spacing, truth)
    if truth is not None:
        found["registration_error"] = _mean(np.linalg.norm(truth[1] - b.points, axis=1)) / spacing
    if target is not None:
        mapped = np.flatnonzero(target >= 0)
        mapping = _pair_quality(a, b, mapped, target[mapped], spacing, truth)
        found |= {f"mapping_{name}": value for name, value in mapping.items()}
    if threshold is not None:
        found["mapping_threshold"] = float(threshold)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def nearest_pairs(points_a: np.ndarray, points_b: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Each spot of `a` with the nearest spot of `b`, where that is not farther than `limit` (units of the points)."""
    if len(points_a) == 0 or len(points_b) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    distance, nearest = cKDTree(points_b).query(points_a)
    near = np.flatnonzero(distance <= limit)
    return near, nearest[near].astype(np.int64)


def _pair_quality(
    a: Side,
    b: Side,
    in_a: np.ndarray,
    in_b: np.ndarray,
    spacing: float,
    truth: tuple[np.ndarray, np.ndarray] | None,
) -> dict[str, float]:
    """The figures of a set of pairs that all count; NaN where undefined."""
    taken_a, taken_b = np.zeros(len(a.points), dtype=bool), np.zeros(len(b.points), dtype=bool)
    taken_a[in_a], taken_b[in_b] = True, True
    found = {
        "accepted_pairs": float(len(in_a)),
        "matched_a": _mean(taken_a),
        "matched_b": _mean(taken_b),
        "matched_smaller": _mean(taken_b if len(taken_b) < len(taken_a) else taken_a),
    }
    if a.labels is not None and b.labels is not None:
        of_a, of_b = a.labels[in_a], b.labels[in_b]
        known = (of_a != "") & (of_b != "")
        found |= {"label_agreement": _mean((of_a == of_b)[known]), "labelled_pairs": float(known.sum())}
    if spacing > 0 and len(in_a):
        residuals = np.linalg.norm(a.points[in_a] - b.points[in_b], axis=1) / spacing
        found |= {"residual_median": float(np.median(residuals)), "residual_p95": float(np.quantile(residuals, 0.95))}
    if truth is not None:
        found |= _against_truth(truth, in_a, in_b, (taken_a, taken_b), spacing)
    return found


def _against_truth(
    truth: tuple[np.ndarray, np.ndarray],
    in_a: np.ndarray,
    in_b: np.ndarray,
    taken: tuple[np.ndarray, np.ndarray],
    spacing: float,
) -> dict[str, float]:
    """What pairs are worth where each spot's true position is known."""
    apart = np.linalg.norm(truth[0][in_a] - truth[1][in_b], axis=1)
    found = {"near_truth": _mean(apart <= NEAR_TRUTH * spacing * (1.0 + SLACK))}
    for side, own, others, matched in zip("ab", truth, truth[::-1], taken, strict=True):
        matchable = np.zeros(len(own), dtype=bool)
        matchable[nearest_pairs(own, others, MATCHABLE * spacing * (1.0 + SLACK))[0]] = True
        found |= {
            f"matchable_{side}": _mean(matchable),
            f"matchable_accepted_{side}": _mean(matched[matchable]),
            f"unmatchable_accepted_{side}": _mean(matched[~matchable]),
        }
    return found


def _true_positions(a: Side, b: Side) -> tuple[np.ndarray, np.ndarray] | None:
    """True positions of both sections in the frame of their points; None where they are not known.

    The affine map that carries the true positions of `a` to its points (least squares) carries those of `b`: whichever
    frame the truth is given in, what remains is the error of placing `b` on `a`.
    """
    if a.truth is None or b.truth is None:
        return None
    # Centred, for coordinates far from the origin would cost precision.
    centre = a.truth.mean(axis=0) if len(a.truth) else np.zeros(2)
    design, other = (np.column_stack([side - centre, np.ones(len(side))]) for side in (a.truth, b.truth))
    carry, _, rank, _ = np.linalg.lstsq(design, a.points, rcond=None)
    # Spots on one line leave the map open.
    return (design @ carry, other @ carry) if rank == 3 else None


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
