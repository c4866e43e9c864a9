"""Leiden and Louvain on the neighbour graph of an embedding, at the resolution that gives a number of domains.

Leiden: Traag, Waltman and van Eck, Sci Rep 9:5233 (2019). Louvain: Blondel et al., J Stat Mech P10008 (2008).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.graphs.features import feature_knn
from spatialweave.graphs.matrices import edges, symmetrise

N_NEIGHBOURS = 15
LOWEST_RESOLUTION, HIGHEST_RESOLUTION = 1e-3, 64.0
MAX_STEPS = 40
NARROWEST = 1.0005
"""The bisection ends when upper and lower resolution differ by less than this factor."""


def communities(embedding: np.ndarray, n_domains: int, algorithm: str, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Cluster by ``leiden`` or ``louvain`` into exactly `n_domains`.

    The graph joins each spot to its 15 nearest spots in the embedding (undirected, unweighted). The quality is
    modularity, whose resolution is found by bisection.

    Returns
    -------
    labels (integers), and the resolution, the number of neighbours and the number of resolutions tried.

    Raises
    ------
    InputError
        When no resolution gives that number; the message names the nearest number found.
    """
    import igraph

    k = min(N_NEIGHBOURS, len(embedding) - 1)
    source, target = edges(symmetrise(feature_knn(embedding, k)))
    once = source < target
    graph = igraph.Graph(n=len(embedding), edges=np.column_stack([source, target])[once])

    def partition(resolution: float) -> np.ndarray:
        # igraph draws from one generator per process; it is seeded again so that every call has the same draws.
        igraph.set_random_number_generator(random.Random(seed))
        if algorithm == "leiden":
            result = graph.community_leiden(objective_function="modularity", resolution=resolution, n_iterations=4)
        else:
            result = graph.community_multilevel(resolution=resolution)
        return np.asarray(result.membership, dtype=np.int64)

    try:
        resolution, labels, tried = resolution_for(partition, n_domains)
    finally:
        igraph.set_random_number_generator(random)
    n_found = _count(labels)
    if n_found != n_domains:
        n_components = len(graph.connected_components())
        raise InputError(
            f"--clustering {algorithm}",
            f"no resolution gives {n_domains} domains for this embedding (its neighbour graph has {n_components} "
            f"components); the nearest number found is {n_found}, at resolution {resolution:.4g}",
            fix=f"request {n_found} domains or use the clustering 'mclust'",
        )
    return labels, {"resolution": resolution, "resolutions_tried": tried, "n_neighbours": k}


def resolution_for(partition: Callable[[float], np.ndarray], n_domains: int) -> tuple[float, np.ndarray, int]:
    """Bisect the resolution (on a log scale) until `partition` gives `n_domains`.

    Returns the resolution and labels with the nearest number of domains (the lower if two are equally near), and the
    number of resolutions tried.
    """
    low, high = LOWEST_RESOLUTION, HIGHEST_RESOLUTION
    tried: list[tuple[float, np.ndarray]] = []
    for step in range(MAX_STEPS):
        # The bisection starts at 1 rather than at the ends, because high resolutions are slow.
        resolution = float(np.sqrt(low * high)) if step else 1.0
        tried.append((resolution, partition(resolution)))
        n_found = _count(tried[-1][1])
        if n_found == n_domains or high / low < NARROWEST:
            break
        low, high = (resolution, high) if n_found < n_domains else (low, resolution)
    resolution, labels = min(tried, key=lambda trial: (abs(_count(trial[1]) - n_domains), _count(trial[1])))
    return resolution, labels, len(tried)


def _count(labels: np.ndarray) -> int:
    return len(np.unique(labels))
