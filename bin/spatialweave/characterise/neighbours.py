"""Which domains are neighbours more or less often than by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from spatialweave.graphs.matrices import edges


@dataclass(frozen=True)
class Adjacency:
    """Edges of the spatial graph between domains (domains x domains, symmetric).

    Attributes
    ----------
    observed
        Number of edges.
    expected, variance
        Mean and variance of that number if each section's domains are permuted over its spots.
    """

    observed: np.ndarray
    expected: np.ndarray
    variance: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """Standard deviations above the expected number; NaN if the number cannot vary."""
        varies = self.variance > 1e-9
        apart = self.observed - self.expected
        z = apart / np.sqrt(np.where(varies, self.variance, 1.0))
        return np.where(varies, z, np.nan)

    def __add__(self, other: Adjacency) -> Adjacency:
        """Add the counts of two sections, whose permutations are independent."""
        return Adjacency(self.observed + other.observed, self.expected + other.expected, self.variance + other.variance)


def adjacency(graph: sparse.csr_matrix, codes: np.ndarray, n_domains: int) -> Adjacency:
    """Count the edges between the domains of a section, and compute the exact moments of the count under permutation.

    These are the join counts of Cliff and Ord (Spatial Processes, 1981) under non-free sampling. squidpy's
    ``nhood_enrichment`` estimates the same by permuting, with the noise of the permutations.

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
    n, n_edges = len(codes), len(i)
    counts = np.bincount(codes[i] * n_domains + codes[j], minlength=n_domains**2).reshape(n_domains, n_domains)
    observed = counts + counts.T - np.diag(np.diag(counts))
    degree = np.bincount(np.concatenate([i, j]), minlength=n).astype(np.float64)
    # Ordered pairs of distinct edges with a spot in common, and without one.
    touching = (degree * (degree - 1)).sum()
    apart = float(n_edges) * (n_edges - 1) - touching
    a = np.bincount(codes, minlength=n_domains).astype(np.float64)
    own, other = a[:, None], a[None, :]
    # Probability that one edge joins both domains; that two edges with a common spot do; that two without one do.
    one = 2 * own * other
    both = own * other * (other - 1) + other * own * (own - 1)
    two = 4 * own * (own - 1) * other * (other - 1)
    np.fill_diagonal(one, a * (a - 1))
    np.fill_diagonal(both, a * (a - 1) * (a - 2))
    np.fill_diagonal(two, a * (a - 1) * (a - 2) * (a - 3))
    one, both, two = one / _falling(n, 2), both / _falling(n, 3), two / _falling(n, 4)
    expected = n_edges * one
    variance = expected + touching * both + apart * two - expected**2
    return Adjacency(observed.astype(np.float64), expected, np.maximum(variance, 0.0))


def _falling(n: int, k: int) -> float:
    """Return n (n - 1) ... with k factors, or 1 if that is 0, since the dividend is then 0 too."""
    return float(np.prod([float(n - step) for step in range(k)])) or 1.0
