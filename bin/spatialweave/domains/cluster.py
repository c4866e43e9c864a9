"""One entry for all clusterings: from an embedding to numbered domains and an account of how they came about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spatialweave.domains.communities import communities
from spatialweave.domains.labels import check_embedding, number_by_size
from spatialweave.domains.mclust_r import mclust_r
from spatialweave.domains.mixture import tied_mixture
from spatialweave.domains.starts import kmeans_partition

CLUSTERINGS = ("mclust", "mclust_r", "leiden", "louvain", "kmeans")
KMEANS_RUNS = 10


@dataclass(frozen=True)
class Clustering:
    """Domains 1..K by decreasing size, one per spot (int64), and facts about how they were found."""

    labels: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def n_domains(self) -> int:
        """Domains that hold at least one spot."""
        return len(np.unique(self.labels))


def cluster(embedding: np.ndarray, n_domains: int, clustering: str, seed: int) -> Clustering:
    """Cluster an embedding (spots x dimensions) into `n_domains` by one of :data:`CLUSTERINGS`.

    ``mclust`` and ``kmeans`` can return fewer domains where the embedding has fewer distinct rows; ``leiden`` and
    ``louvain`` raise an InputError where the number is out of reach.
    """
    values = check_embedding(embedding, n_domains)
    if clustering == "mclust":
        fit = tied_mixture(values, n_domains, seed)
        facts = {"start": fit.start, "log_likelihood": fit.log_likelihood, "bic": fit.bic, "starts": list(fit.starts)}
        return Clustering(fit.labels, facts)
    if clustering == "mclust_r":
        return Clustering(number_by_size(mclust_r(values, n_domains, seed)))
    if clustering == "kmeans":
        return Clustering(number_by_size(kmeans_partition(values, n_domains, seed, KMEANS_RUNS)))
    labels, facts = communities(values, n_domains, clustering, seed)
    return Clustering(number_by_size(labels), facts)
