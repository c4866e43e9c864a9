"""Separation of the domains in the embedding. NaN where a metric is undefined."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn import metrics

from spatialweave.sampling import random_subset

SILHOUETTE_SPOTS = 5000
"""With more spots the silhouette uses a random subset, because it compares all pairs of spots."""


def silhouette(embedding: np.ndarray, domains: np.ndarray, seed: int) -> float:
    """Return the mean silhouette width, Euclidean (Rousseeuw, J Comput Appl Math 20:53, 1987); -1 to 1, higher is
    better.

    Above :data:`SILHOUETTE_SPOTS` spots it uses a random subset of that size, drawn with `seed`.
    """
    chosen = random_subset(len(embedding), SILHOUETTE_SPOTS, seed)
    return _where_defined(metrics.silhouette_score, embedding[chosen], domains[chosen])


def davies_bouldin(embedding: np.ndarray, domains: np.ndarray) -> float:
    """Return the Davies-Bouldin index (IEEE PAMI 1:224, 1979); 0 or more, lower is better."""
    return _where_defined(metrics.davies_bouldin_score, embedding, domains)


def calinski_harabasz(embedding: np.ndarray, domains: np.ndarray) -> float:
    """Return the Calinski-Harabasz index (Commun Stat 3:1, 1974); 0 or more, higher is better."""
    return _where_defined(metrics.calinski_harabasz_score, embedding, domains)


def _where_defined(score: Callable[..., float], embedding: np.ndarray, domains: np.ndarray) -> float:
    """Compute a score that needs at least two domains, and fewer domains than spots; otherwise return NaN."""
    if not 2 <= len(np.unique(domains)) < len(domains):
        return float("nan")
    return float(score(embedding, domains))
