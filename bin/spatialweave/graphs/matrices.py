"""Sparse neighbour matrices: building, symmetry, normalisation.

A stored entry is an edge, whatever its value: two spots with the same coordinates have a stored distance of 0. So all
functions here work on the sparsity structure, and none drops stored zeros.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse


def from_edges(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, n_spots: int, dtype: type = np.float64
) -> sparse.csr_matrix:
    """Build a CSR matrix (n_spots x n_spots, sorted indices) from distinct edges; values of 0 stay stored."""
    order = np.lexsort((columns, rows))
    starts = np.zeros(n_spots + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=n_spots), out=starts[1:])
    return sparse.csr_matrix((values[order].astype(dtype), columns[order], starts), shape=(n_spots, n_spots))


def edges(matrix: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of every stored entry, row by row."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return rows, matrix.indices.astype(np.int64)


def rank_within_spot(spots: np.ndarray) -> np.ndarray:
    """Return the position of each entry among the entries of its spot, from 0; `spots` are sorted rows."""
    first = np.flatnonzero(np.diff(spots, prepend=-1))
    return np.arange(len(spots)) - np.repeat(first, np.diff(first, append=len(spots)))


def among(matrix: sparse.csr_matrix, rows: np.ndarray, scratch: np.ndarray) -> sparse.csr_matrix:
    """Return the stored entries between `rows`, like ``matrix[rows][:, rows]``.

    The work is that of these rows; scipy's selection of columns passes over all columns of the matrix.

    Parameters
    ----------
    scratch
        int32, -1 for every row of the matrix; it is so again at the end.
    """
    own = matrix[rows]
    scratch[rows] = np.arange(len(rows))
    column = scratch[own.indices]
    scratch[rows] = -1
    kept = column >= 0
    kept_before = np.concatenate([[0], np.cumsum(kept)]).astype(own.indptr.dtype)
    parts = own.data[kept], column[kept].astype(own.indices.dtype), kept_before[own.indptr]
    return sparse.csr_matrix(parts, shape=(len(rows), len(rows)))


def structure(matrix: sparse.csr_matrix, columns: np.ndarray | None = None) -> sparse.csr_matrix:
    """Return the stored entries as 1 (float32), or only those in `columns` (bool, one per column) if given."""
    kept = np.ones(matrix.nnz, dtype=bool) if columns is None else columns[matrix.indices]
    kept_before = np.concatenate([[0], np.cumsum(kept)])
    ones = np.ones(kept.sum(), dtype=np.float32)
    return sparse.csr_matrix((ones, matrix.indices[kept], kept_before[matrix.indptr]), shape=matrix.shape)


def with_self(matrix: sparse.csr_matrix, *others: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the stored entries of all matrices and the diagonal (each spot neighbours itself); values are positive."""
    joined = structure(matrix)
    for other in others:
        joined = joined + structure(other)
    return (joined + sparse.identity(matrix.shape[0], dtype=np.float32, format="csr")).tocsr()


def is_mutual(rows: np.ndarray, columns: np.ndarray, n_spots: int) -> np.ndarray:
    """Return which of distinct directed edges (row, column) occur in reverse too (bool, one per edge)."""
    return np.isin(rows * n_spots + columns, columns * n_spots + rows)


def mutual_only(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Keep the edges whose reverse is also stored, with their values."""
    i, j = edges(matrix)
    kept = is_mutual(i, j, matrix.shape[0])
    return from_edges(i[kept], j[kept], matrix.data[kept], matrix.shape[0])


def symmetrise(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the undirected 0/1 graph (float32): i and j are joined if (i, j) or (j, i) is stored."""
    directed = structure(matrix)
    joined = directed.maximum(directed.T).tocsr()
    joined.sort_indices()
    return joined


def row_normalise(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Divide every row by its sum, so that a product with it averages over neighbours; empty rows stay empty."""
    totals = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.divide(1.0, totals, out=np.zeros_like(totals, dtype=np.float64), where=totals != 0)
    return sparse.csr_matrix(sparse.diags(scale) @ matrix).astype(matrix.dtype)


def gcn_normalise(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return D^-1/2 (A + I) D^-1/2 with D the row sums of A + I (Kipf and Welling, ICLR 2017).

    A diagonal already in `matrix` is replaced.
    """
    adjacency = sparse.csr_matrix(matrix, dtype=np.float64)
    adjacency = adjacency - sparse.diags(adjacency.diagonal()) + sparse.identity(adjacency.shape[0])
    root = 1.0 / np.sqrt(np.asarray(adjacency.sum(axis=1)).ravel())
    scaled = sparse.csr_matrix(sparse.diags(root) @ adjacency @ sparse.diags(root))
    scaled.eliminate_zeros()
    return scaled.astype(np.float32)
