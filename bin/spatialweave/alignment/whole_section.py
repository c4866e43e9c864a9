"""Every spot of a section mapped to its best spot of another, where that is more alike than chance.

SpatialFuser's whole-slice alignment: a spot goes to a spot within the radius whose cosine is at least a percentile of a
null. Several spots may share a target. ``docs/alignment_matching.md`` compares the nulls.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spatialweave.alignment.candidates import check_sides, pair_blocks, shared_spacing, unit_rows
from spatialweave.errors import InputError

Null = Literal["section", "radius"]

PENALTY = 0.4
"""Cosine that a target one spacing away gives up against one at the same place, when targets are compared."""


@dataclass(frozen=True)
class Mapping:
    """Where every spot of a lies in b.

    Attributes
    ----------
    target
        Spot of b (int64); -1 where no spot within the radius is alike enough.
    score
        Cosine with the target, or the highest cosine within the radius where there is no target; NaN where nothing
        is within the radius (float64).
    threshold
        The null's percentile; NaN where no null pair could be drawn, and then nothing is mapped.
    valid
        Share of the spots of a that are mapped.
    """

    target: np.ndarray
    score: np.ndarray
    threshold: float
    valid: float


def map_section(
    embedding_a: np.ndarray,
    embedding_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    radius: float,
    rng: np.random.Generator,
    percentile: float = 95.0,
    n_null: int = 1000,
    null: Null = "section",
    penalty: float = PENALTY,
) -> Mapping:
    """Map every spot of a to b.

    Parameters
    ----------
    embedding_a, embedding_b, points_a, points_b
        As for :func:`~spatialweave.alignment.matching.match`.
    radius
        In spot spacings of the coarser section.
    percentile
        Of the null's cosines, in percent.
    n_null
        Null pairs to draw.
    null
        ``section``: random pairs that are farther apart than the radius, i.e. two places of the tissue. ``radius`` (as
        published): random spots, each with a random one of its candidates other than the best.
    penalty
        Of the targets above the threshold, the one with the highest cosine minus `penalty` times the squared distance
        (in spot spacings) is taken; 0 = by cosine only, as published.

    Raises
    ------
    InputError
        For options out of range, shapes that do not fit and values that are not finite.
    """
    check_sides(embedding_a, embedding_b, points_a, points_b)
    _check(radius, percentile, n_null, null, penalty)
    points_a, points_b = np.asarray(points_a, np.float64), np.asarray(points_b, np.float64)
    units_a, units_b = unit_rows(embedding_a), unit_rows(embedding_b)
    spacing = shared_spacing(points_a, points_b)
    radius, penalty = radius * spacing, penalty / spacing**2

    def pairs(rows: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Blocks of (a, b, cosine, value) of the spots `rows` of a."""
        for a, b, distance in pair_blocks(points_a[rows], points_b, radius):
            cosine = np.einsum("ij,ij->i", units_a[rows[a]], units_b[b]).astype(np.float64)
            yield rows[a], b, cosine, cosine - penalty * distance**2

    if null == "radius":
        sample = rng.permutation(len(points_a))[:n_null]
        cosines = [_other_than_best(a, b, cosine, value, rng) for a, b, cosine, value in pairs(sample)]
        drawn = np.concatenate(cosines) if cosines else np.empty(0)
    else:
        drawn = _far_cosines(units_a, units_b, points_a, points_b, radius, n_null, rng)
    threshold = float(np.percentile(drawn, percentile)) if len(drawn) else np.nan
    target = np.full(len(points_a), -1, dtype=np.int64)
    score = np.full(len(points_a), np.nan)
    for a, b, cosine, value in pairs(np.arange(len(points_a))):
        highest = _first_of_each(a, np.lexsort((b, -cosine, a)))
        score[a[highest]] = cosine[highest]
        passed = np.flatnonzero(cosine >= threshold)
        best = passed[_first_of_each(a[passed], np.lexsort((b[passed], -value[passed], a[passed])))]
        target[a[best]], score[a[best]] = b[best], cosine[best]
    return Mapping(target, score, threshold, float((target >= 0).mean()) if len(target) else 0.0)


def _first_of_each(spot: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The first of every spot in `order`, which is sorted by spot."""
    return order[np.flatnonzero(np.diff(spot[order], prepend=-1))]


def _other_than_best(
    a: np.ndarray, b: np.ndarray, cosine: np.ndarray, value: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """For every spot of the block with more than one candidate, the cosine of a random one that is not its best."""
    best = _first_of_each(a, np.lexsort((b, -value, a)))
    others = np.setdiff1d(np.arange(len(a)), best)
    others = others[np.lexsort((b[others], a[others]))]
    return cosine[_first_of_each(a, others[np.lexsort((rng.random(len(others)), a[others]))])]


def _far_cosines(
    units_a: np.ndarray,
    units_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    radius: float,
    n_null: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Cosines of up to `n_null` random pairs farther apart than `radius`; fewer where nearly all pairs are near."""
    if len(points_a) == 0 or len(points_b) == 0:
        return np.empty(0)
    # Ten times as many draws find enough unless the radius holds nine tenths of the section.
    a, b = rng.integers(len(points_a), size=10 * n_null), rng.integers(len(points_b), size=10 * n_null)
    far = np.flatnonzero(np.linalg.norm(points_a[a] - points_b[b], axis=1) > radius)[:n_null]
    return np.einsum("ij,ij->i", units_a[a[far]], units_b[b[far]]).astype(np.float64)


def _check(radius: float, percentile: float, n_null: int, null: str, penalty: float) -> None:
    where = "whole-section mapping"
    if not 0 < radius < np.inf:
        raise InputError(f"{where}, radius", f"{radius} is out of range", "a number above 0")
    if not 0 <= percentile <= 100:
        raise InputError(f"{where}, percentile", f"{percentile} is out of range", "0 to 100 (percent)")
    if 0 < percentile < 1:
        warnings.warn(
            f"{where}: percentile {percentile} is in percent, and lets nearly everything pass; "
            f"{100 * percentile:g} was meant?",
            stacklevel=3,
        )
    if n_null < 1:
        raise InputError(f"{where}, n_null", f"{n_null} is out of range", "1 or more")
    if null not in ("section", "radius"):
        raise InputError(f"{where}, null", f"'{null}' is not known", "section or radius")
    if not 0 <= penalty < np.inf:
        raise InputError(f"{where}, penalty", f"{penalty} is out of range", "0 or more")
