"""Spatial components: directions in the latents that differ across the tissue but not between neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

N_NEIGHBOURS = 6
"""Neighbours in the spatial average, in addition to the spot itself; the average is taken twice."""

MOST_LATENTS = 30
SPOTS_PER_LATENT = 20
"""At most this many latent dimensions are used, and at most one per this many spots."""

MOST_COMPONENTS = 8


@dataclass(frozen=True)
class SpatialComponents:
    """Spatial components of one modality of one section.

    Attributes
    ----------
    rows
        Spots at which the modality was measured (ascending).
    values
        Spots x components (float64), not averaged over neighbours; the variance of a component is its spatial fraction.
    smooth
        The values averaged twice over neighbours.
    spatial_fraction
        Fraction of each component's variance that is spatial, in excess of the expectation for noise.
    shared
        Whether the components are the same directions of the same latents in the other section.
    """

    rows: np.ndarray
    values: np.ndarray
    smooth: np.ndarray
    spatial_fraction: np.ndarray
    shared: bool = False

    def part(self, points: np.ndarray, chosen: np.ndarray) -> SpatialComponents:
        """Return the components at some of the spots, averaged over neighbours among these spots only.

        Parameters
        ----------
        points
            Coordinates of all spots of the section (n x 2).
        chosen
            Which of these to keep (n, bool); the spots are renumbered.
        """
        kept = chosen[self.rows]
        rows, values = (np.cumsum(chosen) - 1)[self.rows[kept]], self.values[kept]
        average = neighbour_average(points[self.rows[kept]])
        return replace(self, rows=rows, values=values, smooth=average @ (average @ values))


@dataclass(frozen=True)
class SectionLatents:
    """One modality of one section: coordinates of all spots (n x 2), latents (n x d), spots with it (ascending)."""

    points: np.ndarray
    latents: np.ndarray
    rows: np.ndarray


def spatial_components(sections: Sequence[SectionLatents]) -> list[SpatialComponents] | None:
    """Compute the components with the most spatial variance: maximum autocorrelation factors (Switzer and Green 1984).

    They are the eigenvectors of the covariance of the whitened latents after averaging twice over neighbours. The
    eigenvalue is the fraction of variance that remains after averaging. For noise its expectation is the sum of the
    squared weights of the average, and its upper limit is the edge of the Marchenko-Pastur distribution. Components
    below that limit are left out.

    For several sections (whose latents have the same dimensions) the components are the same directions in all. The
    covariances are sums over the sections, each of which is first scaled to a mean of 0 and a total variance of 1.

    Returns
    -------
    One per section, or None if no component is spatial, there are too few spots, or a section's latents do not vary.
    """
    n_spots = [len(one.rows) for one in sections]
    n_latents = min(sections[0].latents.shape[1], MOST_LATENTS, min(n_spots) // SPOTS_PER_LATENT)
    if n_latents < 1 or not all(np.ptp(one.latents[one.rows], axis=0).any() for one in sections):
        return None
    white = _whiten([np.asarray(one.latents[one.rows], dtype=np.float64)[:, :n_latents] for one in sections])
    averages = [neighbour_average(one.points[one.rows]) for one in sections]
    squares, weights = np.zeros((white[0].shape[1],) * 2), 0.0
    for average, values in zip(averages, white, strict=True):
        twice = average @ average
        smooth = twice @ values
        smooth -= smooth.mean(axis=0)
        squares += smooth.T @ smooth
        weights += float(twice.multiply(twice).sum())
    total = sum(n_spots)
    eigenvalues, vectors = np.linalg.eigh(squares / total)
    floor = weights / total
    edge = floor * (1.0 + np.sqrt(len(vectors) / (total * floor))) ** 2
    chosen = np.flatnonzero(eigenvalues > edge)[::-1][:MOST_COMPONENTS]
    if not len(chosen):
        return None
    fraction = (eigenvalues[chosen] - floor) / (1.0 - floor)
    # The sign of a component, that of its eigenvector, is arbitrary; no score depends on it.
    found = []
    for one, average, values in zip(sections, averages, white, strict=True):
        raw = values @ (vectors[:, chosen] * np.sqrt(fraction))
        smooth = average @ (average @ raw)
        found.append(SpatialComponents(one.rows, raw, smooth, fraction, shared=len(sections) > 1))
    return found


def neighbour_average(points: np.ndarray) -> sparse.csr_matrix:
    """Return rows that average a spot and its :data:`N_NEIGHBOURS` nearest (CSR, spots x spots)."""
    n_spots = len(points)
    k = min(N_NEIGHBOURS + 1, n_spots)
    nearest = cKDTree(points).query(points, k=k)[1].reshape(n_spots, k)
    indptr = np.arange(0, n_spots * k + 1, k)
    return sparse.csr_matrix((np.full(n_spots * k, 1.0 / k), nearest.ravel(), indptr), shape=(n_spots, n_spots))


def _whiten(sections: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return dimensions that are uncorrelated with variance 1 over all sections; those without variance are dropped."""
    centred = [latents - latents.mean(axis=0) for latents in sections]
    if len(centred) > 1:
        # Sections may differ in their units, and the larger numbers must not dominate.
        centred = [latents / np.sqrt(max(float(latents.var(axis=0).sum()), 1e-30)) for latents in centred]
    n_spots = sum(len(latents) for latents in centred)
    covariance = np.sum([latents.T @ latents for latents in centred], axis=0) / n_spots
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-6 * max(float(values[-1]), 1e-30)
    return [latents @ (vectors[:, kept] / np.sqrt(values[kept])) for latents in centred]
