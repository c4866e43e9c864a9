"""Quality metrics of every spot of a modality."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.io.count_matrix import spot_totals
from spatialweave.modalities import MODALITY_KINDS, SpotMetric, plain_name

if TYPE_CHECKING:
    import anndata

COMMON = (SpotMetric("total", "counts", log_scale=True), SpotMetric("n_features", "detected features"))
"""The metrics of every modality."""

_ALL = [*COMMON, *(metric for kind in MODALITY_KINDS.values() for metric in kind.metrics)]
SPOT_METRICS = {metric.name: metric for metric in _ALL}
"""All metrics by name, in the order of the columns of the table."""

SYMBOL_COLUMNS = ("gene_symbol", "gene_symbols", "gene_name", "gene_names", "symbol", "feature_name", "SYMBOL")


def spot_metrics(modality: str, data: anndata.AnnData) -> pd.DataFrame:
    """One row per spot, the columns of :data:`SPOT_METRICS`; NaN where a metric does not apply or cannot be known.

    Percentages are of the spot's total: 0 for a spot without counts, and NaN when no feature's name (or gene symbol,
    where var has one) fits the pattern.

    Parameters
    ----------
    data
        Raw counts in X: CSR without stored zeros.
    """
    counts: sparse.csr_matrix = data.X
    table = pd.DataFrame(np.nan, index=data.obs_names, columns=list(SPOT_METRICS))
    total = spot_totals(counts, np.ones(counts.shape[1], dtype=bool))
    table["total"] = total
    table["n_features"] = np.diff(counts.indptr)
    names = feature_symbols(data.var)
    for metric in MODALITY_KINDS[modality].metrics:
        if metric.features:
            fits = names.str.contains(metric.features, flags=re.IGNORECASE, regex=True).to_numpy()
            if fits.any():
                table[metric.name] = 100 * spot_totals(counts, fits) / np.where(total > 0, total, 1)
        else:
            column = _input_column(data.obs, metric.columns)
            if column is not None:
                table[metric.name] = column
    return table


def feature_symbols(var: pd.DataFrame) -> pd.Series:
    """Gene symbols of the features where a column of var holds them, else their names."""
    for column in SYMBOL_COLUMNS:
        if column in var:
            return var[column].astype(str)
    return var.index.to_series().astype(str)


def _input_column(obs: pd.DataFrame, known: tuple[str, ...]) -> np.ndarray | None:
    """The first numeric obs column under one of the `known` names."""
    for column in obs:
        if plain_name(column) in known and pd.api.types.is_numeric_dtype(obs[column]):
            return obs[column].to_numpy(dtype=np.float64)
    return None
