"""Latents of new sections brought to those of a reference, as Harmony brings sections of one dataset together.

The reference stays as it is, and so do its clusters: each new section is assigned softly to them, and what it adds to
each of them, estimated by ridge regression together with the reference's own spots, is taken away. Of the reference
only a table per cluster is needed (Symphony: Kang et al., Nature Communications 12:5890, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialweave.preprocess.harmony import MAX_CLUSTERS, MIN_SPOTS, RIDGE

SOFTNESS = 0.1
"""Width of the soft assignment, that of Harmony and Symphony."""

SAMPLE = 100_000
"""Clusters are those of so many random spots of a larger reference."""


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
        """Latents of one section (spots x dimensions), corrected (float32); those of zero stay zero.

        With N spots of the reference and n of the section in a cluster, and their sums C and F, the section's part of
        the regression on [1, is new] with ridge r on the latter is (N F - n C) / ((N + n)(n + r) - n^2).
        """
        rows = np.flatnonzero(latent.any(axis=1))
        own = latent[rows].astype(np.float64)
        assigned = self.assigned(own)
        n, sums = assigned.sum(axis=0)[:, None], assigned.T @ own
        size = self.sizes[:, None]
        added = (size * sums - n * self.sums) / ((size + n) * (n + RIDGE) - n**2)
        result = latent.astype(np.float32).copy()
        result[rows] = own - assigned @ added
        return result

    def common_shift(self, latent: np.ndarray) -> np.ndarray:
        """What a section (spots x dimensions) adds to the reference's latents everywhere: one number per dimension.

        It is the median over the section's spots of their differences from what their clusters are on average: unlike
        the correction, it leaves a part of the tissue that the reference does not have where it is.
        """
        own = latent[latent.any(axis=1)].astype(np.float64)
        if not len(own):
            return np.zeros(latent.shape[1])
        means = self.sums / np.maximum(self.sizes, np.finfo(np.float64).tiny)[:, None]
        return np.asarray(np.median(own - self.assigned(own) @ means, axis=0))

    def assigned(self, latent: np.ndarray) -> np.ndarray:
        """Of every spot the fraction in each cluster, by the cosine with its centre: spots x clusters."""
        unit = latent / np.maximum(np.linalg.norm(latent, axis=1, keepdims=True), 1e-12)
        scores = 2 * (unit @ self.centres.T - 1) / SOFTNESS
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def reference_clusters(latent: np.ndarray, seed: int) -> ReferenceClusters | None:
    """The clusters of a reference's latents (spots x dimensions); None where there are too few spots for any.

    They are found on the unit sphere, as many as Harmony takes.
    """
    from sklearn.cluster import KMeans

    own = latent[latent.any(axis=1)].astype(np.float64)
    n_clusters = min(MAX_CLUSTERS, len(own) // MIN_SPOTS)
    if n_clusters < 1:
        return None
    unit = own / np.linalg.norm(own, axis=1, keepdims=True)
    if len(unit) > SAMPLE:
        unit = unit[np.sort(np.random.default_rng(seed).choice(len(unit), SAMPLE, replace=False))]
    centres = KMeans(n_clusters, n_init=1, random_state=seed).fit(unit).cluster_centers_
    centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    clusters = ReferenceClusters(centres, np.empty(0), np.empty(0))
    assigned = clusters.assigned(own)
    return ReferenceClusters(centres, assigned.sum(axis=0), assigned.T @ own)
