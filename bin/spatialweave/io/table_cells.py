"""Cells of tables as numbers and barcodes, and what is wrong with those that are neither."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.measurement import plain_text
from spatialweave.io.tables import place, read_header, rows

THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
"""A number with separators of thousands; with a single comma it may also be one with decimals."""

MISSING = ("", "na", "n/a", "null", "none")
"""Texts (any case) that other programs write for a missing value."""


def to_number(cell: str) -> float | None:
    """Return the nearest float64 (pandas' own parser may be off by the last bit), or None if it is not a number."""
    try:
        # Python accepts underscores between digits; no other program writes them.
        return float(cell.replace("_", "?"))
    except ValueError:
        return None


def numbers(path: Path, table: pd.DataFrame, column: str) -> np.ndarray:
    """Return a column as float64; text, empty cells and non-finite values are refused with their location."""
    cells = table[column]
    as_stored = cells.dtype.kind in "iuf"
    values = (
        cells.to_numpy(np.float64)
        if as_stored
        else np.fromiter((np.nan if (number := to_number(cell)) is None else number for cell in cells), np.float64)
    )
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        cell = table[column].iloc[bad[0]]
        raise InputError(
            f"{path}, {place(table, bad[0])}, column '{column}'",
            f"'{cell}' is not a finite number",
            "a number",
            _comma_fix(str(cell)),
        )
    return values


def unique_barcodes(path: Path, table: pd.DataFrame, column: str) -> pd.Index:
    """Return the barcodes of a table; empty or repeated barcodes are refused with their location."""
    names = pd.Index([plain_text(value) for value in table[column].astype(object)], dtype=object)
    empty = np.flatnonzero(names == "")
    if len(empty):
        raise InputError(f"{path}, {place(table, empty[0])}, column '{column}'", "is empty", "a barcode")
    twice = np.flatnonzero(names.duplicated())
    if len(twice):
        raise InputError(
            f"{path}, {place(table, twice[0])}, column '{column}'",
            f"barcode '{names[twice[0]]}' appears a second time",
            "each barcode once",
        )
    return names


MOST_NAMED = 6
"""Columns that a message names."""


def listed(names: Sequence[str]) -> str:
    """Return names for a message: the first :data:`MOST_NAMED`, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(f"'{name}'" for name in names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


NO_FEATURE = "leave out the column if it is no feature"


def _number_fix(cell: str) -> str:
    """Return how to correct the cell of a matrix that is not a number."""
    if cell.strip().lower() in MISSING:
        return "write 0 where nothing was counted"
    return _comma_fix(cell) or NO_FEATURE


def _comma_fix(cell: str) -> str:
    """Return how to correct a number with commas; "" for anything else."""
    cell = cell.strip()
    if THOUSANDS.fullmatch(cell):
        plain = cell.replace(",", "")
        return f"remove the thousands separators ({plain})" + (
            f", or write a point before decimals ({cell.replace(',', '.')})"
            if cell.count(",") == 1 and "." not in cell
            else ""
        )
    is_decimal = "," in cell and to_number(cell.replace(",", ".")) is not None
    return "write a point before decimals" if is_decimal else ""


def _text_columns(header: Sequence[str], cells: Sequence[str], skipped: Collection[int]) -> list[str]:
    """Return the columns of a row that hold text, for a message that names all of them."""
    return [
        name
        for position, (name, cell) in enumerate(zip(header, cells, strict=True))
        if position not in skipped and to_number(cell) is None and _number_fix(cell) == NO_FEATURE
    ]


def first_bad_cell(path: Path, skipped: Collection[int]) -> InputError:
    """Return the error for the first cell of a matrix that is not a finite number.

    Columns at the positions `skipped`, such as that of the barcodes, may hold anything.
    """
    header = read_header(path)
    for number, cells in rows(path):
        for position, (name, cell) in enumerate(zip(header, cells, strict=True)):
            if position in skipped:
                continue
            where = f"{path}, line {number}, column '{name}'"
            value = to_number(cell)
            if value is None:
                found, fix = f"'{cell}' is not a number" if cell.strip() else "the cell is empty", _number_fix(cell)
                text = _text_columns(header, cells, skipped) if fix == NO_FEATURE else []
                if len(text) > 1:
                    fix = f"leave out the columns of text that are no features ({listed(text)})"
                return InputError(where, found, "a number", fix)
            if not math.isfinite(value):
                return InputError(where, f"value {cell} is not finite", "a number of 0 or more")
    return InputError(str(path), "cannot be read as a matrix of numbers", "barcodes, then one column per feature")
