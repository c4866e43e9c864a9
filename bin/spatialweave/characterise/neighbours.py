"""How much of a domain's contacts with other domains goes to each of them, and how much would be expected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import brentq

from spatialweave.graphs.matrices import edges

MOST = 1e4
"""Largest total of the solution, relative to its least: with it the table is exact to a 1e-8."""

NEGLIGIBLE = 1e-4
"""Fewer expected edges count as none."""


@dataclass(frozen=True)
class Adjacency:
    """Edges of the spatial graph between domains (domains x domains).

    Attributes
    ----------
    observed
        Number of edges; symmetric.
    expected
        Number of edges between two different domains if only the number that leaves each domain decided
        (:func:`quasi_independent`); symmetric, 0 on the diagonal.
    """

    observed: np.ndarray
    expected: np.ndarray

    @property
    def fraction(self) -> np.ndarray:
        """Fraction of the edges that leave the domain of the row; NaN on the diagonal, and if none leaves it."""
        return self._of_leaving(self.observed)

    @property
    def expected_fraction(self) -> np.ndarray:
        """The same as expected."""
        return self._of_leaving(self.expected)

    @property
    def ratio(self) -> np.ndarray:
        """Observed over expected number; NaN where none is expected."""
        known = self.expected > NEGLIGIBLE
        return np.divide(self.observed, self.expected, out=np.full(known.shape, np.nan), where=known)

    def __add__(self, other: Adjacency) -> Adjacency:
        """Add the counts of two sections: domains that share no section are not expected to touch."""
        return Adjacency(self.observed + other.observed, self.expected + other.expected)

    def _of_leaving(self, counts: np.ndarray) -> np.ndarray:
        leaving = self.observed.sum(axis=1) - np.diag(self.observed)
        fractions = counts / np.where(leaving > 0, leaving, np.nan)[:, None]
        np.fill_diagonal(fractions, np.nan)
        return fractions


def adjacency(graph: sparse.csr_matrix, codes: np.ndarray, n_domains: int) -> Adjacency:
    """Count the edges between the domains of a section, and compute the numbers expected from how many leave each one.

    Spots are not permuted for this, as in squidpy's ``nhood_enrichment``: that breaks up the domains, so contiguous
    domains all touch each other less than "by chance". Only edges between different domains are compared. There is no
    p value, since the edges of one border depend on each other.

    Parameters
    ----------
    graph
        Undirected spatial graph.
    codes
        Domain of every spot, from 0.
    """
    i, j = edges(graph)
    once = i < j
    i, j = i[once], j[once]
    counts = np.bincount(codes[i] * n_domains + codes[j], minlength=n_domains**2).reshape(n_domains, n_domains)
    observed = (counts + counts.T - np.diag(np.diag(counts))).astype(np.float64)
    leaving = observed.sum(axis=1) - np.diag(observed)
    return Adjacency(observed, quasi_independent(leaving))


def quasi_independent(leaving: np.ndarray) -> np.ndarray:
    """Return the symmetric table x_a x_b with a diagonal of 0 and these sums of rows.

    This is the model of quasi-independence (Goodman, J Am Stat Assoc 63:1091, 1968) of a symmetric table: patches with
    random domains touch in these proportions. With two or three domains the sums of rows determine the whole table.

    Parameters
    ----------
    leaving
        Sums of rows, 0 or more, none larger than all others together.
    """
    largest = int(leaving.argmax())
    if leaving[largest] == 0:
        return np.zeros((len(leaving), len(leaving)))

    # Each x solves x (total - x) = leaving. All are the smaller solution, but perhaps the largest.
    def smaller(total: float) -> np.ndarray:
        return np.asarray(2 * leaving / (total + np.sqrt(np.maximum(total**2 - 4 * leaving, 0.0))))

    def excess(total: float) -> float:
        found = smaller(total)
        return float(found.sum() - (2 * found[largest] if one_is_larger else total))

    least = 2 * float(np.sqrt(leaving[largest]))
    one_is_larger = smaller(least).sum() < least
    # If all edges touch one domain, its x is infinite.
    most = MOST * least
    total = brentq(excess, least, most) if excess(least) * excess(most) < 0 else (most if one_is_larger else least)
    x = smaller(total)
    if one_is_larger:
        x[largest] = total - x[largest]
    table = np.outer(x, x)
    np.fill_diagonal(table, 0.0)
    return table
