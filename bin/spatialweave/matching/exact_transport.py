"""Optimal transport between two sections with a dustbin, without regularisation, by POT's network simplex.

It solves the problem of :mod:`~spatialweave.matching.transport` in the limit of epsilon 0. Nearly every spot then
gives all of its mass to one partner or to the dustbin. POT takes a dense matrix, so the number of spots is bounded.
"""

from __future__ import annotations

import numpy as np

from spatialweave.errors import InputError
from spatialweave.matching.transport import Outside, TransportPlan

LARGEST = 4_000_000
"""Largest number of pairs of spots of a dense problem, 2,000 x 2,000: 32 MB per matrix, solved in seconds."""

MAX_STEPS = 10_000_000
"""Largest number of steps of the network simplex; a problem of this size takes fewer."""


def exact_transport(
    a: np.ndarray,
    b: np.ndarray,
    scores: np.ndarray,
    n_a: int,
    n_b: int,
    dustbin: float,
    *,
    corner: float | None = None,
    outside: Outside = "forbidden",
) -> TransportPlan:
    """Solve the transport with a dustbin exactly.

    Parameters
    ----------
    a, b, scores
        The candidate pairs, each once, and their scores.
    n_a, n_b
        Number of spots of the two sections, at least 1 each.
    dustbin
        Score of a spot with the dustbin.
    corner
        Score of the dustbin with the dustbin; None = `dustbin`, as published.
    outside
        Pairs that are not candidates have no mass (``forbidden``) or the score 0 (``constant``).

    Raises
    ------
    InputError
        For more than :data:`LARGEST` pairs of spots.
    """
    import ot

    if n_a * n_b > LARGEST:
        raise InputError(
            "matching, epsilon", f"0 for {n_a} x {n_b} spots", f"a number above 0 beyond {LARGEST} pairs of spots"
        )
    corner = dustbin if corner is None else corner
    cost = np.zeros((n_a + 1, n_b + 1))
    if outside == "forbidden":
        # Costs more than any exchange of two allowed pairs, but not much more, to keep precision.
        extremes = np.append(scores, [dustbin, corner])
        cost[:] = 1.0 + 2.0 * (extremes.max() - extremes.min()) - extremes.min()
    cost[a, b] = -scores
    cost[-1, :], cost[:, -1], cost[-1, -1] = -dustbin, -dustbin, -corner
    plan = ot.emd(np.append(np.ones(n_a), n_b), np.append(np.ones(n_b), n_a), cost, numItermax=MAX_STEPS)
    return TransportPlan(plan[a, b], plan[:-1, -1], plan[-1, :-1], sweeps=0, error=0.0)
