"""Correction of the latents of new sections to those of a reference, as Harmony corrects sections of one dataset.

The reference and its clusters do not change. The spots of each new section are assigned softly to the clusters; the
section's contribution to each cluster is estimated by ridge regression, together with the reference's own spots, and
removed. Only sums per cluster are needed of the reference (Symphony: Kang et al., Nature Communications 12:5890, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialweave.preprocess.harmony import MAX_CLUSTERS, MIN_SPOTS, RIDGE
from spatialweave.sampling import random_subset
from spatialweave.threads import one_thread

SOFTNESS = 0.1
"""Width of the soft assignment, as in Harmony and Symphony."""

SAMPLE = 100_000
"""Number of random spots of a larger reference that are clustered."""


@dataclass(frozen=True)
class ReferenceClusters:
    """Soft clusters of a reference's latents.

    Attributes
    ----------
    centres
        float64, clusters x dimensions, of unit length.
    sizes
        float64, spots of each cluster.
    sums
        float64, clusters x dimensions: sums of the latents over the spots of each cluster.
    """

    centres: np.ndarray
    sizes: np.ndarray
    sums: np.ndarray

    def corrected(self, latent: np.ndarray) -> np.ndarray:
        """Return corrected latents (float32) of one section (spots x dimensions); rows of zeros stay zero.

        With N spots of the reference and n of the section in a cluster, and their sums C and F, the section's term in
        the regression on [1, is new], with ridge r on the latter, is (N F - n C) / ((N + n)(n + r) - n^2).
        """
        rows = np.flatnonzero(latent.any(axis=1))
        nonzero = latent[rows].astype(np.float64)
        assigned = self.assigned(nonzero)
        n, sums = assigned.sum(axis=0)[:, None], assigned.T @ nonzero
        size = self.sizes[:, None]
        added = (size * sums - n * self.sums) / ((size + n) * (n + RIDGE) - n**2)
        result = latent.astype(np.float32).copy()
        result[rows] = nonzero - assigned @ added
        return result

    def common_shift(self, latent: np.ndarray) -> np.ndarray:
        """Return the overall shift of a section (spots x dimensions) from the reference: one number per dimension.

        It is the median over the section's spots of their differences from the means of their clusters. Unlike the
        correction, it does not move a tissue that is missing in the reference towards the reference.
        """
        nonzero = latent[latent.any(axis=1)].astype(np.float64)
        if not len(nonzero):
            return np.zeros(latent.shape[1])
        means = self.sums / np.maximum(self.sizes, np.finfo(np.float64).tiny)[:, None]
        return np.asarray(np.median(nonzero - self.assigned(nonzero) @ means, axis=0))

    def assigned(self, latent: np.ndarray) -> np.ndarray:
        """Return the fraction of every spot in each cluster, by the cosine with its centre: spots x clusters."""
        unit = latent / np.maximum(np.linalg.norm(latent, axis=1, keepdims=True), 1e-12)
        scores = 2 * (unit @ self.centres.T - 1) / SOFTNESS
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def reference_clusters(latent: np.ndarray, seed: int) -> ReferenceClusters | None:
    """Find the clusters of a reference's latents (spots x dimensions); None if there are too few spots.

    Clustering is on the unit sphere, with as many clusters as in Harmony.
    """
    from sklearn.cluster import KMeans

    nonzero = latent[latent.any(axis=1)].astype(np.float64)
    n_clusters = min(MAX_CLUSTERS, len(nonzero) // MIN_SPOTS)
    if n_clusters < 1:
        return None
    unit = nonzero / np.linalg.norm(nonzero, axis=1, keepdims=True)
    unit = unit[random_subset(len(unit), SAMPLE, seed)]
    with one_thread():
        centres = KMeans(n_clusters, n_init=1, random_state=seed).fit(unit).cluster_centers_
        centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
        clusters = ReferenceClusters(centres, np.empty(0), np.empty(0))
        assigned = clusters.assigned(nonzero)
        return ReferenceClusters(centres, assigned.sum(axis=0), assigned.T @ nonzero)
