"""Whether spots of aligned sections are more alike at corresponding places than elsewhere."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from spatialweave.matching.candidates import check_sections, shared_spacing, unit_rows

N_COMPARED = 2_000
"""Number of spots that are compared."""

MOST_PARTNERS = 64
"""Number of spots, drawn at random, among which the most similar is taken."""

FEWEST = 20
"""With fewer spots to compare the result is NaN."""


def more_alike_here(
    embedding_a: np.ndarray,
    embedding_b: np.ndarray,
    points_a: np.ndarray,
    points_b: np.ndarray,
    radius: float,
    rng: np.random.Generator,
) -> float:
    """Return the fraction of spots of a whose most similar spot of b is here and not elsewhere.

    *Here* are the spots of b within the radius; *elsewhere* are as many of those about another spot of a, more than two
    radii away. Ties count half. The fraction is about 0.5 or less where the alignment is wrong, and 0.5 where the
    sections have nothing in common or, whatever the alignment, in a tissue without domains. It is 0.5 (1 + d) where
    spots are in different domains with the probability d and clearly alike within each.

    Parameters
    ----------
    embedding_a, embedding_b, points_a, points_b
        As for :func:`~spatialweave.matching.match.match`.
    radius
        In spot spacings of the coarser section.
    rng
        Generator for drawing the spots.

    Raises
    ------
    InputError
        For shapes that do not match, or values that are not finite.
    """
    check_sections(embedding_a, embedding_b, points_a, points_b)
    points_a, points_b = np.asarray(points_a, np.float64), np.asarray(points_b, np.float64)
    radius *= shared_spacing(points_a, points_b)
    units_a, units_b = unit_rows(embedding_a), unit_rows(embedding_b)
    drawn = rng.permutation(len(points_a))[:N_COMPARED]
    around = cKDTree(points_b).query_ball_point(points_a[drawn], radius, return_sorted=True)
    kept = np.flatnonzero([len(near) > 0 for near in around])
    higher = []
    for one, other in zip(kept, rng.permutation(kept), strict=True):
        if np.linalg.norm(points_a[drawn[one]] - points_a[drawn[other]]) <= 2 * radius:
            continue
        size = min(len(around[one]), len(around[other]), MOST_PARTNERS)
        here, there = (
            (units_b[rng.choice(around[spot], size, replace=False)] @ units_a[drawn[one]]).max()
            for spot in (one, other)
        )
        higher.append(0.5 * (float(here > there) + float(here >= there)))
    return float(np.mean(higher)) if len(higher) >= FEWEST else float("nan")
