"""Optimal transport between two sections with a dustbin, restricted to candidate pairs of spots.

The plan P of the spots of a (rows) and b (columns) has one additional dustbin row and column. It is ``P_ij = exp(S_ij /
epsilon + f_i + g_j)`` with the marginals of SpatialFuser: 1 for every spot, `n_b` for the dustbin row and `n_a` for the
dustbin column (SpatialFuser divides all by n_a + n_b, which changes nothing).

Pairs that are not candidates have either no mass (``forbidden``) or the kernel ``exp(0) = 1`` of the published code
(``constant``). In both cases the kernel is sparse plus constants,

    K x = c * sum(x) + (K - c)_candidates x + dustbin,   c = 0 or 1.

This gives exactly the dense result, in time and memory linear in the number of candidates.

Sinkhorn's sweeps rescale rows and columns in turn. If they stop early, they favour the side that came last. Here both
sides are rescaled from the other's previous values. These are two chains of the usual sweeps, one that starts with the
rows and one that starts with the columns. Their geometric mean is returned, which does not change when the sections are
swapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError

Outside = Literal["forbidden", "constant"]

ABSORB_BEYOND = 1e30
"""Scalings above this (or below its inverse) are moved into the potentials, so that small epsilons do not overflow."""


@dataclass(frozen=True)
class TransportPlan:
    """Transport plan; every row and every column of spots sums to 1, including the dustbin.

    Attributes
    ----------
    mass
        Mass of every candidate pair (float64).
    dustbin_a, dustbin_b
        Mass that every spot of a and of b gives the dustbin.
    sweeps
        Number of sweeps.
    error
        Mass in the wrong row or column, as a fraction of all mass, when the sweeps stopped.
    """

    mass: np.ndarray
    dustbin_a: np.ndarray
    dustbin_b: np.ndarray
    sweeps: int
    error: float


def sinkhorn(
    a: np.ndarray,
    b: np.ndarray,
    scores: np.ndarray,
    n_a: int,
    n_b: int,
    dustbin: float,
    epsilon: float = 1.0,
    *,
    corner: float | None = None,
    outside: Outside = "forbidden",
    tolerance: float = 1e-4,
    max_sweeps: int = 100,
) -> TransportPlan:
    """Solve the transport with a dustbin.

    Parameters
    ----------
    a, b, scores
        Candidate pairs, each once, sorted by a and then b, and their scores.
    n_a, n_b
        Number of spots of the two sections, at least 1 each.
    dustbin
        Score of a spot with the dustbin.
    epsilon
        Entropic regularisation, in units of the scores.
    corner
        Score of the dustbin with the dustbin; None = `dustbin`, as published.
    outside
        Pairs that are not candidates have no mass (``forbidden``) or the score 0 (``constant``).
    tolerance, max_sweeps
        Stop when at most this fraction of the mass is in a wrong row or column, or after this many sweeps.

    Raises
    ------
    InputError
        For an epsilon that is not above 0, or so small that float64 cannot hold the kernel.
    """
    if not (np.isfinite(epsilon) and epsilon > 0):
        raise InputError("matching, epsilon", f"{epsilon}", "a number above 0")
    bin_score = dustbin / epsilon
    corner_score = bin_score if corner is None else corner / epsilon
    kernel = _Kernel(a, b, scores / epsilon, (n_a, n_b), bin_score, corner_score, outside)
    target_a, target_b = np.append(np.ones(n_a), n_b), np.append(np.ones(n_b), n_a)
    u, v = np.ones(n_a + 1), np.ones(n_b + 1)
    u_before, v_before = u, v
    error, half_sweeps = np.inf, 0
    while error > tolerance and half_sweeps < 2 * max_sweeps:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            u_next, v_next = target_a / kernel.times(v), target_b / kernel.times_transposed(u)
        if not (_in_range(u_next) and _in_range(v_next)):
            raise InputError("matching, epsilon", f"{epsilon} is too small for these scores", "a larger number")
        # u_before and v belong to one chain, u and v_before to the other: the sum of a row or column relative to its
        # target is the ratio of two steps.
        wrong = np.abs(u_before / u_next - 1.0) @ target_a + np.abs(v_before / v_next - 1.0) @ target_b
        error = float(wrong / (2.0 * (n_a + n_b)))
        u_before, v_before, u, v = u, v, u_next, v_next
        half_sweeps += 1
        if max(u.max(), v.max(), 1.0 / u.min(), 1.0 / v.min()) > ABSORB_BEYOND:
            kernel.absorb(u, v)
            u_before, v_before, u, v = u_before / u, v_before / v, np.ones(n_a + 1), np.ones(n_b + 1)
    f = kernel.f + 0.5 * (np.log(u_before) + np.log(u))
    g = kernel.g + 0.5 * (np.log(v_before) + np.log(v))
    mass = np.exp(kernel.scores + f[a] + g[b])
    dustbin_a, dustbin_b = np.exp(bin_score + f[:-1] + g[-1]), np.exp(bin_score + f[-1] + g[:-1])
    return TransportPlan(mass, dustbin_a, dustbin_b, (half_sweeps + 1) // 2, error)


def _in_range(scaling: np.ndarray) -> bool:
    return bool(np.isfinite(scaling).all() and (scaling > 0).all())


class _Kernel:
    """Kernel exp(score + f_i + g_j) of the augmented matrix: a sparse matrix and constants; scores are over epsilon."""

    def __init__(
        self,
        a: np.ndarray,
        b: np.ndarray,
        scores: np.ndarray,
        shape: tuple[int, int],
        dustbin: float,
        corner: float,
        outside: Outside,
    ) -> None:
        self.a, self.b, self.scores = a, b, np.asarray(scores, np.float64)
        self.dustbin, self.corner, self.constant = dustbin, corner, outside == "constant"
        starts = np.concatenate([[0], np.cumsum(np.bincount(a, minlength=shape[0]))])
        self.matrix = sparse.csr_matrix((np.empty(len(a)), b, starts), shape=shape)
        # Half of each row's and of each column's largest score, so that the first kernel cannot overflow.
        least = max(dustbin, 0.0) if self.constant else dustbin
        best_a, best_b = np.full(shape[0] + 1, least), np.full(shape[1] + 1, least)
        np.maximum.at(best_a, a, self.scores)
        np.maximum.at(best_b, b, self.scores)
        best_a[-1] = best_b[-1] = max(dustbin, corner)
        self.f, self.g = -0.5 * best_a, -0.5 * best_b
        self._fill()

    def absorb(self, u: np.ndarray, v: np.ndarray) -> None:
        """Move the scalings into the potentials and rebuild the kernel."""
        self.f, self.g = self.f + np.log(u), self.g + np.log(v)
        self._fill()

    def _fill(self) -> None:
        values = np.exp(self.scores + self.f[self.a] + self.g[self.b])
        # The constant 1 of a pair is part of the sum over all spots; the sparse entry holds the remainder.
        self.matrix.data = -np.expm1(-self.scores) * values if self.constant else values
        self.exp_f, self.exp_g = np.exp(self.f[:-1]), np.exp(self.g[:-1])
        self.to_bin = np.exp(self.dustbin + self.f[:-1] + self.g[-1])
        self.from_bin = np.exp(self.dustbin + self.f[-1] + self.g[:-1])
        self.both_bins = np.exp(self.corner + self.f[-1] + self.g[-1])

    def times(self, v: np.ndarray) -> np.ndarray:
        """Return K v."""
        spots = self.matrix @ v[:-1] + self.to_bin * v[-1]
        if self.constant:
            spots += self.exp_f * (self.exp_g @ v[:-1])
        return np.append(spots, self.from_bin @ v[:-1] + self.both_bins * v[-1])

    def times_transposed(self, u: np.ndarray) -> np.ndarray:
        """Return K^T u."""
        spots = self.matrix.T @ u[:-1] + self.from_bin * u[-1]
        if self.constant:
            spots += self.exp_g * (self.exp_f @ u[:-1])
        return np.append(spots, self.to_bin @ u[:-1] + self.both_bins * u[-1])
