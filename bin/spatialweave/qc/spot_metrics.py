"""Quality metrics of every spot of a modality."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.io.column_names import SYMBOL_COLUMNS
from spatialweave.io.count_matrix import Counts, spot_blocks
from spatialweave.modalities import MODALITY_KINDS, SpotMetric, compact_name

if TYPE_CHECKING:
    import anndata

COMMON = (SpotMetric("total", "counts", log_scale=True), SpotMetric("n_features", "detected features"))
"""Metrics of every modality."""

_ALL = [*COMMON, *(metric for kind in MODALITY_KINDS.values() for metric in kind.metrics)]
SPOT_METRICS = {metric.name: metric for metric in _ALL}
"""All metrics by name, in the order of the columns of the table."""


def spot_metrics(modality: str, data: anndata.AnnData, counts: Counts) -> pd.DataFrame:
    """Compute one row per spot with the columns of :data:`SPOT_METRICS`; NaN if a metric does not apply or is unknown.

    Percentages refer to the spot's total: 0 for a spot without counts, and NaN if no feature's name (or gene symbol, if
    var has one) matches the pattern.

    Parameters
    ----------
    data
        Spots and features of the modality.
    counts
        Raw counts without stored zeros.
    """
    table = pd.DataFrame(np.nan, index=data.obs_names, columns=list(SPOT_METRICS))
    names = feature_symbols(data.var)
    groups: dict[str, np.ndarray] = {}
    for metric in MODALITY_KINDS[modality].metrics:
        if metric.features:
            fits = names.str.contains(metric.features, flags=re.IGNORECASE, regex=True).to_numpy()
            if fits.any():
                groups[metric.name] = fits
        else:
            column = _input_column(data.obs, metric.columns)
            if column is not None:
                table[metric.name] = column
    totals, table["n_features"] = _in_one_pass(counts, list(groups.values()))
    table["total"] = total = totals[0]
    for name, own in zip(groups, totals[1:], strict=True):
        table[name] = 100 * own / np.where(total > 0, total, 1)
    return table


def _in_one_pass(counts: Counts, groups: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return, per spot, the totals of all features and of each group (boolean masks), and the detected features."""
    weights = [np.ones(counts.shape[1]), *(group.astype(np.float64) for group in groups)]
    totals = [np.empty(counts.shape[0]) for _ in weights]
    n_features = np.empty(counts.shape[0], dtype=np.int64)
    start = 0
    for block in spot_blocks(counts):
        rows = slice(start, start + block.shape[0])
        n_features[rows] = np.diff(block.indptr)
        for total, weight in zip(totals, weights, strict=True):
            total[rows] = block @ weight
        start = rows.stop
    return totals, n_features


def feature_symbols(var: pd.DataFrame) -> pd.Series:
    """Return the gene symbols of the features if a column of var has them, otherwise (or if one is missing) names."""
    names = var.index.to_series().astype(str)
    for column in SYMBOL_COLUMNS:
        if column in var:
            symbols = var[column].astype(object)
            return symbols.where(symbols.notna() & (symbols != ""), names).astype(str)
    return names


def _input_column(obs: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray | None:
    """Return the first numeric obs column with one of the `names`."""
    for column in obs:
        if compact_name(column) in names and pd.api.types.is_numeric_dtype(obs[column]):
            return obs[column].to_numpy(dtype=np.float64)
    return None
