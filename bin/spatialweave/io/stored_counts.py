"""The raw counts of a modality as a file holds them, read and checked some spots at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from scipy import sparse

from spatialweave.io.count_matrix import rows_per_block, to_csr

Opener = Callable[[], AbstractContextManager[Any]]
"""Opens a file and gives the HDF5 or zarr element of a matrix."""

Guard = Callable[[], AbstractContextManager[None]]
"""Turns what a library raises on a damaged file into an error for the user."""


class StoredCounts:
    """A matrix on disk, spots x features; a :class:`~spatialweave.io.count_matrix.SpotBlocks`.

    CSR and dense matrices are read by blocks, every time that they are walked over; those of any other form, and those
    of one block, are read once and kept.

    Parameters
    ----------
    source
        Opens the matrix.
    guard
        Around all that is read.
    check
        Takes every block (canonical CSR, float32) and the number of its first spot, and refuses what is no count.

    Raises
    ------
    ValueError
        When the arrays of a sparse matrix do not fit each other.
    """

    def __init__(self, source: Opener, guard: Guard, check: Callable[[sparse.csr_matrix, int], None]) -> None:
        self.source, self._guard, self._check = source, guard, check
        self._whole: sparse.csr_matrix | None = None
        self._canonical: bool | None = None
        self._indptr = np.empty(0, dtype=np.int64)
        with self._guard(), source() as element:
            self._is_csr = _is_csr(element)
            if self._is_csr:
                self.shape: tuple[int, int] = _csr_shape(element)
                self._indptr = _bounds(element, self.shape[0])
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
        """The spots in order as canonical CSR (float32); a block must not be changed."""
        if self._whole is not None:
            yield self._checked_whole(self._whole)
            return
        n_spots = self.shape[0]
        size = rows_per_block(n_spots, self.nnz)
        canonical = self._is_csr
        with self.source() as element:
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
        """Some spots by their numbers, in that order; what lies between the first and the last is read."""
        first, stop = int(rows.min()), int(rows.max()) + 1
        if self._whole is not None:
            return self._checked_whole(self._whole)[rows]
        with self.source() as element, self._guard():
            block, _ = self._block(element, first, stop)
        self._check(block, first)
        return block if np.array_equal(rows, np.arange(first, stop)) else block[rows - first]

    def _checked_whole(self, whole: sparse.csr_matrix) -> sparse.csr_matrix:
        if not self._checked:
            self._check(whole, 0)
            self._checked = True
        return whole

    def check_all(self) -> None:
        """Walk over all spots, so that a value that is no count is refused now."""
        for _block in self.blocks():
            pass

    @property
    def is_canonical(self) -> bool:
        """Whether the file holds exactly what :meth:`blocks` gives, so that its arrays can be copied as they are."""
        if self._canonical is None:
            self.check_all()
        return bool(self._canonical)

    def _block(self, element: Any, start: int, stop: int) -> tuple[sparse.csr_matrix, bool]:
        """The spots from `start` to `stop`, and whether they are stored as they are given."""
        if not self._is_csr:
            return to_csr(np.asarray(element[start:stop])), False
        first, last = self._indptr[start], self._indptr[stop]
        indptr = self._indptr[start : stop + 1] - first
        arrays = (element["data"][first:last], element["indices"][first:last], indptr)
        stored = sparse.csr_matrix(arrays, shape=(stop - start, self.shape[1]))
        stored.check_format(full_check=True)
        as_given = stored.dtype == np.float32 and bool(stored.has_canonical_format)
        counts = to_csr(stored)
        return counts, as_given and counts.nnz == last - first


def _is_csr(element: Any) -> bool:
    return hasattr(element, "keys") and element.attrs.get("encoding-type") == "csr_matrix"


def _csr_shape(element: Any) -> tuple[int, int]:
    rows, columns = (int(size) for size in element.attrs["shape"])
    return rows, columns


def _bounds(element: Any, n_rows: int) -> np.ndarray:
    """Where the entries of each row begin and end (int64); arrays that do not fit each other are refused.

    Scipy's kernels trust them, and a damaged file would crash Python.
    """
    bounds, n_entries = np.asarray(element["indptr"][...]), element["data"].shape
    if bounds.dtype.kind not in "iu" or element["indices"].dtype.kind not in "iu":
        raise ValueError("the matrix has indices that are not whole numbers")
    if element["data"].dtype.kind not in "biuf":
        raise ValueError(f"the matrix holds values of type {element['data'].dtype}, not numbers")
    bounds = bounds.astype(np.int64)
    if len(n_entries) != 1 or element["indices"].shape != n_entries or bounds.shape != (n_rows + 1,):
        raise ValueError("the arrays of the sparse matrix differ in length from what its shape says")
    if bounds[0] != 0 or bounds[-1] != n_entries[0] or (np.diff(bounds) < 0).any():
        raise ValueError("the bounds of the rows of the sparse matrix (indptr) do not fit its values")
    return bounds


def _read(element: Any) -> Any:
    from anndata.io import read_elem

    return read_elem(element)
