"""Find the raw counts of a measurement and check them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import find_problem, to_csr
from spatialweave.io.declared import Declared
from spatialweave.io.feature_groups import feature_groups
from spatialweave.io.measurement import Loader, Measurement, plain_frame, plain_names, reading
from spatialweave.io.notices import warn

RAW_COUNTS, NON_NEGATIVE = "raw counts: whole numbers of 0 or more", "intensities of 0 or more"


@dataclass
class Counts:
    """The counts of one modality: spots x features (CSR float32), and the features under unique names.

    `slot` is where in the file they were.
    """

    matrix: sparse.csr_matrix
    features: pd.DataFrame
    slot: str


def find_counts(measurement: Measurement, wanted: str | None, declared: Declared) -> dict[str, Counts]:
    """The raw counts of each modality of a measurement, from the first of its slots in which all of them are such.

    A layer that the user names is the only slot. Of intensities fractions are right.

    Values are checked once it is known which columns are which modality: those of others may hold anything.

    Parameters
    ----------
    wanted
        The only modality that is taken; None: all that the file names.

    Raises
    ------
    InputError
        When no slot holds raw counts: names the first bad value of the last slot and where was looked.
    """
    where = measurement.where
    tried: list[str] = []
    complaint, bad, is_fraction = ("there is no matrix", where), "", False
    for slot, load in _slots(measurement, declared.layer(wanted or measurement.modality)).items():
        matrix, features = _load(measurement, slot, load)
        if 0 in matrix.shape or not matrix.nnz:
            empty = f"{slot} is empty ({matrix.shape[0]} spots x {matrix.shape[1]} features, {matrix.nnz} counts)"
            tried.append(empty)
            complaint, is_fraction = (empty, where), False
            continue
        groups = feature_groups(measurement, features, wanted)
        found = {}
        for modality, columns in groups.columns.items():
            part = matrix if len(columns) == matrix.shape[1] else matrix[:, columns]
            problem = find_problem(part, declared.allows_fractions(modality))
            if problem is not None:
                spot, feature = measurement.obs.index[problem.row], features.index[columns[problem.column]]
                complaint = (problem.text, f"{where}, {slot}, row {problem.row + 1} ('{spot}'), column '{feature}'")
                bad, is_fraction = modality, problem.is_fraction
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
        NON_NEGATIVE if bad and declared.allows_fractions(bad) else RAW_COUNTS,
        _advice(measurement, bad, is_fraction),
    )


def _slots(measurement: Measurement, layer: str | None) -> dict[str, Loader]:
    """Where counts are looked for, in this order: in the layer that the user names, else wherever they usually are."""
    if layer is None:
        return measurement.slots
    known = {**measurement.layers, **measurement.slots}
    if "layers['counts']" in known:
        known["counts"] = known.pop("layers['counts']")
    if layer not in known:
        return measurement.slots
    return {slot_name(layer): known[layer]}


def slot_name(layer: str) -> str:
    """The slot of a layer that the user names."""
    return layer if layer in ("X", "raw") else f"layers['{layer}']"


def _advice(measurement: Measurement, modality: str, is_fraction: bool) -> str:
    """What can be done about values that are no counts."""
    export = "export the matrix as it was before normalisation"
    if not is_fraction:
        return export
    whole = [name for name in measurement.layers if _holds_whole_numbers(measurement, name)]
    if whole:
        return f"name the layer that holds the counts in the column layer: {' or '.join(whole)} (whole numbers)"
    return f"{export}, or, if they are intensities, say so in the column measured: {modality}:intensities"


def _holds_whole_numbers(measurement: Measurement, layer: str) -> bool:
    try:
        matrix, _features = _load(measurement, layer, measurement.layers[layer])
    except InputError:
        return False
    return bool(matrix.nnz) and find_problem(matrix, fractions=False) is None


def _load(measurement: Measurement, slot: str, load: Loader) -> tuple[sparse.csr_matrix, pd.DataFrame]:
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
