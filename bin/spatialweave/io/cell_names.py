"""Names of cells that are numbered inside each field of view, and the matching of a table's cells to a section's.

The files of CosMx give field and number. Here such a cell is called "12_345" (field, number); squidpy, spatialdata-io
and Seurat call it "345_12". Where many fields have many cells, most names in one order also exist in the other order,
but belong to other cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import table_cells, tables
from spatialweave.io.column_names import BARCODE_NAMES, plain_name
from spatialweave.io.measurement import plain_text
from spatialweave.io.notices import warn

FIELD, CELL = "fov", "cell_ID"
"""Columns (any case) of field and cell. Besides `cell_ID`, AtoMx writes `cell_id` with names such as "c_1_12_345"."""

FIELD_AND_CELL = "field and cell"
"""Name in messages for the two columns together."""

PAIR = r"^(\d+)_(\d+)$"
"""Pattern of names made of field and number, in either order."""


def has_fields(columns: Iterable[str]) -> bool:
    """Return whether a table of cells may name them by field and number."""
    return {FIELD, CELL.lower()} <= {str(name).lower() for name in columns}


def cell_names(path: Path, frame: pd.DataFrame) -> pd.Series:
    """Return names such as "12_345" (field, cell) if cells have numbers; other names are unique without the field.

    Numbers may be written as "012" or, by programs that had no number for some row, as "12.0".
    """
    texts = (frame[tables.find_column(path, frame, (name,))].astype(str).str.strip() for name in (FIELD, CELL))
    field, cell = (text.str.replace(r"^0*(\d+)(\.0)?$", r"\1", regex=True) for text in texts)
    return field + "_" + cell if cell.str.isdecimal().all() else cell


def key_columns(path: Path, table: pd.DataFrame) -> list[str]:
    """Return the columns that name the rows of a table: field and cell if it has both, else its barcodes."""
    # R reads the column without a name that it has written as X.
    barcode = BARCODE_NAMES if {"x", "y"} <= {str(name).lower() for name in table.columns} else (*BARCODE_NAMES, "x")
    names = [(FIELD,), (CELL,)] if has_fields(table.columns) else [barcode]
    return [str(tables.find_column(path, table, choices)) for choices in names]


def row_names(path: Path, table: pd.DataFrame) -> pd.Index:
    """Return the names of the rows of a table, from :func:`key_columns`; empty and repeated names are refused.

    Where field and cell repeat, as in a table of several slides, the barcodes are used if the table has any.
    """
    *fields, key = key_columns(path, table)
    if not fields:
        return table_cells.unique_barcodes(path, table, key)
    names = cell_names(path, table)
    barcode = tables.find_column(path, table.drop(columns=key), BARCODE_NAMES, required=False)
    if barcode is not None and not _are_names(names):
        return table_cells.unique_barcodes(path, table, barcode)
    return table_cells.unique_barcodes(path, table.assign(**{FIELD_AND_CELL: names}), FIELD_AND_CELL)


def matched_names(
    where: str, table: pd.DataFrame, spots: pd.Index, tables_of_spots: Iterable[pd.DataFrame]
) -> pd.Index:
    """Return names of the rows of `table` that match the cells of a section.

    Columns of barcodes of the section's own cells decide where its spots have running numbers, or other names than the
    table. Else candidates are its index, its index with field and number exchanged and, if it also has field and cell,
    each of its columns of barcodes. Columns of fields decide where both sides have one; else the names that match most
    cells.

    Parameters
    ----------
    where
        Name of the table in messages.
    table
        Under the names by :func:`row_names`.
    spots
        The names of the section.
    tables_of_spots
        Tables of spots from the files of the section, indexed by the names of the spots.

    Raises
    ------
    InputError
        If both orders match equally many cells and nothing shows which is right.
    """
    frames = list(tables_of_spots)
    by_column = _by_columns_of_section(where, table, spots, frames)
    if by_column is not None:
        return by_column
    names = table.index
    made = has_fields(table.columns)
    if not made and not re.match(PAIR, names[0]):
        return names
    exchanged = names.str.replace(PAIR, r"\2_\1", regex=True)
    field_first, section_field_first = _begin_with_field([table]), _begin_with_field(frames)
    if field_first is not None and section_field_first is not None:
        matched = names if field_first == section_field_first else exchanged
    else:
        candidates = [*(names for _name, names in _barcodes(table) if made), names, exchanged]
        matched = max(candidates, key=lambda candidate: int(candidate.isin(spots).sum()))
        # Two files that agree in names of their own mean the same cells; names made here may be in another order.
        if (made or section_field_first) and any(matched is order for order in (names, exchanged)):
            _check_order(where, names, exchanged, spots, in_table=bool(section_field_first))
    if matched is exchanged and not names.equals(exchanged):
        cell = int((names != exchanged).argmax())
        warn(
            where,
            "the names of cells have field of view and number in the opposite order to the section; they are "
            f"exchanged ('{names[cell]}' is '{exchanged[cell]}' there)",
        )
    return matched


def _by_columns_of_section(
    where: str, table: pd.DataFrame, spots: pd.Index, frames: Sequence[pd.DataFrame]
) -> pd.Index | None:
    """Return the names of the spots whose barcodes, in a column of the section's tables, are those of most rows.

    Numbers of one column are not those of another, so a column is compared with the column of its name, or with the
    names of the rows if these match it better than they match the spots. None if the names of the spots themselves are
    those of the rows, as they are if any matches, unless they are running numbers.
    """
    numbered = bool(len(spots)) and str(spots[0]).isdecimal() and bool(spots.astype(str).str.isdecimal().all())
    by_name = int(table.index.isin(spots).sum())
    if by_name and not numbered:
        return None
    own = {plain_name(name): names for name, names in _barcodes(table)}
    exchanged = table.index.str.replace(PAIR, r"\2_\1", regex=True)
    by_name = max(int(names.isin(spots).sum()) for names in (table.index, exchanged, *own.values()))
    if by_name and not numbered:
        return None
    least, best = min(len(table), len(spots)) / 2, None
    for frame in frames:
        index = frame.index.astype(str)
        for name, barcodes in _barcodes(frame):
            same = own.get(plain_name(name))
            for keys in [table.index] if same is None else [same, table.index]:
                found = int(keys.isin(barcodes).sum())
                if found > max(least, 0 if keys is same else by_name) and not barcodes.equals(index):
                    least, best = found, (name, barcodes, index, keys)
    if best is None:
        return None
    name, barcodes, index, keys = best
    column = f"the column '{name}' of the section's spots" if name else "the numbers of the section's rows"
    warn(where, f"its rows are matched by {column}, and not by their names")
    rows = barcodes.get_indexer(keys)
    # No spot has such a name, whatever numbers the others have.
    lost = [f"{name} {barcode}" for barcode in keys]
    return pd.Index(np.where(rows >= 0, index.to_numpy()[rows], lost), dtype=object)


def _check_order(where: str, names: pd.Index, exchanged: pd.Index, spots: pd.Index, in_table: bool) -> None:
    """Refuse names that match equally many, but different, cells in both orders of field and number.

    With `in_table`, the unknown order is that of the table, else that of the section.
    """
    as_they_are, turned = names.isin(spots), exchanged.isin(spots)
    differ = np.asarray(names != exchanged) & (as_they_are | turned)
    if as_they_are.sum() == turned.sum() and differ.any():
        cell = int(differ.argmax())
        lacking = "this table" if in_table else "the table of cells (obs) of the matrices"
        raise InputError(
            where,
            f"its cells can be those of the section with the field of view first or last ('{names[cell]}' or "
            f"'{exchanged[cell]}'): {as_they_are.sum()} of {len(names)} match either way",
            "names that match in one order",
            f"give the columns {FIELD} and {CELL} in {lacking}, too",
        )


def _begin_with_field(frames: Iterable[pd.DataFrame]) -> bool | None:
    """Return whether names of field and number begin with the field; None if the columns of fields do not show it."""
    orders = {order for order in map(_begins_with_field, frames) if order is not None}
    return orders.pop() if len(orders) == 1 else None


def _begins_with_field(frame: pd.DataFrame) -> bool | None:
    column = next((i for i, name in enumerate(frame.columns) if str(name).strip().lower() == FIELD), None)
    pairs = frame.index.astype(str).to_series().str.extract(PAIR)
    if column is None or pairs.isna().any(axis=None):
        return None
    field = pd.to_numeric(frame.iloc[:, column].astype(str), errors="coerce").to_numpy()
    first, last = (bool((pairs[i].to_numpy(dtype=float) == field).all()) for i in (0, 1))
    return first if first != last else None


def _barcodes(table: pd.DataFrame) -> Iterator[tuple[str, pd.Index]]:
    """Yield the name of, and the names in, each column of barcodes that names every row once."""
    for barcode in BARCODE_NAMES:
        for position, column in enumerate(table.columns):
            if str(column).strip().lower() == barcode:
                names = pd.Index([plain_text(value) for value in table.iloc[:, position].astype(object)], dtype=object)
                if _are_names(names):
                    yield str(column), names


def _are_names(names: pd.Series | pd.Index) -> bool:
    return bool(names.is_unique and (names != "").all())
