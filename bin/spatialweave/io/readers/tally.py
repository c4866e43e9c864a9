"""Sums by key over more entries than fit in memory; only distinct keys are kept."""

from __future__ import annotations

import numpy as np
from scipy import sparse

FEWEST = 4_000_000
"""Number of entries that are collected before they are added up (64 MB)."""


class Tally:
    """Sums of values by key, added batch by batch; memory grows with the number of distinct keys."""

    def __init__(self) -> None:
        self.keys = np.empty(0, dtype=np.int64)
        self.sums = np.empty(0, dtype=np.float64)
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._n_waiting = 0

    def add(self, keys: np.ndarray, values: np.ndarray | None = None) -> None:
        """Add `values` (by default 1 each) to the sums of `keys` (int64)."""
        batch = _added_up(keys, np.ones(len(keys)) if values is None else values.astype(np.float64))
        self._waiting.append(batch)
        self._n_waiting += len(batch[0])
        if self._n_waiting > max(FEWEST, len(self.keys) // 4):
            self._settle()

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all keys, ascending, and their sums."""
        self._settle()
        return self.keys, self.sums

    def _settle(self) -> None:
        waiting, self._waiting, self._n_waiting = self._waiting, [], 0
        if waiting:
            keys = np.concatenate([self.keys, *(keys for keys, _sums in waiting)])
            sums = np.concatenate([self.sums, *(sums for _keys, sums in waiting)])
            self.keys, self.sums = _added_up(keys, sums)


def _added_up(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(keys):
        return keys.astype(np.int64), values
    # A stable sort merges parts that are already in order.
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], np.add.reduceat(values[order], first)


def as_matrix(keys: np.ndarray, sums: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray, sparse.csr_matrix]:
    """Convert keys, whose last `bits` bits are a column and whose other bits are a row, to a matrix.

    Returns
    -------
    The rows and the columns that occur, ascending, and their sums, rows x columns (CSR, float32).
    """
    of_row = keys >> bits
    starts = np.flatnonzero(np.concatenate([[True], of_row[1:] != of_row[:-1]])) if len(keys) else np.empty(0, int)
    rows = of_row[starts]
    columns, indices = np.unique(keys & ((1 << bits) - 1), return_inverse=True)
    indptr = np.append(starts, len(keys))
    shape = (len(rows), len(columns))
    return rows, columns, sparse.csr_matrix((sums.astype(np.float32), indices, indptr), shape=shape)
