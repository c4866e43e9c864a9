"""Names and identifiers of features, as the formats write them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def feature_ids(var: pd.DataFrame) -> np.ndarray:
    """Return stable identifiers of features, as text: the name of each that the input gives no other."""
    names = var.index.astype(str).to_numpy(dtype=object)
    if "gene_ids" not in var:
        return names
    given = var["gene_ids"].astype(object)
    texts = given.astype(str)
    return np.where(given.isna() | (texts.str.strip() == ""), names, texts.to_numpy(dtype=object))


def free_names(names: Iterable[str], taken: Collection[str], prefix: str) -> list[str]:
    """Return `names`, those that are taken behind as many times `prefix` as make them unique."""
    names = list(names)
    seen, used = set(taken), {*taken, *names}
    result = []
    for name in names:
        free = name
        if name in seen:
            while free in used:
                free = prefix + free
        seen.add(name)
        used.add(free)
        result.append(free)
    return result
