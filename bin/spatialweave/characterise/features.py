"""Values by which features are compared: the transformed values of each modality, feature by feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spatialweave.io.count_matrix import Counts, numbered, spots_per_feature, stored_blocks
from spatialweave.modalities import MODALITIES, MODALITY_KINDS
from spatialweave.preprocess.adt import clr
from spatialweave.results.values import ARCSINH, GIVEN, LOG_COUNTS, Change, carried_out, change_to, unit_of

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd

Back = Callable[[np.ndarray], np.ndarray]
"""Inverse of a transformation, up to a factor per feature."""

CENTRED = "log(1 + count over the mean of the protein)"
"""Unit of proteins."""

BACK: dict[str, Back | None] = {LOG_COUNTS: np.expm1, ARCSINH: np.sinh, GIVEN: None}
"""Inverse of the transformation for each unit; None: values that the user gave may be logarithms or not."""


@dataclass(frozen=True)
class FeatureValues:
    """Transformed values of one modality over all spots of a dataset.

    Attributes
    ----------
    values
        float32 CSC, spots x features, 0 or more; empty rows where not measured.
    present
        bool, one per spot: whether the modality was measured.
    back
        Inverse of the transformation, up to a factor per feature; None if it is unknown.
    unit
        Description of the values.
    """

    modality: str
    names: list[str]
    values: sparse.csc_matrix
    present: np.ndarray
    back: Back | None
    unit: str = LOG_COUNTS


def feature_values(data: mudata.MuData, counts: Mapping[str, Counts], obs: pd.DataFrame) -> list[FeatureValues]:
    """Return the values of every modality for the spots of `obs` (by its index).

    Parameters
    ----------
    data, counts
        Spots and features of the modalities, and their raw counts.
    """
    return [_values(name, data.mod[name], counts[name], obs.index) for name in MODALITIES if name in data.mod]


def transformed(
    modality: str, counts: sparse.csr_matrix, uns: Mapping[str, Any]
) -> tuple[sparse.csr_matrix, Back | None]:
    """Return the values of measured spots, and the inverse of the transformation (:func:`transformation`)."""
    change, back, _ = transformation(modality, counts, uns)
    return change(counts), back


def transformation(modality: str, counts: Counts, uns: Mapping[str, Any]) -> tuple[Change, Back | None, str]:
    """Return the transformation of the measurements of spots to values (float32 CSR), its inverse, and their unit.

    The values are those that the report shows, except for proteins. These are scaled not to one total but to each
    protein's mean (the centred log-ratio of preprocessing), because in a panel of some tens a few that rise would lower
    all others.
    """
    unit = unit_of(modality, counts, uns)
    if unit == LOG_COUNTS and MODALITY_KINDS[modality].preparation == "adt":
        return partial(carried_out, clr(counts, "protein")), np.expm1, CENTRED
    return change_to(unit, counts), BACK[unit], unit


def _values(modality: str, part: anndata.AnnData, counts: Counts, spots: pd.Index) -> FeatureValues:
    change, back, unit = transformation(modality, counts, part.uns)
    rows = spots.get_indexer(part.obs_names)
    present = np.zeros(len(spots), dtype=bool)
    present[rows] = True
    values = _by_feature(counts, change, rows, len(spots))
    return FeatureValues(modality, [str(name) for name in part.var_names], values, present, back, unit)


def _by_feature(counts: Counts, change: Change, rows: np.ndarray, n_spots: int) -> sparse.csc_matrix:
    """Return the transformed counts feature by feature, at the rows of the dataset's spots, built block by block.

    Transforming the whole matrix would need memory for a second one.
    """
    detected = spots_per_feature(counts)
    bounds = np.concatenate([[0], np.cumsum(detected)])
    kind = np.int32 if max(bounds[-1], n_spots) <= np.iinfo(np.int32).max else np.int64
    data, indices = np.empty(bounds[-1], dtype=np.float32), np.empty(bounds[-1], dtype=kind)
    filled = bounds[:-1].copy()
    for start, block in numbered(stored_blocks(counts)):
        columns = change(block).tocsc()
        lengths = np.diff(columns.indptr)
        # Position of each entry: after those of its feature in earlier blocks.
        positions = np.arange(columns.nnz) + np.repeat(filled - columns.indptr[:-1], lengths)
        data[positions] = columns.data
        indices[positions] = rows[start + columns.indices]
        filled += lengths
    return sparse.csc_matrix((data, indices, bounds.astype(kind)), shape=(n_spots, counts.shape[1]))
