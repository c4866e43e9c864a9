"""How much of a modality's structure an embedding preserves. NaN where a metric is undefined.

Both metrics compare a random set of anchor spots with all spots, in time linear in the number of spots. `embedding` and
`latent` have the same spots: those at which the modality was measured.
"""

from __future__ import annotations

import numpy as np

from spatialweave.metrics.neighbours import nearest_others
from spatialweave.sampling import random_subset

CORRELATION_ANCHORS = 500
OVERLAP_ANCHORS = 2000
N_NEIGHBOURS = 10
ANCHORS_AT_ONCE = 16


def distance_correlation(embedding: np.ndarray, latent: np.ndarray, seed: int) -> float:
    """Return the Pearson correlation between a spot's distances to all spots in the embedding and in the modality.

    Distances are Euclidean and include the spot itself. The correlation is averaged over :data:`CORRELATION_ANCHORS`
    random spots, or all spots if there are no more. This is the modality agreement of Du et al., Nat Commun 17:2876
    (2026), who use every spot as an anchor. NaN if all spots are at one point of the embedding or of the modality. -1
    to 1, higher is better.
    """
    anchors = random_subset(len(embedding), CORRELATION_ANCHORS, seed)
    correlations = distance_correlations(embedding, latent, anchors)
    defined = correlations[np.isfinite(correlations)]
    return float(defined.mean()) if len(defined) else float("nan")


def distance_correlations(embedding: np.ndarray, latent: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Return that correlation for each of the spots `anchors` (row numbers); NaN if all distances are 0."""
    points = [values.astype(np.float64) for values in (embedding, latent)]
    squares = [(values**2).sum(axis=1) for values in points]
    correlations = [np.empty(0)]
    for start in range(0, len(anchors), ANCHORS_AT_ONCE):
        block = anchors[start : start + ANCHORS_AT_ONCE]
        distances = [_distances_from(*both, block) for both in zip(points, squares, strict=True)]
        correlations.append(_row_correlations(*distances))
    return np.concatenate(correlations)


def knn_overlap(embedding: np.ndarray, latent: np.ndarray, seed: int, k: int = N_NEIGHBOURS) -> float:
    """Return the fraction of a spot's `k` nearest spots in the modality that are among its `k` nearest in the
    embedding.

    It is averaged over :data:`OVERLAP_ANCHORS` random spots, or all spots if there are no more. 0 to 1, higher is
    better; chance gives k / (spots - 1). With k or fewer other spots all are neighbours and the metric is undefined.
    """
    n_spots = len(embedding)
    if n_spots - 1 <= k:
        return float("nan")
    anchors = random_subset(n_spots, OVERLAP_ANCHORS, seed)
    offsets = np.arange(len(anchors))[:, None] * n_spots
    in_embedding = nearest_others(embedding, anchors, k)[0] + offsets
    in_latent = nearest_others(latent, anchors, k)[0] + offsets
    return float(np.isin(in_embedding, in_latent).mean())


def _distances_from(values: np.ndarray, squares: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Return Euclidean distances, anchors x spots; `squares` are the squared lengths of the rows (float64)."""
    squared = squares[anchors, None] + squares[None, :] - 2.0 * (values[anchors] @ values.T)
    squared[np.arange(len(anchors)), anchors] = 0.0
    return np.sqrt(np.maximum(squared, 0.0))


def _row_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of each row of `a` with the same row of `b`; NaN for constant rows."""
    a = a - a.mean(axis=1, keepdims=True)
    b = b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), scale, out=np.full(len(a), np.nan), where=scale > 0)
