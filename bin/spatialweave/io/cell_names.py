"""Names of cells that a machine numbers inside each field of view, and the matching of a table's cells to a section's.

The files of CosMx give field and number. Here such a cell is called "12_345" (field, number).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from spatialweave.io import tables
from spatialweave.io.column_names import BARCODE_NAMES
from spatialweave.io.measurement import plain_text

FIELD, CELL = "fov", "cell_ID"
"""The columns (any case) of field and cell. Beside `cell_ID` AtoMx writes `cell_id`, names such as "c_1_12_345"."""

FIELD_AND_CELL = "field and cell"
"""What their names are called in messages, as one column."""


def has_fields(columns: Iterable[str]) -> bool:
    """Whether a table of cells may name them by field and number."""
    return {FIELD, CELL.lower()} <= {str(name).lower() for name in columns}


def cell_names(path: Path, frame: pd.DataFrame) -> pd.Series:
    """Names made of field and cell, as "12_345", where cells have numbers; other names are unique without the field."""
    field, cell = (frame[tables.find_column(path, frame, (name,))].astype(str).str.strip() for name in (FIELD, CELL))
    return field + "_" + cell if cell.str.isdecimal().all() else cell


def row_names(path: Path, table: pd.DataFrame) -> pd.Index:
    """The names of the rows of a table, empty and repeated ones refused: by field and cell, else its barcodes.

    Where field and cell repeat, as in a table of several slides, its barcodes are the names, if it has such.
    """
    if not has_fields(table.columns):
        return tables.unique_barcodes(path, table, str(tables.find_column(path, table, BARCODE_NAMES)))
    names = cell_names(path, table)
    others = table.drop(columns=str(tables.find_column(path, table, (CELL,))))
    barcode = tables.find_column(path, others, BARCODE_NAMES, required=False)
    if barcode is not None and not _are_names(names):
        return tables.unique_barcodes(path, table, barcode)
    return tables.unique_barcodes(path, table.assign(**{FIELD_AND_CELL: names}), FIELD_AND_CELL)


def matched_names(table: pd.DataFrame, spots: pd.Index) -> pd.Index:
    """The names of the rows of `table` by which most are among `spots`.

    They are its index, by :func:`row_names`, or one of its columns of barcodes where it has field and cell besides.
    """
    if not has_fields(table.columns):
        return table.index
    return max([table.index, *_barcodes(table)], key=lambda names: int(names.isin(spots).sum()))


def _barcodes(table: pd.DataFrame) -> Iterator[pd.Index]:
    """The names in each column of barcodes that has a name for every row and none twice."""
    for barcode in BARCODE_NAMES:
        for position, column in enumerate(table.columns):
            if str(column).strip().lower() == barcode:
                names = pd.Index([plain_text(value) for value in table.iloc[:, position].astype(object)], dtype=object)
                if _are_names(names):
                    yield names


def _are_names(names: pd.Series | pd.Index) -> bool:
    return bool(names.is_unique and (names != "").all())
