"""Mixing of the sections in an embedding. NaN where a metric is undefined; docs/metrics.md has definitions and sources.

`sections` and `labels` contain one name per spot; a spot without a label has "". Neighbourhoods are those of a random
set of spots. They are exact up to 50,000 spots and use an inverted-file index above, so time and memory are linear in
spots.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import silhouette_samples

from spatialweave.graphs.features import feature_knn
from spatialweave.graphs.matrices import symmetrise
from spatialweave.metrics.neighbours import nearest_others
from spatialweave.sampling import random_subset

ANCHORS = 2000
"""Spots whose neighbourhoods are used in LISI and kBET; all spots if there are no more."""

PERPLEXITY = 30
"""Effective number of neighbours in LISI; three times as many are searched."""

SIGNIFICANCE = 0.05
SMALLEST_KBET, LARGEST_KBET = 10, 70
"""Bounds of kBET's number of neighbours, which is a quarter of the mean section size."""

CONNECTIVITY_NEIGHBOURS = 15
CONNECTIVITY_SPOTS = 20_000
"""With more spots, graph connectivity uses a random subset, because it needs the neighbours of every spot."""

SILHOUETTE_SPOTS = 2000
"""For labels with more spots, the silhouette uses a random subset, because it compares all pairs of spots."""


def effective_sections(embedding: np.ndarray, sections: np.ndarray, seed: int) -> float:
    """Return the median LISI: the effective number of sections in a spot's neighbourhood; 1 = only one section.

    For perfect mixing, sections of equal size give their number B, others 1 / (sum of their squared fractions).
    """
    n_neighbours = min(3 * PERPLEXITY, len(embedding) - 1)
    if n_neighbours < 3:
        return float("nan")
    codes = np.unique(sections, return_inverse=True)[1]
    anchors = random_subset(len(embedding), ANCHORS, seed)
    neighbours, distances = nearest_others(embedding, anchors, n_neighbours)
    return float(np.median(lisi(distances, codes[neighbours], min(PERPLEXITY, n_neighbours / 3))))


def ilisi(effective: float, n_sections: int) -> float:
    """Return the median LISI scaled from 0 (sections apart) to 1 (mixed): (LISI - 1) / (B - 1)."""
    return (effective - 1.0) / (n_sections - 1.0)


def lisi(distances: np.ndarray, codes: np.ndarray, perplexity: float) -> np.ndarray:
    """Compute the local inverse Simpson index (Korsunsky et al., Nat Methods 16:1289, 2019) of each row.

    Neighbours have the weights exp(-beta * distance), with beta such that the weights, which sum to 1, have
    `perplexity`; LISI = 1 / sum over sections of (weight of the section's neighbours)^2.

    Parameters
    ----------
    distances
        Spots x neighbours.
    codes
        Their sections as integers from 0, with the same shape.
    perplexity
        Exponential of the weights' entropy. If it exceeds the number of neighbours, all weights are equal.
    """
    weights = _weights(distances, perplexity)
    simpson = np.zeros(len(distances))
    for code in range(int(codes.max()) + 1):
        simpson += np.where(codes == code, weights, 0.0).sum(axis=1) ** 2
    return 1.0 / simpson


def _weights(distances: np.ndarray, perplexity: float) -> np.ndarray:
    """Return the weights of the neighbours in each row, by bisection of beta for the entropy log(perplexity)."""
    # A shift or scale of the distances does not change the result; without the shift the exponentials may vanish.
    relative = distances - distances.min(axis=1, keepdims=True)
    scale = relative.mean(axis=1, keepdims=True)
    relative = relative / np.where(scale > 0, scale, 1.0)
    beta = np.ones((len(distances), 1))
    low, high = np.zeros_like(beta), np.full_like(beta, np.inf)
    for _ in range(60):
        weights = np.exp(-beta * relative)
        total = weights.sum(axis=1, keepdims=True)
        entropy = np.log(total) + beta * (relative * weights).sum(axis=1, keepdims=True) / total
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), 2.0 * low, (low + np.where(np.isinf(high), low, high)) / 2.0)
    return weights / total


def kbet(embedding: np.ndarray, sections: np.ndarray, seed: int) -> float:
    """Return the kBET acceptance rate (Büttner et al., Nat Methods 16:43, 2019): spots with a mixed neighbourhood.

    The rate is a fraction of the spots. A neighbourhood counts as mixed if Pearson's chi-squared test does not
    distinguish the sections of the k nearest spots from those of all spots (p >= :data:`SIGNIFICANCE`, B - 1 degrees of
    freedom). k is a quarter of the mean section size, from 10 to 70. Perfect mixing gives about 0.95, no mixing gives
    0. NaN for fewer than 3 k spots: a neighbourhood is so large a part of them that separate sections are accepted.
    """
    codes, sizes = np.unique(sections, return_inverse=True, return_counts=True)[1:]
    n_neighbours = int(np.clip(sizes.mean() // 4, SMALLEST_KBET, LARGEST_KBET))
    if len(sizes) < 2 or len(embedding) < 3 * n_neighbours:
        return float("nan")
    neighbours, _ = nearest_others(embedding, random_subset(len(embedding), ANCHORS, seed), n_neighbours)
    expected = n_neighbours * sizes / len(embedding)
    found = np.stack([(codes[neighbours] == code).sum(axis=1) for code in range(len(sizes))], axis=1)
    statistic = ((found - expected) ** 2 / expected).sum(axis=1)
    return float((stats.chi2.sf(statistic, len(sizes) - 1) >= SIGNIFICANCE).mean())


def kbet_per_label(embedding: np.ndarray, sections: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Return the mean of :func:`kbet` over labels, each within its spots, so that composition does not affect it.

    As in Luecken et al., Nat Methods 19:41 (2022), but with Euclidean neighbours instead of diffusion distances. Labels
    in only one section, or with fewer than 30 spots, are left out.
    """
    return _mean([kbet(embedding[own], sections[own], seed) for own in _by_label(labels)])


def graph_connectivity(embedding: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Return the fraction of a label's spots in its largest connected component of the neighbour graph, mean over
    labels.

    See Luecken et al., Nat Methods 19:41 (2022). The graph joins each spot with its 15 nearest of all spots,
    undirected. Spots without a label are in the graph but not in the mean. Above :data:`CONNECTIVITY_SPOTS` spots a
    random subset is used. 0 to 1; 1 if the spots of every label are connected.
    """
    chosen = random_subset(len(embedding), CONNECTIVITY_SPOTS, seed)
    embedding, labels = embedding[chosen], labels[chosen]
    n_neighbours = min(CONNECTIVITY_NEIGHBOURS, len(embedding) - 1)
    if n_neighbours < 1:
        return float("nan")
    graph = symmetrise(feature_knn(embedding, n_neighbours))
    fractions = []
    for own in _by_label(labels):
        component = connected_components(graph[own][:, own], directed=False)[1]
        fractions.append(np.bincount(component).max() / len(own))
    return _mean(fractions)


def batch_silhouette(embedding: np.ndarray, sections: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Return 1 - |silhouette width of the sections among a label's spots|, mean over its spots, then over labels.

    See Luecken et al., Nat Methods 19:41 (2022); Euclidean. Labels in only one section, or with one spot per section,
    are left out. Above :data:`SILHOUETTE_SPOTS` spots of a label a random subset is used. 0 to 1; 1 = mixed.
    """
    widths = []
    for own in _by_label(labels):
        own = own[random_subset(len(own), SILHOUETTE_SPOTS, seed)]
        if 2 <= len(np.unique(sections[own])) < len(own):
            widths.append(1.0 - np.abs(silhouette_samples(embedding[own], sections[own])).mean())
    return _mean(widths)


def _by_label(labels: np.ndarray) -> list[np.ndarray]:
    """Return the ascending indices of each label's spots; spots without a label ("") are left out."""
    return [np.flatnonzero(labels == label) for label in np.unique(labels[labels != ""])]


def _mean(values: list[float]) -> float:
    """Return the mean of the defined values."""
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
