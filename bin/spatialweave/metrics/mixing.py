"""Mixing of the sections in an embedding. NaN where a metric is undefined; docs/metrics.md has definitions and sources.

`sections` and `labels` hold one name per spot; a spot without a label has "". Neighbourhoods are those of a random set
of spots, found exactly up to 50,000 spots and by an inverted-file index above: time and memory are linear in spots.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import silhouette_samples

from spatialweave.graphs.features import feature_knn
from spatialweave.graphs.matrices import symmetrise
from spatialweave.metrics.neighbours import nearest_others, random_subset

ANCHORS = 2000
"""Spots whose neighbourhoods enter LISI and kBET; all, where there are no more."""

PERPLEXITY = 30
"""Effective number of neighbours in LISI; three times as many are searched."""

SIGNIFICANCE = 0.05
SMALLEST_KBET, LARGEST_KBET = 10, 70
"""Bounds of kBET's number of neighbours, which is a quarter of the mean section."""

CONNECTIVITY_NEIGHBOURS = 15
CONNECTIVITY_SPOTS = 20_000
"""Above this graph connectivity is that of a random subset, because it needs the neighbours of every spot."""

SILHOUETTE_SPOTS = 2000
"""Above this a label's silhouette is that of a random subset, because it compares all pairs of spots."""


def effective_sections(embedding: np.ndarray, sections: np.ndarray, seed: int) -> float:
    """Median LISI of the spots: the effective number of sections in a spot's neighbourhood; 1 = one section only.

    Sections of equal size that mix perfectly give their number B, others 1 / (sum of their squared fractions).
    """
    n_neighbours = min(3 * PERPLEXITY, len(embedding) - 1)
    if n_neighbours < 3:
        return float("nan")
    codes = np.unique(sections, return_inverse=True)[1]
    anchors = random_subset(len(embedding), ANCHORS, seed)
    neighbours, distances = nearest_others(embedding, anchors, n_neighbours)
    return float(np.median(lisi(distances, codes[neighbours], min(PERPLEXITY, n_neighbours / 3))))


def ilisi(effective: float, n_sections: int) -> float:
    """Median LISI scaled to 0 (sections apart) to 1 (mixed): (LISI - 1) / (B - 1)."""
    return (effective - 1.0) / (n_sections - 1.0)


def lisi(distances: np.ndarray, codes: np.ndarray, perplexity: float) -> np.ndarray:
    """Local inverse Simpson index (Korsunsky et al., Nat Methods 16:1289, 2019) of each row.

    Neighbours weigh exp(-beta * distance), with beta such that the weights, which sum to 1, have `perplexity`;
    LISI = 1 / sum over sections of (weight of the section's neighbours)^2.

    Parameters
    ----------
    distances
        Spots x neighbours.
    codes
        Their sections as integers from 0, of the same shape.
    perplexity
        Exponential of the weights' entropy. Where it exceeds the number of neighbours, all weigh the same.
    """
    weights = _weights(distances, perplexity)
    simpson = np.zeros(len(distances))
    for code in range(int(codes.max()) + 1):
        simpson += np.where(codes == code, weights, 0.0).sum(axis=1) ** 2
    return 1.0 / simpson


def _weights(distances: np.ndarray, perplexity: float) -> np.ndarray:
    """Weights of the neighbours in each row, by bisection of beta for the entropy log(perplexity)."""
    # Neither a shift nor a scale of the distances changes the result; without a shift the exponentials may vanish.
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
    """kBET acceptance rate (Büttner et al., Nat Methods 16:43, 2019): fraction of spots with a mixed neighbourhood.

    A neighbourhood counts as mixed when Pearson's chi-squared test does not distinguish the sections of the k nearest
    spots from those of all spots (p >= :data:`SIGNIFICANCE`, B - 1 degrees of freedom). k is a quarter of the mean
    section, from 10 to 70. Perfect mixing gives about 0.95, none gives 0.
    """
    codes, sizes = np.unique(sections, return_inverse=True, return_counts=True)[1:]
    n_neighbours = int(np.clip(sizes.mean() // 4, SMALLEST_KBET, LARGEST_KBET))
    if len(sizes) < 2 or len(embedding) <= n_neighbours:
        return float("nan")
    neighbours, _ = nearest_others(embedding, random_subset(len(embedding), ANCHORS, seed), n_neighbours)
    expected = n_neighbours * sizes / len(embedding)
    found = np.stack([(codes[neighbours] == code).sum(axis=1) for code in range(len(sizes))], axis=1)
    statistic = ((found - expected) ** 2 / expected).sum(axis=1)
    return float((stats.chi2.sf(statistic, len(sizes) - 1) >= SIGNIFICANCE).mean())


def kbet_per_label(embedding: np.ndarray, sections: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Mean of :func:`kbet` over labels, each among its own spots; differences in composition do not affect it.

    As Luecken et al., Nat Methods 19:41 (2022), but with Euclidean neighbours in place of diffusion distances. Labels
    in one section only, or with 10 spots or fewer, are left out.
    """
    return _mean([kbet(embedding[own], sections[own], seed) for own in _by_label(labels)])


def graph_connectivity(embedding: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Fraction of a label's spots in its largest connected component of the neighbour graph, mean over labels.

    Luecken et al., Nat Methods 19:41 (2022). The graph joins each spot with its 15 nearest of all spots, undirected.
    Spots without a label are in the graph but do not enter the mean. Above :data:`CONNECTIVITY_SPOTS` spots the graph
    is that of a random subset. 0 to 1; 1 when the spots of every label are connected.
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
    """1 - |silhouette width of the sections among a label's spots|, mean over its spots, then over labels.

    Luecken et al., Nat Methods 19:41 (2022); Euclidean. Labels in one section only, or with one spot per section, are
    left out. Above :data:`SILHOUETTE_SPOTS` spots of a label a random subset is used. 0 to 1; 1 = mixed.
    """
    widths = []
    for own in _by_label(labels):
        own = own[random_subset(len(own), SILHOUETTE_SPOTS, seed)]
        if 2 <= len(np.unique(sections[own])) < len(own):
            widths.append(1.0 - np.abs(silhouette_samples(embedding[own], sections[own])).mean())
    return _mean(widths)


def _by_label(labels: np.ndarray) -> list[np.ndarray]:
    """The ascending indices of each label's spots; spots without a label ("") are left out."""
    return [np.flatnonzero(labels == label) for label in np.unique(labels[labels != ""])]


def _mean(values: list[float]) -> float:
    """Mean of those that are defined."""
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
