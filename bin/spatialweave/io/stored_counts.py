"""The raw counts of a modality in a file, read and checked some spots at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from spatialweave.io.count_matrix import Counts, rows_per_block, to_csr
from spatialweave.io.hdf5 import missing_filter

Opener = Callable[[], AbstractContextManager[Any]]
"""Function that opens a file and yields the HDF5 or zarr element of a matrix, or its :class:`CompressedRows`."""

Guard = Callable[[], AbstractContextManager[None]]
"""Context that turns the exceptions of libraries on damaged files into an error for the user."""

Check = Callable[[sparse.csr_matrix, int], None]
"""Function of a block (canonical CSR, float32) and the number of its first spot that refuses values that are not
counts."""

LONGEST_CHUNK = 20_000_000
"""Most values per chunk of a file that is read by blocks (160 MB as float64); a chunk is always decompressed whole."""


@dataclass(frozen=True)
class CompressedRows:
    """Arrays of a sparse matrix in an open file: `data` and `indices` of its rows, one after the other."""

    data: Any
    indices: Any
    indptr: Any
    shape: tuple[int, int]


class StoredCounts:
    """Matrix on disk, spots x features; a :class:`~spatialweave.io.count_matrix.SpotBlocks`.

    CSR and dense matrices are read by blocks in every pass; matrices of any other form, and matrices of one block, are
    read once and kept.

    Parameters
    ----------
    source
        Opens the matrix.
    guard
        Context for everything that is read.
    check
        Called with every block before it is returned.

    Raises
    ------
    ValueError
        When the arrays of a sparse matrix do not fit each other.
    """

    def __init__(self, source: Opener, guard: Guard, check: Check = lambda _block, _first: None) -> None:
        self.source, self._guard, self._check = source, guard, check
        self._whole: sparse.csr_matrix | None = None
        self._canonical: bool | None = None
        self._indptr = np.empty(0, dtype=np.int64)
        with self._guard(), source() as element:
            rows = _compressed_rows(element)
            self._is_csr = rows is not None
            if rows is not None:
                self.shape: tuple[int, int] = rows.shape
                self._indptr = _bounds(rows)
                self.nnz = int(self._indptr[-1])
            elif hasattr(element, "keys"):
                self._canonical = False
                self._whole = to_csr(_read(element))
                self.shape, self.nnz = self._whole.shape, int(self._whole.nnz)
            else:
                self._canonical = False
                if len(element.shape) != 2:
                    raise ValueError(f"the matrix has {len(element.shape)} dimensions, not 2")
                self.shape, self.nnz = tuple(element.shape), int(np.prod(element.shape, dtype=np.int64))
        self._checked = False

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Yield the spots in order as canonical CSR (float32); a block must not be changed."""
        if self._whole is not None:
            yield self._checked_whole(self._whole)
            return
        n_spots = self.shape[0]
        canonical = self._is_csr
        with ExitStack() as stack:
            with self._guard():
                element = stack.enter_context(self.source())
            size = self._rows_per_block(element)
            for start in range(0, n_spots, size):
                with self._guard():
                    block, as_stored = self._block(element, start, min(start + size, n_spots))
                self._check(block, start)
                canonical &= as_stored
                if size >= n_spots:
                    self._whole, self._checked = block, True
                    self._canonical = canonical
                yield block
        self._canonical = canonical

    def at(self, rows: np.ndarray) -> sparse.csr_matrix:
        """Return the spots at `rows`, in that order; everything between the first and the last is read."""
        first, stop = int(rows.min()), int(rows.max()) + 1
        if self._whole is not None:
            return self._checked_whole(self._whole)[rows]
        with self._guard(), self.source() as element:
            block, _ = self._block(element, first, stop)
        self._check(block, first)
        return block if np.array_equal(rows, np.arange(first, stop)) else block[rows - first]

    def _checked_whole(self, whole: sparse.csr_matrix) -> sparse.csr_matrix:
        if not self._checked:
            self._check(whole, 0)
            self._checked = True
        return whole

    def check_all(self) -> None:
        """Read all spots once, so that a value that is not a count is refused now."""
        for _block in self.blocks():
            pass

    @property
    def is_canonical(self) -> bool:
        """Whether the file holds exactly the output of :meth:`blocks`, so that its arrays can be copied unchanged."""
        if self._canonical is None:
            self.check_all()
        return bool(self._canonical)

    def _rows_per_block(self, element: Any) -> int:
        """Return the spots per block; blocks of a dense matrix are whole chunks, so that each chunk is read once."""
        size = rows_per_block(self.shape[0], self.nnz)
        if self._is_csr or not element.chunks:
            return size
        in_chunk, most = element.chunks[0], LONGEST_CHUNK // max(1, self.shape[1])
        return size // in_chunk * in_chunk or max(size, min(in_chunk, most))

    def _block(self, element: Any, start: int, stop: int) -> tuple[sparse.csr_matrix, bool]:
        """Return the spots from `start` to `stop`, and whether the file stores exactly these arrays."""
        rows = _compressed_rows(element)
        if rows is None:
            return to_csr(np.asarray(element[start:stop])), False
        first, last = self._indptr[start], self._indptr[stop]
        indptr = self._indptr[start : stop + 1] - first
        arrays = (rows.data[first:last], rows.indices[first:last], indptr)
        stored = sparse.csr_matrix(arrays, shape=(stop - start, self.shape[1]))
        stored.check_format(full_check=True)
        as_given = stored.dtype == np.float32 and bool(stored.has_canonical_format)
        counts = to_csr(stored)
        return counts, as_given and counts.nnz == last - first


def as_counts(matrix: Any, guard: Guard = nullcontext) -> Counts:
    """Return a reader's matrix in canonical form: in memory, or on disk if the reader gives an opener.

    Raises
    ------
    ValueError
        See :func:`~spatialweave.io.count_matrix.to_csr` and :class:`StoredCounts`.
    """
    return StoredCounts(matrix, guard) if callable(matrix) else to_csr(matrix)


def is_by_blocks(element: Any) -> bool:
    """Return whether a matrix can be read by blocks: it is dense, or CSR without faults outside its entries.

    The fault of any other matrix is reported when it is read whole.
    """
    try:
        rows = _compressed_rows(element)
        if rows is None:
            return not hasattr(element, "keys") and len(element.shape) == 2 and _is_of_numbers(element)
        if not isinstance(element, CompressedRows) and element.attrs["encoding-version"] != "0.1.0":
            return False
        _bounds(rows)
        short = all(math.prod(array.chunks or ()) <= LONGEST_CHUNK for array in (rows.data, rows.indices))
        return short and _is_of_numbers(rows.data) and 0 <= rows.shape[1] <= np.iinfo(np.int64).max
    except MemoryError:
        raise
    except Exception:
        # Libraries raise exceptions of every kind on damaged files.
        return False


def _is_of_numbers(array: Any) -> bool:
    """Return whether the values have a type that scipy accepts, and can be decompressed."""
    return array.dtype.kind in "biuf" and array.dtype != np.float16 and missing_filter(array) is None


def _compressed_rows(element: Any) -> CompressedRows | None:
    """Return the arrays of a CSR matrix; None for any other matrix."""
    if isinstance(element, CompressedRows):
        return element
    if not hasattr(element, "keys") or element.attrs.get("encoding-type") != "csr_matrix":
        return None
    rows, columns = (int(size) for size in element.attrs["shape"])
    return CompressedRows(element["data"], element["indices"], element["indptr"], (rows, columns))


def _bounds(rows: CompressedRows) -> np.ndarray:
    """Return where the entries of each row begin and end (int64); inconsistent arrays are refused.

    Scipy's kernels trust these bounds, and a damaged file would crash Python.
    """
    bounds, n_entries = np.asarray(rows.indptr[...]), rows.data.shape
    if bounds.dtype.kind not in "iu" or rows.indices.dtype.kind not in "iu":
        raise ValueError("the matrix has indices that are not whole numbers")
    if rows.data.dtype.kind not in "biuf":
        raise ValueError(f"the matrix holds values of type {rows.data.dtype}, not numbers")
    bounds = bounds.astype(np.int64)
    if len(n_entries) != 1 or rows.indices.shape != n_entries or bounds.shape != (rows.shape[0] + 1,):
        raise ValueError("the arrays of the sparse matrix differ in length from what its shape says")
    if bounds[0] != 0 or bounds[-1] != n_entries[0] or (np.diff(bounds) < 0).any():
        raise ValueError("the bounds of the rows of the sparse matrix (indptr) do not fit its values")
    return bounds


def _read(element: Any) -> Any:
    from anndata.io import read_elem

    return read_elem(element)
