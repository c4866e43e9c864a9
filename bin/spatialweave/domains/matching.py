"""Matching of the classes of one partition to those of another."""

from __future__ import annotations

import numpy as np

FOUND_AGAIN = 0.5
"""Jaccard index from which a class counts as found again: at least as many spots in both classes as in only one."""


def overlap_table(reference: np.ndarray, n_reference: int, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Count the spots in each pair of classes: int64, n_reference x n_classes.

    Parameters
    ----------
    reference, codes
        Class codes per spot, from 0; spots with -1 (no class) in either partition are left out.
    """
    both = (reference >= 0) & (codes >= 0)
    pairs = reference[both].astype(np.int64) * n_classes + codes[both]
    return np.bincount(pairs, minlength=n_reference * n_classes).reshape(n_reference, n_classes)


def jaccard(overlap: np.ndarray) -> np.ndarray:
    """Return the Jaccard index of each pair of classes of :func:`overlap_table` (float64); 0 if neither has a spot."""
    either = overlap.sum(axis=1, keepdims=True) + overlap.sum(axis=0) - overlap
    return np.asarray(overlap / np.maximum(either, 1))


def match_classes(overlap: np.ndarray) -> np.ndarray:
    """Assign classes one to one so that the most spots match (Kuhn, 1955, the Hungarian method).

    Parameters
    ----------
    overlap
        Spots in each pair of classes, reference x classes.

    Returns
    -------
    For each class the reference class (int64); -1 if it is left over, or assigned to one without a common spot.
    """
    from scipy.optimize import linear_sum_assignment

    matched = np.full(overlap.shape[1], -1, dtype=np.int64)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    common = overlap[rows, columns] > 0
    matched[columns[common]] = rows[common]
    return matched
