"""Raw counts as a sparse matrix, spots x features: its canonical form, what is wrong with it, passes over it.

Nothing here makes a matrix dense.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from scipy import sparse

BLOCK_ENTRIES = 4_000_000
"""Stored entries per block of spots: temporary arrays stay near 100 MB whatever the size of the matrix."""


NOT_WHOLE = "is not a whole number"

FAULTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "is not finite": lambda values: ~np.isfinite(values),
    "is negative": lambda values: values < 0,
    NOT_WHOLE: lambda values: values != np.floor(values),
}
"""Why a value can be no raw count, in the order in which it is told, and for which values of an array it holds."""


class SpotBlocks(Protocol):
    """A matrix, spots x features, that gives some spots at a time, so that it need not be in memory."""

    @property
    def shape(self) -> tuple[int, int]:
        """Spots and features."""

    @property
    def nnz(self) -> int:
        """Stored entries, at most."""

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """The spots in order, in blocks of about :data:`BLOCK_ENTRIES` stored entries; a block must not be changed."""


@dataclass
class Problem:
    """The first value that cannot be a raw count: its position, what is wrong with it, and whether it is a fraction."""

    row: int
    column: int
    text: str
    is_fraction: bool = False


def to_csr(matrix: Any) -> sparse.csr_matrix:
    """CSR, float32, with sorted, unique indices and no stored zeros; a sparse matrix is never made dense.

    Raises
    ------
    ValueError
        When the matrix is not two-dimensional, not of numbers, or its index arrays contradict each other.
    """
    if matrix.ndim != 2:
        raise ValueError(f"the matrix has {matrix.ndim} dimensions, not 2")
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"the matrix holds values of type {matrix.dtype}, not numbers")
    if sparse.issparse(matrix) and matrix.format in ("csr", "csc"):
        # Before anything walks the index arrays: scipy's kernels trust them, and a damaged file would crash Python.
        if any(array.dtype.kind not in "iu" for array in (matrix.indices, matrix.indptr)):
            raise ValueError("the matrix has indices that are not whole numbers")
        matrix.check_format(full_check=True)
    counts = sparse.csr_matrix(matrix, dtype=np.float32)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    counts.sort_indices()
    return counts


Counts: TypeAlias = sparse.csr_matrix | SpotBlocks
"""A matrix in memory, or one that is walked over."""


@dataclass
class FeatureSums:
    """What one pass over counts tells of each feature.

    Attributes
    ----------
    detected
        int64, in how many spots.
    sums, squares
        float64, sums of the counts and of their squares; exact for whole numbers.
    """

    detected: np.ndarray
    sums: np.ndarray
    squares: np.ndarray


def rows_per_block(n_rows: int, n_entries: int) -> int:
    """How many rows have about :data:`BLOCK_ENTRIES` of all stored entries."""
    return max(1, BLOCK_ENTRIES * n_rows // max(n_entries, 1))


def stored_blocks(counts: Counts) -> Iterator[sparse.csr_matrix]:
    """Yield the spots in blocks of about :data:`BLOCK_ENTRIES` stored entries; they must not be changed."""
    if not isinstance(counts, sparse.csr_matrix):
        yield from counts.blocks()
        return
    matrix: Any = counts
    size = rows_per_block(matrix.shape[0], matrix.nnz)
    if size >= matrix.shape[0]:
        yield matrix
        return
    for start in range(0, matrix.shape[0], size):
        yield matrix[start : start + size]


def spot_blocks(counts: Counts) -> Iterator[sparse.csr_matrix]:
    """The same blocks in float64."""
    return (block.astype(np.float64, copy=False) for block in stored_blocks(counts))


def numbered(blocks: Iterable[sparse.csr_matrix]) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """Blocks of spots, each with the number of its first spot."""
    start = 0
    for block in blocks:
        yield start, block
        start += block.shape[0]


@dataclass(frozen=True)
class FilteredCounts:
    """Some spots and features (boolean masks) of counts."""

    counts: Counts
    spots: np.ndarray
    features: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Spots and features."""
        return int(self.spots.sum()), int(self.features.sum())

    @property
    def nnz(self) -> int:
        """Stored entries, at most."""
        return int(self.counts.nnz)

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """The spots in order."""
        for start, block in numbered(stored_blocks(self.counts)):
            own = self.spots[start : start + block.shape[0]]
            if own.any():
                part = block if own.all() else block[own]
                yield part if self.features.all() else part[:, np.flatnonzero(self.features)]


@dataclass
class Survey:
    """What one pass over counts tells of each feature, and whether all values are counts.

    Attributes
    ----------
    detected
        int64, in how many spots.
    faults
        By what may be wrong (:data:`FAULTS`): the first spot of each feature where it is (int64, -1 = nowhere), and the
        value there (float32).
    """

    detected: np.ndarray
    faults: dict[str, tuple[np.ndarray, np.ndarray]]

    def problem(self, fractions: bool, features: np.ndarray | None = None) -> Problem | None:
        """The first value that is not finite, negative or, unless `fractions` are allowed, not a whole number.

        Parameters
        ----------
        features
            Only these (positions, ascending); None: all.
        """
        looked = np.arange(len(self.detected)) if features is None else features
        for text, (rows, values) in self.faults.items():
            faulty = looked[rows[looked] >= 0]
            if len(faulty) and not (fractions and text == NOT_WHOLE):
                column = int(faulty[rows[faulty].argmin()])
                return Problem(int(rows[column]), column, f"value {values[column]:g} {text}", text == NOT_WHOLE)
        return None


def survey(counts: Counts) -> Survey:
    """Walk over counts once; `counts` must hold no stored zeros."""
    n_features = counts.shape[1]
    nowhere = np.full(n_features, -1, dtype=np.int64)
    found = Survey(
        np.zeros(n_features, dtype=np.int64),
        {text: (nowhere.copy(), np.zeros(n_features, dtype=np.float32)) for text in FAULTS},
    )
    for start, block in numbered(stored_blocks(counts)):
        found.detected += np.bincount(block.indices, minlength=n_features)
        for text, (rows, values) in found.faults.items():
            faulty = np.flatnonzero(FAULTS[text](block.data))
            columns, first = np.unique(block.indices[faulty], return_index=True)
            new = rows[columns] < 0
            columns, places = columns[new], faulty[first[new]]
            rows[columns] = start + np.searchsorted(block.indptr, places, side="right") - 1
            values[columns] = block.data[places]
    return found


def find_problem(counts: sparse.csr_matrix, fractions: bool) -> Problem | None:
    """What :meth:`Survey.problem` finds in counts."""
    return survey(counts).problem(fractions)


def in_memory(counts: Counts) -> sparse.csr_matrix:
    """All spots at once (float64 where they were not in memory); the matrix must not be changed."""
    if isinstance(counts, sparse.csr_matrix):
        return counts
    blocks = list(spot_blocks(counts))
    return blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")


def feature_sums(counts: Counts) -> FeatureSums:
    """Spots, sum and sum of squares of each feature; `counts` must hold no stored zeros."""
    n_features = counts.shape[1]
    found = FeatureSums(np.zeros(n_features, dtype=np.int64), np.zeros(n_features), np.zeros(n_features))
    for block in spot_blocks(counts):
        found.detected += np.bincount(block.indices, minlength=n_features)
        found.sums += np.bincount(block.indices, block.data, minlength=n_features)
        found.squares += np.bincount(block.indices, block.data**2, minlength=n_features)
    return found


def spots_per_feature(counts: Counts) -> np.ndarray:
    """In how many spots each feature was detected (int64, one per feature); `counts` must hold no stored zeros."""
    detected = np.zeros(counts.shape[1], dtype=np.int64)
    for block in spot_blocks(counts):
        detected += np.bincount(block.indices, minlength=counts.shape[1])
    return detected


def spot_totals(counts: Counts, features: np.ndarray) -> np.ndarray:
    """Sum of each spot over the features of a boolean mask (float64, one per spot)."""
    weights = features.astype(np.float64)
    return np.concatenate([block @ weights for block in spot_blocks(counts)])
