"""Composition of each domain: the known labels and the user's own columns of its spots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from spatialweave.characterise.rounding import short


def composition(columns: Mapping[str, np.ndarray], codes: np.ndarray, n_domains: int) -> Iterator[dict[str, Any]]:
    """Yield the classes of every domain in each column, as fractions of the domain's spots that have a class.

    Parameters
    ----------
    columns
        Name of a column -> class of every spot as text; "" = none.
    codes
        Domain of every spot, from 0.
    """
    for column, values in columns.items():
        names, classes = np.unique(values.astype(str), return_inverse=True)
        known = names != ""
        table = np.zeros((n_domains, len(names)), dtype=np.int64)
        np.add.at(table, (codes, classes.ravel()), 1)
        table[:, ~known] = 0
        totals = table.sum(axis=1)
        for domain, number in zip(*np.nonzero(table), strict=True):
            spots = int(table[domain, number])
            yield {
                "domain": int(domain) + 1,
                "column": column,
                "class": str(names[number]),
                "spots": spots,
                "fraction": short(spots / int(totals[domain])),
            }
