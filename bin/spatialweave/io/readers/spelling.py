"""Barcodes that end with the number of the well ("-1") in one file and not in another."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spatialweave.errors import InputError


class Spelling:
    """Search for barcodes among `known`: unchanged or, if none is found, without the number at their end.

    `where` is the file of the barcodes searched for, for messages.
    """

    def __init__(self, known: pd.Index, where: str) -> None:
        self.known, self._where = known, where
        plain = without_number(known)
        self._plain = plain if plain.is_unique else None
        self.changed: bool | None = None
        """Whether the number is left out; None until a barcode has been found."""
        self._found_as = np.full(len(known), "", dtype=object)

    def rows(self, names: pd.Index) -> np.ndarray:
        """Return positions among `known`, -1 = none; barcodes of two wells that would be the same spot are refused."""
        rows = self.known.get_indexer(names) if self.changed is not True else np.full(len(names), -1)
        if self.changed is None and (rows >= 0).any():
            self.changed = False
        if self.changed is False or self._plain is None:
            return rows
        rows = self._plain.get_indexer(without_number(names))
        if (rows >= 0).any():
            self.changed = True
        self._check_one_well(names[rows >= 0].astype(str), rows[rows >= 0])
        return rows

    def _check_one_well(self, names: pd.Index, rows: np.ndarray) -> None:
        """Refuse a spot found by two barcodes in this or earlier calls: without numbers, sections would be mixed."""
        empty = self._found_as[rows] == ""
        # The first of several names is kept.
        self._found_as[rows[empty][::-1]] = names[empty][::-1]
        other = np.flatnonzero(self._found_as[rows] != names)
        if len(other):
            raise InputError(
                self._where,
                f"holds the barcodes '{self._found_as[rows[other[0]]]}' and '{names[other[0]]}', but only "
                f"'{self.known[rows[other[0]]]}' has coordinates that match both",
                "the barcodes of one section",
                "give the files of each section in a row of its own",
            )


def without_number(names: pd.Index) -> pd.Index:
    """Return barcodes without the number of the well."""
    return pd.Index(names.astype(str).str.replace(r"-\d+$", "", regex=True), dtype=object)
