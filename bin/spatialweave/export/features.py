"""Names and identifiers of features, as the formats write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def feature_ids(var: pd.DataFrame) -> np.ndarray:
    """Stable identifiers of features, as text: their names where the input has no others."""
    names = var.index.astype(str)
    return names.to_numpy(dtype=object) if "gene_ids" not in var else var["gene_ids"].astype(str).to_numpy(dtype=object)
