"""Find the raw counts of a measurement and check them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.column_names import SYMBOL_COLUMNS
from spatialweave.io.count_matrix import Counts, FilteredCounts, Survey, survey
from spatialweave.io.declared import Declared
from spatialweave.io.feature_groups import feature_groups
from spatialweave.io.genomes import genomes_of, named_without_genome
from spatialweave.io.measurement import Loader, Measurement, plain_frame, plain_names, reading
from spatialweave.io.notices import warn
from spatialweave.io.stored_counts import as_counts

RAW_COUNTS, NON_NEGATIVE = "raw counts: whole numbers of 0 or more", "intensities of 0 or more"

FEATURE_NAMES = (*SYMBOL_COLUMNS, "features", "gene", "genes", "name", "gene_ids", "gene_id")
"""Columns of var with names of features, in the order in which they replace numbers."""

IN_OBSM = "obsm/"
"""What the user writes before the key of a table in obsm that holds the counts of a modality."""

PART_OF_COUNTS = re.compile(r"counts\..+")
"""Names of layers in which version 5 of Seurat keeps the counts of one of several samples each."""

DATE = re.compile(r"\d{1,2}[-. ]{1,2}(?:mar|mrz|sept?|o[ck]t|de[cz])\.?|\d{4}-\d\d-\d\d.*", re.IGNORECASE)
"""Names of genes (MARCH1, SEPT9, OCT4, DEC1) that a spreadsheet has read as dates."""


@dataclass
class FoundCounts:
    """Counts of one modality (spots x features), its features under unique names, and their `slot` in the file."""

    counts: Counts
    features: pd.DataFrame
    slot: str


def find_counts(measurement: Measurement, wanted: str | None, declared: Declared) -> dict[str, FoundCounts]:
    """Return the raw counts of each modality of a measurement, from the first slot in which all values are raw counts.

    If the user names a layer, only this slot is used. Intensities may be fractions.

    Values are checked once the modality of each column is known: columns that are not used may hold anything.

    Parameters
    ----------
    wanted
        The only modality to return; None: all that the file names.

    Raises
    ------
    InputError
        When no slot holds raw counts: names the first bad value of the last slot, and the slots searched.
    """
    where = measurement.where
    tried: list[str] = []
    complaint, bad, is_fraction = ("there is no matrix", where), "", False
    for slot, load in _slots(measurement, declared.layer(wanted or measurement.modality)).items():
        counts, features, values = _load(measurement, slot, load)
        if not values.detected.any():
            empty = f"{slot} is empty ({counts.shape[0]} spots x {counts.shape[1]} features, 0 counts)"
            tried.append(empty)
            complaint, bad = (empty, where), ""
            continue
        groups = feature_groups(measurement, features, wanted, declared.genome)
        problems = (
            (modality, values.problem(declared.allows_fractions(modality), columns))
            for modality, columns in groups.columns.items()
        )
        modality, problem = next((pair for pair in problems if pair[1] is not None), ("", None))
        if problem is not None:
            spot, feature = measurement.obs.index[problem.row], features.index[problem.column]
            complaint = (problem.text, f"{where}, {slot}, row {problem.row + 1} ('{spot}'), column '{feature}'")
            bad, is_fraction = modality, problem.is_fraction
            tried.append(f"{slot}: {problem.text}")
            continue
        if tried:
            warn(where, f"raw counts taken from {slot}, since {'; '.join(tried)}")
        for left_out in groups.left_out:
            warn(where, left_out)
        found = {}
        for modality, columns in groups.columns.items():
            if not len(columns):
                raise InputError(where, f"has no feature of {modality}: {'; '.join(groups.left_out)}")
            if not values.detected[columns].any():
                raise InputError(where, f"its {modality} matrix holds no counts", "counts above 0")
            own = features.iloc[columns]
            if declared.genome and (genomes_of(own) == declared.genome).any():
                own = named_without_genome(own, declared.genome)
            found[modality] = FoundCounts(_of_features(counts, columns), named_features(own, where), slot)
        return found
    looked = [f"{name}: absent" for name in measurement.absent] + tried[:-1]
    raise InputError(
        complaint[1],
        complaint[0] + (f" (also looked in {'; '.join(looked)})" if looked else ""),
        NON_NEGATIVE if bad and declared.allows_fractions(bad) else RAW_COUNTS,
        _advice(measurement, bad, is_fraction),
    )


def _slots(measurement: Measurement, layer: str | None) -> dict[str, Loader]:
    """Return the slots to search for counts, in order: the layer that the user names, else the usual slots."""
    if layer is None:
        return measurement.slots
    frames = {IN_OBSM + key: load for key, load in measurement.frames.items()}
    named = {**measurement.layers, **frames, **measurement.slots}
    if "layers['counts']" in named:
        named["counts"] = named.pop("layers['counts']")
    if layer not in named:
        return measurement.slots
    return {slot_name(layer): named[layer]}


def slot_name(layer: str) -> str:
    """Return the slot of a layer that the user names."""
    if layer.startswith(IN_OBSM):
        return f"obsm['{layer.removeprefix(IN_OBSM)}']"
    return layer if layer in ("X", "raw") else f"layers['{layer}']"


def _advice(measurement: Measurement, modality: str, is_fraction: bool) -> str:
    """Return the fix for values of a modality that are not counts, or ("") for a file without any value."""
    whole = [name for name in measurement.layers if _holds_whole_numbers(measurement, name)]
    split = [name for name in whole if PART_OF_COUNTS.fullmatch(name)]
    if len(split) > 1:
        return f"join the layers {', '.join(split)}, which hold the counts of some spots each (JoinLayers of Seurat)"
    if whole:
        return f"name the layer that holds the counts in the column layer: {' or '.join(whole)} (whole numbers)"
    if not modality:
        return "give a file that holds the counts"
    export = "export the matrix as it was before normalisation"
    if not is_fraction:
        return export
    return f"{export}, or, if they are intensities, say so in the column measured: {modality}:intensities"


def _holds_whole_numbers(measurement: Measurement, layer: str) -> bool:
    try:
        _counts, _features, found = _load(measurement, layer, measurement.layers[layer])
    except InputError:
        return False
    return bool(found.detected.any()) and found.problem(fractions=False) is None


def _load(measurement: Measurement, slot: str, load: Loader) -> tuple[Counts, pd.DataFrame, Survey]:
    """Return the matrix of a slot on the measurement's spots, the table of its features, and a survey of its values."""
    guard = partial(reading, measurement.where, f"matrix in {slot}")
    with guard():
        matrix, features = load()
        counts = as_counts(matrix, guard)
        if len(features) != counts.shape[1]:
            raise ValueError(f"{len(features)} feature names for {counts.shape[1]} columns")
        if measurement.rows is None and len(measurement.obs) != counts.shape[0]:
            raise ValueError(f"{len(measurement.obs)} barcodes for {counts.shape[0]} rows")
        counts = _of_spots(counts, measurement.rows)
        return counts, features, survey(counts)


def _of_spots(counts: Counts, rows: np.ndarray | None) -> Counts:
    """Return the counts of some spots (positions, ascending; None: of all)."""
    if isinstance(counts, sparse.csr_matrix):
        return counts if rows is None else counts[rows]
    n_spots, n_features = counts.shape
    spots = np.full(n_spots, rows is None)
    if rows is not None:
        spots[rows] = True
    return FilteredCounts(counts, spots, np.ones(n_features, dtype=bool))


def _of_features(counts: Counts, columns: np.ndarray) -> Counts:
    """Return the counts of some features (positions, ascending)."""
    n_spots, n_features = counts.shape
    if len(columns) == n_features:
        return counts
    if isinstance(counts, sparse.csr_matrix):
        return counts[:, columns]
    return FilteredCounts(counts, np.ones(n_spots, dtype=bool), np.isin(np.arange(n_features), columns))


def named_features(features: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the table of features under unique plain names; repeated names get a number, with a warning.

    Names that only count the features are replaced by a column of names, if the table has one.
    """
    from anndata.utils import make_index_unique

    names = plain_names(features.index, where, "feature")
    column = next((name for name in FEATURE_NAMES if name in features.columns), None)
    if column and len(names) > 1 and any(names.equals(_running(first, len(names))) for first in (0, 1)):
        warn(where, f"its features are named by the column '{column}', and not by the numbers 0, 1, 2 ...")
        names = plain_names(features[column], where, "feature")
    dates = names[names.str.fullmatch(DATE)]
    if len(dates):
        warn(
            where,
            f"{len(dates)} names of features are dates (first: '{dates[0]}'), as spreadsheets make of names of genes "
            "such as SEPT9 and MARCH1; give a table that no spreadsheet has saved",
        )
    repeated = names[names.duplicated()]
    if len(repeated):
        warn(where, f"{len(repeated)} repeated feature names (first: '{repeated[0]}') were made unique by a number")
        names = pd.Index(make_index_unique(names), dtype=object)
    return plain_frame(features, names)


def _running(first: int, n_names: int) -> pd.Index:
    return pd.Index([str(number) for number in range(first, first + n_names)], dtype=object)
