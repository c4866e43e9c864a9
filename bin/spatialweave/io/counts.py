"""Find the raw counts of a measurement and check them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.measurement import Measurement, plain_frame, plain_names, reading
from spatialweave.io.notices import warn


@dataclass
class Problem:
    """The first value that cannot be a raw count: its place and what is wrong with it."""

    row: int
    column: int
    text: str


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


def find_problem(counts: sparse.csr_matrix, fractions: bool) -> Problem | None:
    """The first value that is not finite, negative or, unless `fractions` are allowed, not a whole number."""
    data = counts.data
    for bad, text in (
        (~np.isfinite(data), "is not finite"),
        (data < 0, "is negative"),
        (np.zeros(0, dtype=bool) if fractions else data != np.floor(data), "is not a whole number"),
    ):
        if bad.any():
            position = int(bad.argmax())
            row = int(np.searchsorted(counts.indptr, position, side="right")) - 1
            return Problem(row, int(counts.indices[position]), f"value {data[position]:g} {text}")
    return None


def find_counts(measurement: Measurement, fractions: bool) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    """The raw counts of a measurement: the first of its slots that holds such.

    Parameters
    ----------
    fractions
        Whether values may be fractions (intensities of metabolites).

    Returns
    -------
    Counts (spots x features, CSR float32) and the table of the features, its index the unique feature names.

    Raises
    ------
    InputError
        When no slot holds raw counts: names the first bad value of the last slot and where was looked.
    """
    where = measurement.where
    tried: list[str] = []
    complaint = ("there is no matrix", where)
    for slot, load in measurement.slots.items():
        with reading(where, f"matrix in {slot}"):
            matrix, features = load()
            counts = to_csr(matrix)
            if len(features) != counts.shape[1]:
                raise ValueError(f"{len(features)} feature names for {counts.shape[1]} columns")
            if measurement.rows is None and len(measurement.obs) != counts.shape[0]:
                raise ValueError(f"{len(measurement.obs)} barcodes for {counts.shape[0]} rows")
        if measurement.rows is not None:
            counts = counts[measurement.rows]
        if 0 in counts.shape or not counts.nnz:
            empty = f"{slot} is empty ({counts.shape[0]} spots x {counts.shape[1]} features, {counts.nnz} counts)"
            tried.append(empty)
            complaint = (empty, where)
            continue
        problem = find_problem(counts, fractions)
        if problem is None:
            if tried:
                warn(where, f"raw counts taken from {slot}, since {'; '.join(tried)}")
            return counts, named_features(features, where)
        barcode, feature = measurement.obs.index[problem.row], features.index[problem.column]
        complaint = (problem.text, f"{where}, {slot}, row {problem.row + 1} ('{barcode}'), column '{feature}'")
        tried.append(f"{slot}: {problem.text}")
    looked = [f"{name}: absent" for name in measurement.absent] + tried[:-1]
    raise InputError(
        complaint[1],
        complaint[0] + (f" (also looked in {'; '.join(looked)})" if looked else ""),
        "intensities of 0 or more" if fractions else "raw counts: whole numbers of 0 or more",
        "export the matrix as it was before normalisation",
    )


def named_features(features: pd.DataFrame, where: str) -> pd.DataFrame:
    """The table of features under unique plain names; repeated names get a number, with a warning."""
    from anndata.utils import make_index_unique

    names = plain_names(features.index, where, "feature")
    repeated = names[names.duplicated()]
    if len(repeated):
        warn(where, f"{len(repeated)} repeated feature names (first: '{repeated[0]}') were made unique by a number")
        names = pd.Index(make_index_unique(names), dtype=object)
    return plain_frame(features, names)
