"""Mapping every spot of a section to its best spot of another section.

This is SpatialFuser's whole-slice alignment: a spot is mapped to a spot within the radius whose cosine is at least a
percentile of a null distribution. Several spots may share a target. ``docs/alignment_matching.md`` compares the nulls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spatialweave.io.notices import warn
from spatialweave.matching.candidates import check_sections, shared_spacing, unit_rows
from spatialweave.matching.spot_pairs import pair_blocks
from spatialweave.settings import configure, option


@dataclass(frozen=True)
class MappingSettings:
    """Settings for mapping a section onto another.

    `source` is for callers that map pairs of sections: :func:`map_section` always maps its first section.
    """

    radius: float = option(3.0, "Largest distance of a target, in spot spacings of the coarser section.", above=0)
    percentile: float = option(95.0, "Percentile of the null's cosines that a target must reach.", low=0, high=100)
    n_null: int = option(1000, "Pairs of the null.", low=1)
    null: Literal["section", "radius"] = option(
        "section",
        "section: random pairs farther apart than the radius; radius, as published: random spots, each with a random "
        "spot within the radius.",
    )
    source: Literal["first", "smaller"] = option(
        "first", "Which of two sections is mapped onto the other: the first or, as published, that with fewer spots."
    )
    penalty: float = option(
        0.4,
        "Targets rank by their cosine minus this times the squared distance in spot spacings; 0, as published: by the "
        "cosine only.",
        low=0,
    )


@dataclass(frozen=True)
class SectionMapping:
    """Mapping of the spots of a section a to a section b.

    Attributes
    ----------
    target
        Spot of b (int64); -1 where no spot within the radius is similar enough.
    score
        Cosine with the target, or the highest cosine within the radius where there is no target; NaN where no spot is
        within the radius (float64).
    threshold
        Percentile of the null; NaN if no null pair could be drawn, and then no spot is mapped.
    """

    target: np.ndarray
    score: np.ndarray
    threshold: float


def map_section(
    embedding_a: np.ndarray,
    embedding_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    settings: MappingSettings,
    rng: np.random.Generator,
) -> SectionMapping:
    """Map every spot of a to a spot of b.

    Parameters
    ----------
    embedding_a, embedding_b, points_a, points_b
        As for :func:`~spatialweave.matching.match.match`.
    rng
        Generator for drawing the null.

    Raises
    ------
    InputError
        For settings out of bounds, shapes that do not match, or values that are not finite.
    """
    check_sections(embedding_a, embedding_b, points_a, points_b)
    configure(MappingSettings, "whole-section mapping", vars(settings))
    if 0 < settings.percentile < 1:
        problem = f"percentile {settings.percentile} is in percent, and nearly all spots pass it"
        warn("whole-section mapping", f"{problem}; did you mean {100 * settings.percentile:g}?")
    points_a, points_b = np.asarray(points_a, np.float64), np.asarray(points_b, np.float64)
    units_a, units_b = unit_rows(embedding_a), unit_rows(embedding_b)
    spacing = shared_spacing(points_a, points_b)
    radius, penalty = settings.radius * spacing, settings.penalty / spacing**2

    def pairs(rows: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield blocks of (a, b, cosine, value) of the spots `rows` of a; targets rank by their value."""
        for a, b, distance in pair_blocks(points_a[rows], points_b, radius):
            cosine = np.einsum("ij,ij->i", units_a[rows[a]], units_b[b]).astype(np.float64)
            yield rows[a], b, cosine, cosine - penalty * distance**2

    if settings.null == "radius":
        sample = rng.permutation(len(points_a))[: settings.n_null]
        cosines = [_one_of_each(a, b, cosine, rng) for a, b, cosine, _ in pairs(sample)]
        drawn = np.concatenate(cosines) if cosines else np.empty(0)
    else:
        drawn = _far_cosines(units_a, units_b, points_a, points_b, radius, settings.n_null, rng)
    threshold = float(np.percentile(drawn, settings.percentile)) if len(drawn) else np.nan
    target = np.full(len(points_a), -1, dtype=np.int64)
    score = np.full(len(points_a), np.nan)
    for a, b, cosine, value in pairs(np.arange(len(points_a))):
        highest = _first_of_each(a, np.lexsort((b, -cosine, a)))
        score[a[highest]] = cosine[highest]
        passed = np.flatnonzero(cosine >= threshold)
        best = passed[_first_of_each(a[passed], np.lexsort((b[passed], -value[passed], a[passed])))]
        target[a[best]], score[a[best]] = b[best], cosine[best]
    return SectionMapping(target, score, threshold)


def _first_of_each(spot: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the first of every spot in `order`, which is sorted by spot."""
    return order[np.flatnonzero(np.diff(spot[order], prepend=-1))]


def _one_of_each(a: np.ndarray, b: np.ndarray, cosine: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return, for every spot of the block, the cosine of a random one of its candidates."""
    by_pair = np.lexsort((b, a))
    return cosine[_first_of_each(a, by_pair[np.lexsort((rng.random(len(a)), a[by_pair]))])]


def _far_cosines(
    units_a: np.ndarray,
    units_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    radius: float,
    n_null: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw cosines of up to `n_null` random pairs farther apart than `radius`; fewer if nearly all pairs are closer."""
    if len(points_a) == 0 or len(points_b) == 0:
        return np.empty(0)
    # Ten times as many draws are enough unless the radius covers nine tenths of the section.
    a, b = rng.integers(len(points_a), size=10 * n_null), rng.integers(len(points_b), size=10 * n_null)
    far = np.flatnonzero(np.linalg.norm(points_a[a] - points_b[b], axis=1) > radius)[:n_null]
    return np.einsum("ij,ij->i", units_a[a[far]], units_b[b[far]]).astype(np.float64)
