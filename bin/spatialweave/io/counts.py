"""Find the raw counts of a measurement and check them."""

from __future__ import annotations

import pandas as pd
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import find_problem, to_csr
from spatialweave.io.measurement import Measurement, plain_frame, plain_names, reading
from spatialweave.io.notices import warn


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
