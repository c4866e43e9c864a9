"""Coherence of the domains in the tissue. NaN where a metric is undefined.

Neighbours are in the same section, because coordinates of different sections cannot be compared.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from spatialweave.graphs.matrices import edges, row_normalise, structure
from spatialweave.graphs.spatial import rows_by_group

N_NEIGHBOURS = 10
"""Neighbours per spot in Moran's I and PAS."""

SMALLEST_DOMAIN = 3
"""CHAOS leaves out a domain with fewer spots in a section, as in the publication."""


def morans_i(domains: np.ndarray, neighbours: sparse.csr_matrix) -> dict[int, float]:
    """Compute Moran's I of the membership (0/1) of each domain (Moran, Biometrika 37:17, 1950).

    I = (n / W) * sum_ij w_ij z_i z_j / sum_i z_i^2 with z the centred membership, w the neighbour graph with rows that
    sum to 1 and W the sum of all weights. Membership is used because the result for domain numbers would depend on the
    numbering. For 0/1 variables one pass over the edges is enough for all domains.

    Parameters
    ----------
    domains
        Integers >= 0, one per spot.
    neighbours
        Row i contains the neighbours of spot i (:data:`N_NEIGHBOURS` nearest); stored values do not matter.

    Returns
    -------
    Domain -> Moran's I; a domain of all spots has no variance and is left out. Empty without edges.
    """
    weights = row_normalise(structure(neighbours).astype(np.float64))
    total = float(weights.data.sum())
    if total == 0:
        return {}
    i, j = edges(weights)
    n_spots, n_codes = len(domains), int(domains.max()) + 1
    together = domains[i] == domains[j]
    inside = np.bincount(domains[i][together], weights.data[together], minlength=n_codes)
    outgoing = np.bincount(domains[i], weights.data, minlength=n_codes)
    incoming = np.bincount(domains[j], weights.data, minlength=n_codes)
    sizes = np.bincount(domains, minlength=n_codes)
    mean = sizes / n_spots
    covariance = inside - mean * (outgoing + incoming) + mean**2 * total
    variance = sizes * (1.0 - mean)
    return {
        int(domain): float(n_spots / total * covariance[domain] / variance[domain])
        for domain in np.flatnonzero((sizes > 0) & (sizes < n_spots))
    }


def mean_morans_i(by_domain: dict[int, float], domains: np.ndarray) -> float:
    """Return the mean of Moran's I over domains, weighted by their number of spots."""
    if not by_domain:
        return float("nan")
    sizes = np.bincount(domains)[list(by_domain)]
    return float(np.average(list(by_domain.values()), weights=sizes))


def chaos(domains: np.ndarray, coordinates: np.ndarray, sections: np.ndarray) -> float:
    """Compute CHAOS: distance to the nearest spot of the same domain, averaged over spots; lower is better.

    Shang and Zhou, Nat Commun 13:7203 (2022). Each coordinate is scaled to unit variance, here within its section.
    Distances are summed over the domains with more than two spots in the section, and divided by the number of all
    spots.
    """
    distance = 0.0
    for _, rows in rows_by_group(sections):
        points = coordinates[rows]
        sd = points.std(axis=0)
        points = points / np.where(sd > 0, sd, 1.0)
        for domain in np.unique(domains[rows]):
            own = points[domains[rows] == domain]
            if len(own) >= SMALLEST_DOMAIN:
                distance += float(cKDTree(own).query(own, k=2)[0][:, 1].sum())
    return distance / len(domains)


def abnormal_spots(domains: np.ndarray, neighbours: sparse.csr_matrix) -> float:
    """Compute PAS: fraction of spots with over half (6 or more) of their 10 nearest in other domains; lower is better.

    Shang and Zhou, Nat Commun 13:7203 (2022). Spots have fewer neighbours in sections too small for 10; NaN without
    edges.
    """
    degree = np.diff(neighbours.indptr)
    if not degree.any():
        return float("nan")
    i, j = edges(neighbours)
    others = np.bincount(i[domains[i] != domains[j]], minlength=len(domains))
    return float((2 * others[degree > 0] > degree[degree > 0]).mean())


def neighbour_agreement(domains: np.ndarray, connectivities: sparse.csr_matrix) -> float:
    """Return the fraction of a spot's spatial neighbours that are in its domain, mean over spots with neighbours."""
    degree = np.diff(connectivities.indptr)
    if not degree.any():
        return float("nan")
    i, j = edges(connectivities)
    same = np.bincount(i[domains[i] == domains[j]], minlength=len(domains))
    return float((same[degree > 0] / degree[degree > 0]).mean())
