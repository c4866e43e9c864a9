"""Find the raw counts of a measurement and check them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import find_problem, to_csr
from spatialweave.io.feature_groups import feature_groups
from spatialweave.io.measurement import Measurement, plain_frame, plain_names, reading
from spatialweave.io.notices import warn

RAW_COUNTS, INTENSITIES = "raw counts: whole numbers of 0 or more", "intensities of 0 or more"


@dataclass
class Counts:
    """The counts of one modality: spots x features (CSR float32), and the features under unique names.

    `slot` is where in the file they were.
    """

    matrix: sparse.csr_matrix
    features: pd.DataFrame
    slot: str


def find_counts(measurement: Measurement, wanted: str | None, fractions: Callable[[str], bool]) -> dict[str, Counts]:
    """The raw counts of each modality of a measurement, from the first of its slots in which all of them are such.

    Values are checked once it is known which columns are which modality: those of others may hold anything.

    Parameters
    ----------
    wanted
        The only modality that is taken; None: all that the file names.
    fractions
        Whether the values of a modality may be fractions (intensities).

    Raises
    ------
    InputError
        When no slot holds raw counts: names the first bad value of the last slot and where was looked.
    """
    where = measurement.where
    tried: list[str] = []
    complaint, expected = ("there is no matrix", where), ""
    for slot, load in measurement.slots.items():
        matrix, features = _load(measurement, slot, load)
        if 0 in matrix.shape or not matrix.nnz:
            empty = f"{slot} is empty ({matrix.shape[0]} spots x {matrix.shape[1]} features, {matrix.nnz} counts)"
            tried.append(empty)
            complaint = (empty, where)
            continue
        groups = feature_groups(measurement, features, wanted)
        found = {}
        for modality, columns in groups.columns.items():
            part = matrix if len(columns) == matrix.shape[1] else matrix[:, columns]
            problem = find_problem(part, fractions(modality))
            if problem is not None:
                spot, feature = measurement.obs.index[problem.row], features.index[columns[problem.column]]
                complaint = (problem.text, f"{where}, {slot}, row {problem.row + 1} ('{spot}'), column '{feature}'")
                expected = (
                    "intensities of 0 or more" if fractions(modality) else "raw counts: whole numbers of 0 or more"
                )
                tried.append(f"{slot}: {problem.text}")
                break
            found[modality] = (part, columns)
        else:
            if tried:
                warn(where, f"raw counts taken from {slot}, since {'; '.join(tried)}")
            for left_out in groups.left_out:
                warn(where, left_out)
            return {
                modality: _counts(part, features.iloc[columns], slot, where, modality)
                for modality, (part, columns) in found.items()
            }
    looked = [f"{name}: absent" for name in measurement.absent] + tried[:-1]
    raise InputError(
        complaint[1],
        complaint[0] + (f" (also looked in {'; '.join(looked)})" if looked else ""),
        expected or RAW_COUNTS,
        "export the matrix as it was before normalisation",
    )


def _load(measurement: Measurement, slot: str, load: Callable) -> tuple[sparse.csr_matrix, pd.DataFrame]:
    """The matrix of a slot on the spots of the measurement, and the table of its features."""
    with reading(measurement.where, f"matrix in {slot}"):
        matrix, features = load()
        counts = to_csr(matrix)
        if len(features) != counts.shape[1]:
            raise ValueError(f"{len(features)} feature names for {counts.shape[1]} columns")
        if measurement.rows is None and len(measurement.obs) != counts.shape[0]:
            raise ValueError(f"{len(measurement.obs)} barcodes for {counts.shape[0]} rows")
    return (counts if measurement.rows is None else counts[measurement.rows]), features


def _counts(matrix: sparse.csr_matrix, features: pd.DataFrame, slot: str, where: str, modality: str) -> Counts:
    if not matrix.nnz:
        raise InputError(where, f"its {modality} matrix holds no counts", "counts above 0")
    matrix.sort_indices()
    return Counts(matrix, named_features(features, where), slot)


def named_features(features: pd.DataFrame, where: str) -> pd.DataFrame:
    """The table of features under unique plain names; repeated names get a number, with a warning."""
    from anndata.utils import make_index_unique

    names = plain_names(features.index, where, "feature")
    repeated = names[names.duplicated()]
    if len(repeated):
        warn(where, f"{len(repeated)} repeated feature names (first: '{repeated[0]}') were made unique by a number")
        names = pd.Index(make_index_unique(names), dtype=object)
    return plain_frame(features, names)
