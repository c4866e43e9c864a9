"""Spatial refinement: a spot amid another domain joins it."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def refine(labels: np.ndarray, connectivities: sparse.csr_matrix, rounds: int) -> np.ndarray:
    """Majority vote over spatial neighbours, `rounds` times, all spots at once.

    A spot takes the domain that more than half of its neighbours share; without such a domain it keeps its own (the
    rule of SpaGCN, Hu et al., Nat Methods 18:1342, 2021). A domain of scattered spots can vanish.

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
        # At most one domain of a spot can hold more than half of its neighbours.
        refined[votes.row[won]] = votes.col[won]
        if np.array_equal(refined, codes):
            break
        codes = refined
    return values[codes]
