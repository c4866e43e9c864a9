"""Raw counts as a sparse matrix, spots x features: its canonical form, its faults, and passes over it.

No function here makes a matrix dense.
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
"""Reasons why a value cannot be a raw count, in the order in which they are reported, each with its test of values."""


class SpotBlocks(Protocol):
    """Matrix, spots x features, that is read some spots at a time and need not be in memory."""

    @property
    def shape(self) -> tuple[int, int]:
        """Spots and features."""

    @property
    def nnz(self) -> int:
        """Upper limit of the number of stored entries."""

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Yield the spots in order, in blocks of about :data:`BLOCK_ENTRIES` stored entries; do not change a block."""


@dataclass
class Problem:
    """First value that cannot be a raw count: its position, the fault, and whether it is a fraction."""

    row: int
    column: int
    text: str
    is_fraction: bool = False


def to_csr(matrix: Any) -> sparse.csr_matrix:
    """Return a matrix as CSR, float32, with sorted, unique indices and no stored zeros; it is never made dense.

    Raises
    ------
    ValueError
        When the matrix is not two-dimensional or not numeric, or its index arrays contradict each other.
    """
    if matrix.ndim != 2:
        raise ValueError(f"the matrix has {matrix.ndim} dimensions, not 2")
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"the matrix holds values of type {matrix.dtype}, not numbers")
    if sparse.issparse(matrix) and matrix.format in ("csr", "csc"):
        # This comes first, since scipy's kernels trust the index arrays and a damaged file would crash Python.
        if any(array.dtype.kind not in "iu" for array in (matrix.indices, matrix.indptr)):
            raise ValueError("the matrix has indices that are not whole numbers")
        matrix.check_format(full_check=True)
    counts = sparse.csr_matrix(matrix, dtype=np.float32)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    counts.sort_indices()
    return counts


Counts: TypeAlias = sparse.csr_matrix | SpotBlocks
"""Matrix in memory, or one that is read by blocks."""


@dataclass
class FeatureSums:
    """Sums over the spots for each feature, from one pass over counts.

    Attributes
    ----------
    detected
        int64, number of spots with the feature.
    sums, squares
        float64, sums of the counts and of their squares; exact for whole numbers.
    """

    detected: np.ndarray
    sums: np.ndarray
    squares: np.ndarray


def rows_per_block(n_rows: int, n_entries: int) -> int:
    """Return the number of rows that hold about :data:`BLOCK_ENTRIES` of all stored entries."""
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
    """Yield the blocks of :func:`stored_blocks` in float64."""
    return (block.astype(np.float64, copy=False) for block in stored_blocks(counts))


def numbered(blocks: Iterable[sparse.csr_matrix]) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """Yield blocks of spots, each with the number of its first spot."""
    start = 0
    for block in blocks:
        yield start, block
        start += block.shape[0]


@dataclass(frozen=True)
class FilteredCounts:
    """Counts of selected spots and features (boolean masks)."""

    counts: Counts
    spots: np.ndarray
    features: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Spots and features."""
        return int(self.spots.sum()), int(self.features.sum())

    @property
    def nnz(self) -> int:
        """Upper limit of the number of stored entries."""
        return int(self.counts.nnz)

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Yield the spots in order."""
        for start, block in numbered(stored_blocks(self.counts)):
            selected = self.spots[start : start + block.shape[0]]
            if selected.any():
                part = block if selected.all() else block[selected]
                yield part if self.features.all() else part[:, np.flatnonzero(self.features)]


@dataclass
class Survey:
    """Number of spots with each feature, and the faults of the values, from one pass over counts.

    Attributes
    ----------
    detected
        int64, number of spots with each feature.
    faults
        For each fault (:data:`FAULTS`): the first spot of each feature with it (int64, -1 = none) and the value there
        (float32).
    """

    detected: np.ndarray
    faults: dict[str, tuple[np.ndarray, np.ndarray]]

    def problem(self, fractions: bool, features: np.ndarray | None = None) -> Problem | None:
        """Return the first value that is not finite, negative or, unless `fractions` are allowed, not a whole number.

        Parameters
        ----------
        features
            Features to check (positions, ascending); None: all.
        """
        checked = np.arange(len(self.detected)) if features is None else features
        for text, (rows, values) in self.faults.items():
            faulty = checked[rows[checked] >= 0]
            if len(faulty) and not (fractions and text == NOT_WHOLE):
                column = int(faulty[rows[faulty].argmin()])
                return Problem(int(rows[column]), column, f"value {values[column]:.8g} {text}", text == NOT_WHOLE)
        return None


def survey(counts: Counts) -> Survey:
    """Make one pass over counts, which must hold no stored zeros."""
    n_features = counts.shape[1]
    nowhere = np.full(n_features, -1, dtype=np.int64)
    result = Survey(
        np.zeros(n_features, dtype=np.int64),
        {text: (nowhere.copy(), np.zeros(n_features, dtype=np.float32)) for text in FAULTS},
    )
    for start, block in numbered(stored_blocks(counts)):
        result.detected += np.bincount(block.indices, minlength=n_features)
        for text, (rows, values) in result.faults.items():
            faulty = np.flatnonzero(FAULTS[text](block.data))
            columns, first = np.unique(block.indices[faulty], return_index=True)
            new = rows[columns] < 0
            columns, entries = columns[new], faulty[first[new]]
            rows[columns] = start + np.searchsorted(block.indptr, entries, side="right") - 1
            values[columns] = block.data[entries]
    return result


def find_problem(counts: sparse.csr_matrix, fractions: bool) -> Problem | None:
    """Return the first fault of counts, as :meth:`Survey.problem` does."""
    return survey(counts).problem(fractions)


def in_memory(counts: Counts) -> sparse.csr_matrix:
    """Return all spots at once (float64 if they were not in memory); the matrix must not be changed."""
    if isinstance(counts, sparse.csr_matrix):
        return counts
    blocks = list(spot_blocks(counts))
    return blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")


def feature_sums(counts: Counts) -> FeatureSums:
    """Return spots, sum and sum of squares of each feature; `counts` must hold no stored zeros."""
    n_features = counts.shape[1]
    result = FeatureSums(np.zeros(n_features, dtype=np.int64), np.zeros(n_features), np.zeros(n_features))
    for block in spot_blocks(counts):
        result.detected += np.bincount(block.indices, minlength=n_features)
        result.sums += np.bincount(block.indices, block.data, minlength=n_features)
        result.squares += np.bincount(block.indices, block.data**2, minlength=n_features)
    return result


def spots_per_feature(counts: Counts) -> np.ndarray:
    """Return the number of spots with each feature (int64); `counts` must hold no stored zeros."""
    detected = np.zeros(counts.shape[1], dtype=np.int64)
    for block in spot_blocks(counts):
        detected += np.bincount(block.indices, minlength=counts.shape[1])
    return detected


def spot_totals(counts: Counts, features: np.ndarray) -> np.ndarray:
    """Return the sum of each spot over the features of a boolean mask (float64, one per spot)."""
    weights = features.astype(np.float64)
    return np.concatenate([block @ weights for block in spot_blocks(counts)])
