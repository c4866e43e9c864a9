"""Spatial components: directions in a section's latents that differ across the tissue but not between neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

N_NEIGHBOURS = 6
"""Neighbours in the spatial average, besides the spot itself; the average is taken twice."""

MOST_LATENTS = 30
SPOTS_PER_LATENT = 20
"""At most this many latent dimensions are used, and at most one per so many spots."""

MOST_COMPONENTS = 8


@dataclass(frozen=True)
class SpatialComponents:
    """The spatial components of one modality of one section.

    Attributes
    ----------
    rows
        Spots at which the modality was measured (ascending).
    values
        Spots x components (float64), not averaged over neighbours; a component's variance is its spatial fraction.
    smooth
        The same, averaged twice over neighbours.
    spatial_fraction
        Fraction of each component's variance that is spatial, beyond the expectation for noise.
    """

    rows: np.ndarray
    values: np.ndarray
    smooth: np.ndarray
    spatial_fraction: np.ndarray


def spatial_components(points: np.ndarray, latents: np.ndarray, rows: np.ndarray) -> SpatialComponents | None:
    """The components with the most spatial variance: maximum autocorrelation factors (Switzer and Green 1984).

    They are the eigenvectors of the covariance of the whitened latents after averaging twice over neighbours. The
    eigenvalue is the fraction of variance that averaging leaves. For noise its expectation is the sum of the squared
    weights of the average, and its upper limit the edge of the Marchenko-Pastur distribution; components below that
    limit are left out.

    Parameters
    ----------
    points
        Coordinates of all spots (n x 2).
    latents
        All spots x dimensions.
    rows
        Spots that have the modality.

    Returns
    -------
    None when no component is spatial, or there are too few spots.
    """
    n_spots = len(rows)
    n_latents = min(latents.shape[1], MOST_LATENTS, n_spots // SPOTS_PER_LATENT)
    if n_latents < 1:
        return None
    average = neighbour_average(points[rows])
    twice = average @ average
    white = _whiten(np.asarray(latents[rows], dtype=np.float64)[:, :n_latents])
    smooth = twice @ white
    smooth -= smooth.mean(axis=0)
    values, vectors = np.linalg.eigh(smooth.T @ smooth / n_spots)
    floor = float(twice.multiply(twice).sum()) / n_spots
    edge = floor * (1.0 + np.sqrt(white.shape[1] / (n_spots * floor))) ** 2
    chosen = np.flatnonzero(values > edge)[::-1][:MOST_COMPONENTS]
    if not len(chosen):
        return None
    fraction = (values[chosen] - floor) / (1.0 - floor)
    # The sign of a component is that of its eigenvector, and arbitrary; no score depends on it.
    raw = white @ (vectors[:, chosen] * np.sqrt(fraction))
    return SpatialComponents(rows, raw, average @ (average @ raw), fraction)


def neighbour_average(points: np.ndarray) -> sparse.csr_matrix:
    """Rows that average a spot and its :data:`N_NEIGHBOURS` nearest (CSR, spots x spots)."""
    n_spots = len(points)
    k = min(N_NEIGHBOURS + 1, n_spots)
    nearest = cKDTree(points).query(points, k=k)[1].reshape(n_spots, k)
    indptr = np.arange(0, n_spots * k + 1, k)
    return sparse.csr_matrix((np.full(n_spots * k, 1.0 / k), nearest.ravel(), indptr), shape=(n_spots, n_spots))


def _whiten(latents: np.ndarray) -> np.ndarray:
    """Uncorrelated dimensions of variance 1; those without variance are dropped."""
    centred = latents - latents.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = values > 1e-6 * max(float(values[-1]), 1e-30)
    return np.asarray(centred @ (vectors[:, kept] / np.sqrt(values[kept])))
