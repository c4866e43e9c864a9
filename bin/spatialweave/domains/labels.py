"""What every clustering shares: the check of its input, and the numbering of its domains."""

from __future__ import annotations

import numpy as np

from spatialweave.errors import InputError


def check_embedding(embedding: np.ndarray, n_domains: int, where: str = "embedding") -> np.ndarray:
    """Return `embedding` (spots x dimensions) as float64, or refuse what cannot be clustered into `n_domains`.

    Raises
    ------
    InputError
        When it is empty or not two-dimensional, holds a value that is not finite (the first one is named), or has
        fewer spots than domains are asked for.
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
            f"value {values[row, column]} is not finite ({int(wrong.any(axis=1).sum())} spots are so)",
            "finite numbers",
            "train again, with a lower learning rate if the loss diverged",
        )
    if n_domains < 1 or n_domains > len(values):
        raise InputError(
            where, f"{n_domains} domains are asked for and there are {len(values)} spots", f"1 to {len(values)} domains"
        )
    return values


def size_order(labels: np.ndarray) -> np.ndarray:
    """The distinct values of `labels` by decreasing number of spots; equal sizes in the order of their first spot."""
    values, first, counts = np.unique(labels, return_index=True, return_counts=True)
    return values[np.lexsort((first, -counts))]


def number_by_size(labels: np.ndarray) -> np.ndarray:
    """Number any labels 1..K by decreasing size (int64); equal sizes in the order of their first spot."""
    values, inverse = np.unique(labels, return_inverse=True)
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.searchsorted(values, size_order(labels))] = np.arange(1, len(values) + 1)
    return rank[inverse]
