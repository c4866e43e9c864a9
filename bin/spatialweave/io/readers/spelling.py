"""Barcodes that two files spell with and without the number of the well behind them ("-1")."""

from __future__ import annotations

import numpy as np
import pandas as pd


class Spelling:
    """Finds barcodes among those known: as they are or, where none is found so, without the number behind them."""

    def __init__(self, known: pd.Index) -> None:
        self.known = known
        plain = without_number(known)
        self._plain = plain if plain.is_unique else None
        self.changed: bool | None = None
        """Whether the number is left out; None while nothing has been found."""

    def rows(self, names: pd.Index) -> np.ndarray:
        """Positions among the barcodes known, -1 = none."""
        rows = self.known.get_indexer(names) if self.changed is not True else np.full(len(names), -1)
        if self.changed is None and (rows >= 0).any():
            self.changed = False
        if self.changed is False or self._plain is None:
            return rows
        rows = self._plain.get_indexer(without_number(names))
        if (rows >= 0).any():
            self.changed = True
        return rows


def without_number(names: pd.Index) -> pd.Index:
    """Barcodes without the number of the well."""
    return pd.Index(names.astype(str).str.replace(r"-\d+$", "", regex=True), dtype=object)
