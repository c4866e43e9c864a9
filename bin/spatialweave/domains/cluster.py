"""Clustering of an embedding into numbered domains by any of the available methods."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spatialweave.domains.communities import communities
from spatialweave.domains.initial_partitions import kmeans_partition
from spatialweave.domains.labels import check_embedding, number_by_size
from spatialweave.domains.mclust_r import mclust_r
from spatialweave.domains.mixture import tied_mixture
from spatialweave.domains.split_merge import split_merge

KMEANS_RUNS = 10


@dataclass(frozen=True)
class Domains:
    """Domains found by a clustering.

    Attributes
    ----------
    labels
        int64, one per spot: 1..K by decreasing size.
    record
        Record of the clustering (plain types).
    probabilities
        Spots x K or more: the posterior probability of each domain, columns in the order of the labels; None if the
        clustering gives none.
    """

    labels: np.ndarray
    record: dict[str, Any] = field(default_factory=dict)
    probabilities: np.ndarray | None = None

    @property
    def n_domains(self) -> int:
        """Number of domains with at least one spot."""
        return len(np.unique(self.labels))


def cluster(embedding: np.ndarray, n_domains: int, clustering: str, seed: int) -> Domains:
    """Cluster an embedding (spots x dimensions) into `n_domains`.

    Parameters
    ----------
    clustering
        ``mclust``, ``kmeans`` and ``split_merge`` can return fewer domains if the embedding has fewer distinct rows;
        ``mclust_r`` is the model of ``mclust`` in R; ``leiden`` and ``louvain`` give exactly the number.

    Raises
    ------
    InputError
        When the embedding cannot be clustered, ``leiden`` or ``louvain`` cannot reach the number, or R fails.
    """
    values = check_embedding(embedding, n_domains)
    if clustering == "mclust":
        fit = tied_mixture(values, n_domains, seed)
        record = {"start": fit.start, "log_likelihood": fit.log_likelihood, "bic": fit.bic, "starts": list(fit.starts)}
        return Domains(fit.labels, record, fit.responsibilities)
    if clustering == "mclust_r":
        return Domains(number_by_size(mclust_r(values, n_domains, seed)))
    if clustering == "kmeans":
        return Domains(number_by_size(kmeans_partition(values, n_domains, seed, KMEANS_RUNS)))
    if clustering == "split_merge":
        labels, n_groups = split_merge(values, n_domains, seed)
        return Domains(number_by_size(labels), {"groups": n_groups})
    labels, record = communities(values, n_domains, clustering, seed)
    return Domains(number_by_size(labels), record)
