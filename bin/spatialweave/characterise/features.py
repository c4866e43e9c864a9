"""The values that features are compared by: those of each modality transformed, feature by feature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from spatialweave.io.contract import is_intensities
from spatialweave.modalities import MODALITIES, MODALITY_KINDS
from spatialweave.preprocess.adt import clr
from spatialweave.preprocess.frozen import carry_out
from spatialweave.preprocess.preparations import OF_INTENSITIES, preparation_of
from spatialweave.report.features import ARCSINH, LOG_COUNTS, arcsinh_scaled, log_normalise

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd

CENTRED = "log(1 + count over the mean of the protein)"
"""Unit of proteins."""


@dataclass(frozen=True)
class FeatureValues:
    """Transformed values of one modality over all spots of a dataset.

    Attributes
    ----------
    values
        float32 CSC, spots x features, 0 or more; empty rows where not measured.
    present
        bool, one per spot: where the modality was measured.
    back
        Undoes the transformation, up to a factor of the feature.
    unit
        What the values are, in words.
    """

    modality: str
    names: list[str]
    values: sparse.csc_matrix
    present: np.ndarray
    back: Callable[[np.ndarray], np.ndarray]
    unit: str = LOG_COUNTS


def feature_values(data: mudata.MuData, obs: pd.DataFrame) -> list[FeatureValues]:
    """Those of every modality of joined counts, for the spots of `obs` (by its index)."""
    return [_values(name, data.mod[name], obs.index) for name in MODALITIES if name in data.mod]


def transformed(
    modality: str, counts: sparse.csr_matrix, intensities: bool
) -> tuple[sparse.csr_matrix, Callable[[np.ndarray], np.ndarray]]:
    """The values of measured spots, and what undoes the transformation.

    Counts are scaled to the median total of the spots, then log(1 + x), as in scanpy; intensities are arcsinh of units
    of each feature's median. Proteins are not scaled to one total but to each one's mean (the centred log-ratio of
    preprocessing): in a panel of some tens a few that rise would lower all others.
    """
    if preparation_of(modality, intensities) == OF_INTENSITIES:
        return arcsinh_scaled(counts), np.sinh
    if MODALITY_KINDS[modality].preparation == "adt":
        values = sparse.csr_matrix(counts, dtype=np.float32, copy=True)
        carry_out(clr(values, "protein"), values)
        return values, np.expm1
    return log_normalise(counts), np.expm1


def _values(modality: str, part: anndata.AnnData, spots: pd.Index) -> FeatureValues:
    intensities = is_intensities(modality, part.uns)
    values, back = transformed(modality, sparse.csr_matrix(part.X), intensities)
    unit = ARCSINH if back is np.sinh else CENTRED if MODALITY_KINDS[modality].preparation == "adt" else LOG_COUNTS
    rows = spots.get_indexer(part.obs_names)
    present = np.zeros(len(spots), dtype=bool)
    present[rows] = True
    columns = values.tocsc()
    # The same values at the rows of the dataset's spots.
    placed = sparse.csc_matrix((columns.data, rows[columns.indices], columns.indptr), shape=(len(spots), part.n_vars))
    return FeatureValues(modality, [str(name) for name in part.var_names], placed, present, back, unit)
