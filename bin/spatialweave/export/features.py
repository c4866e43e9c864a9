"""Names and identifiers of features, as the formats write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def feature_ids(var: pd.DataFrame) -> np.ndarray:
    """Stable identifiers of features, as text: their names where the input has no others."""
    return var.get("gene_ids", var.index).astype(str).to_numpy(dtype=object)
