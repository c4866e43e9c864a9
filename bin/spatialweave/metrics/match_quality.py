"""Quality of the matches between two sections, with and without labels and true coordinates.

The functions use only aligned coordinates, labels and pairs; docs/metrics.md has the definitions. `a` and `b` are the
sections of a pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialweave.matching.spot_pairs import nearest_pairs

NEAR_TRUTH = 1.5
"""A match counts as correct if the true coordinates of its spots are at most this far apart, in spacings."""

MATCHABLE = 1.0
"""A spot is matchable if the other section has a spot at most this far from its true coordinates, in spacings."""

SLACK = 1e-6
"""Limits are raised by this fraction, because on a lattice many distances equal the limit up to rounding."""


@dataclass(frozen=True)
class MatchedSection:
    """Spots of one section of a pair.

    Attributes
    ----------
    points
        float64, spots x 2: aligned coordinates.
    labels
        Text, "" = unlabelled; None without labels.
    truth
        float64, spots x 2: true coordinates, in one system for both sections; None if unknown.
    """

    points: np.ndarray
    labels: np.ndarray | None = None
    truth: np.ndarray | None = None


def match_quality(
    a: MatchedSection,
    b: MatchedSection,
    pairs: tuple[np.ndarray, np.ndarray],
    accepted: np.ndarray,
    spacing: float,
    mapping: tuple[np.ndarray, np.ndarray] | None = None,
    threshold: float | None = None,
) -> dict[str, float]:
    """Compute every metric that is defined, by name, in the order of docs/metrics.md.

    Parameters
    ----------
    pairs
        Spots of `a` and spots of `b` (indices from 0), pair by pair; a spot may be in several.
    accepted
        bool, one per pair. Only accepted pairs are used in the metrics.
    spacing
        Spot spacing in the aligned coordinates, the unit of all distances. If it is 0, metrics that need a unit are
        left out.
    mapping
        The whole-section mapping: mapped spots with their targets, in the form of `pairs`. Its metrics have the prefix
        ``mapping_``.
    threshold
        Cosine below which the mapping gave a spot no target.
    """
    in_a, in_b = (np.asarray(side)[accepted] for side in pairs)
    truth = _true_coordinates(a, b) if spacing > 0 else None
    found = {"spots_a": float(len(a.points)), "spots_b": float(len(b.points)), "pairs": float(len(pairs[0]))}
    found |= _pair_quality(a, b, in_a, in_b, spacing, truth)
    if truth is not None:
        found["registration_error"] = _mean(np.linalg.norm(truth[1] - b.points, axis=1)) / spacing
    if mapping is not None:
        of_mapping = _pair_quality(a, b, *mapping, spacing, truth)
        found |= {f"mapping_{name}": value for name, value in of_mapping.items()}
    if threshold is not None:
        found["mapping_threshold"] = float(threshold)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _pair_quality(
    a: MatchedSection,
    b: MatchedSection,
    in_a: np.ndarray,
    in_b: np.ndarray,
    spacing: float,
    truth: tuple[np.ndarray, np.ndarray] | None,
) -> dict[str, float]:
    """Return the metrics of a set of accepted pairs; NaN where undefined."""
    matched_a, matched_b = np.zeros(len(a.points), dtype=bool), np.zeros(len(b.points), dtype=bool)
    matched_a[in_a], matched_b[in_b] = True, True
    found = {
        "accepted_pairs": float(len(in_a)),
        "matched_a": _mean(matched_a),
        "matched_b": _mean(matched_b),
        "matched_smaller": _mean(matched_b if len(matched_b) < len(matched_a) else matched_a),
    }
    if a.labels is not None and b.labels is not None:
        of_a, of_b = a.labels[in_a], b.labels[in_b]
        known = (of_a != "") & (of_b != "")
        found |= {"label_agreement": _mean((of_a == of_b)[known]), "labelled_pairs": float(known.sum())}
    if spacing > 0 and len(in_a):
        residuals = np.linalg.norm(a.points[in_a] - b.points[in_b], axis=1) / spacing
        found |= {"residual_median": float(np.median(residuals)), "residual_p95": float(np.quantile(residuals, 0.95))}
    if truth is not None:
        found |= _against_truth(truth, in_a, in_b, (matched_a, matched_b), spacing)
    return found


def _against_truth(
    truth: tuple[np.ndarray, np.ndarray],
    in_a: np.ndarray,
    in_b: np.ndarray,
    matched_spots: tuple[np.ndarray, np.ndarray],
    spacing: float,
) -> dict[str, float]:
    """Return the metrics that compare pairs with the spots' true coordinates."""
    apart = np.linalg.norm(truth[0][in_a] - truth[1][in_b], axis=1)
    found = {"near_truth": _mean(apart <= NEAR_TRUTH * spacing * (1.0 + SLACK))}
    for side, own, other, matched in zip("ab", truth, truth[::-1], matched_spots, strict=True):
        matchable = np.zeros(len(own), dtype=bool)
        matchable[nearest_pairs(own, other, MATCHABLE * spacing * (1.0 + SLACK))[0]] = True
        found |= {
            f"matchable_{side}": _mean(matchable),
            f"matchable_accepted_{side}": _mean(matched[matchable]),
            f"unmatchable_accepted_{side}": _mean(matched[~matchable]),
        }
    return found


def _true_coordinates(a: MatchedSection, b: MatchedSection) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the true coordinates of both sections in the system of the aligned ones; None if unknown.

    The affine map that takes the true coordinates of `a` to its aligned ones (least squares) is applied to those of
    `b`. For any system of the true coordinates, the remaining difference is the registration error of `b` on `a`.
    """
    if a.truth is None or b.truth is None:
        return None
    # Centred, because coordinates far from the origin lose precision.
    centre = a.truth.mean(axis=0) if len(a.truth) else np.zeros(2)
    design, other = (np.column_stack([side - centre, np.ones(len(side))]) for side in (a.truth, b.truth))
    affine, _, rank, _ = np.linalg.lstsq(design, a.points, rcond=None)
    # Spots on one line do not determine the map.
    return (design @ affine, other @ affine) if rank == 3 else None


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
