"""Common parts of all clusterings: the check of the embedding, the numbering of domains, and spatial refinement."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError


def check_embedding(embedding: np.ndarray, n_domains: int, where: str = "embedding") -> np.ndarray:
    """Check the embedding (spots x dimensions), and return it as float64.

    Raises
    ------
    InputError
        When it is empty or not two-dimensional, has a value that is not finite (the first one is named), or has fewer
        spots than `n_domains`.
    """
    values = np.asarray(embedding, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        shape = " x ".join(str(size) for size in values.shape)
        raise InputError(where, f"its shape is {shape}", "spots x dimensions, at least one of each")
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{where}, row {row + 1}, column {column + 1}",
            f"value {values[row, column]} is not finite ({int(wrong.any(axis=1).sum())} spots have such values)",
            "finite numbers",
            "train again, with a lower learning rate if the loss diverged",
        )
    if n_domains < 1 or n_domains > len(values):
        raise InputError(
            where, f"{n_domains} domains are requested and there are {len(values)} spots", f"1 to {len(values)} domains"
        )
    return values


def size_order(labels: np.ndarray) -> np.ndarray:
    """Return the distinct `labels` by decreasing number of spots; ties in the order of their first spot."""
    values, first, counts = np.unique(labels, return_index=True, return_counts=True)
    return values[np.lexsort((first, -counts))]


def number_by_size(labels: np.ndarray) -> np.ndarray:
    """Number any labels 1..K by decreasing size (int64); ties in the order of their first spot."""
    values, inverse = np.unique(labels, return_inverse=True)
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.searchsorted(values, size_order(labels))] = np.arange(1, len(values) + 1)
    return rank[inverse]


def refine(labels: np.ndarray, connectivities: sparse.csr_matrix, rounds: int) -> np.ndarray:
    """Refine labels by `rounds` majority votes over spatial neighbours, all spots at once.

    A spot gets the domain of more than half of its neighbours, and keeps its own if there is none (the rule of SpaGCN,
    Hu et al., Nat Methods 18:1342, 2021). A domain of scattered spots can disappear.

    Parameters
    ----------
    labels
        Integers, one per spot.
    connectivities
        0/1, symmetric; row i marks the neighbours of spot i.
    """
    values, codes = np.unique(labels, return_inverse=True)
    n_spots = len(codes)
    degree = np.diff(connectivities.indptr)
    for _ in range(rounds):
        ones = np.ones(n_spots, dtype=np.int32)
        membership = sparse.csr_matrix((ones, (np.arange(n_spots), codes)), shape=(n_spots, len(values)))
        votes = sparse.coo_matrix(connectivities.astype(bool).astype(np.int32) @ membership)
        won = 2 * votes.data > degree[votes.row]
        refined = codes.copy()
        # At most one domain has more than half of a spot's neighbours.
        refined[votes.row[won]] = votes.col[won]
        if np.array_equal(refined, codes):
            break
        codes = refined
    return values[codes]
