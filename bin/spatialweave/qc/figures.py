"""Quality figures of every spot of a modality."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.preprocess.matrices import spot_totals

if TYPE_CHECKING:
    import anndata

FIGURES = (
    "total",
    "n_features",
    "mito_percent",
    "ribo_percent",
    "isotype_percent",
    "tss_enrichment",
    "n_fragments",
)
"""Columns of the spot figures, in the order of the table."""

SHARES = {
    # Ribosomal proteins only: RPS6KA1 and its kin are kinases.
    "rna": {"mito_percent": r"^mt-", "ribo_percent": r"^rp[sl](?!6k)"},
    # "IgG Fc" is a real target, the other IgG names are isotype controls.
    "adt": {"isotype_percent": r"isotype|(?<![a-z])(?:control|ctrl)(?![a-z])|(?<![a-z])igg(?![-_. ]?fc)"},
}
"""Per modality: the figure, and the pattern (any case) of the names of the features whose share of the counts it is."""

CARRIED = {
    "tss_enrichment": ("tssenrichment", "tssscore"),
    "n_fragments": ("nfragments", "nfrags", "fragments", "passedfilters", "uniquefragments", "atacfragments"),
}
"""Figures that only the input can know, and the names (letters and digits, lower case) of the obs columns with them."""

SYMBOL_COLUMNS = ("gene_symbol", "gene_symbols", "gene_name", "gene_names", "symbol", "feature_name", "SYMBOL")


def spot_figures(modality: str, data: anndata.AnnData) -> pd.DataFrame:
    """One row per spot, the columns of :data:`FIGURES`; NaN where a figure does not apply or cannot be known.

    Shares are in percent of the spot's total, 0 for a spot without counts, and NaN when no feature's name (or gene
    symbol, where var has one) fits the pattern.

    Parameters
    ----------
    data
        Raw counts in X: CSR without stored zeros.
    """
    counts: sparse.csr_matrix = data.X
    table = pd.DataFrame(np.nan, index=data.obs_names, columns=list(FIGURES))
    total = spot_totals(counts, np.ones(counts.shape[1], dtype=bool))
    table["total"] = total
    table["n_features"] = np.diff(counts.indptr)
    names = feature_symbols(data.var)
    for figure, pattern in SHARES.get(modality, {}).items():
        fits = names.str.contains(pattern, flags=re.IGNORECASE, regex=True).to_numpy()
        if fits.any():
            table[figure] = 100 * spot_totals(counts, fits) / np.where(total > 0, total, 1)
    if modality in ("atac", "histone"):
        for figure, known in CARRIED.items():
            column = _carried_column(data.obs, known)
            if column is not None:
                table[figure] = column
    return table


def feature_symbols(var: pd.DataFrame) -> pd.Series:
    """Gene symbols of the features where a column of var holds them, else their names."""
    for column in SYMBOL_COLUMNS:
        if column in var:
            return var[column].astype(str)
    return var.index.to_series().astype(str)


def _carried_column(obs: pd.DataFrame, known: tuple[str, ...]) -> np.ndarray | None:
    """The first numeric obs column under one of the `known` names."""
    for column in obs:
        if re.sub(r"[^a-z0-9]", "", str(column).lower()) in known and pd.api.types.is_numeric_dtype(obs[column]):
            return obs[column].to_numpy(dtype=np.float64)
    return None
