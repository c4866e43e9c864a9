"""Definition of a kind of table (CSV): its columns, their cells, and its only reader and writer.

Readers are strict, since a wrong table would spoil every later result. Numbers are parsed by pandas' default parser,
whose last digit may differ from the one written.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.files import write_csv

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CellType:
    """Content of the cells of a column.

    Attributes
    ----------
    expected
        Description of a cell, for errors.
    dtype
        Type of the column after reading.
    parse
        Converts the column as read by pandas (text, unless all cells are numbers) to values and a mask of wrong cells.
    missing
        Texts that mean a missing number.
    """

    expected: str
    dtype: str
    parse: Callable[[pd.Series], tuple[Any, np.ndarray]]
    missing: tuple[str, ...] = ()


def _text(column: pd.Series) -> tuple[Any, np.ndarray]:
    return column, np.zeros(len(column), dtype=bool)


def _number(column: pd.Series) -> tuple[Any, np.ndarray]:
    import pandas as pd

    if column.dtype == bool:
        column = column.astype(str)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    return values, ~np.isfinite(values)


def _optional_number(column: pd.Series) -> tuple[Any, np.ndarray]:
    values, wrong = _number(column)
    return values, wrong & column.notna().to_numpy()


def _whole(column: pd.Series) -> tuple[Any, np.ndarray]:
    wrong = ~column.str.fullmatch(r"[+-]?[0-9]{1,18}").to_numpy(dtype=bool)
    return column if wrong.any() else column.astype(np.int64), wrong


def _count(column: pd.Series) -> tuple[Any, np.ndarray]:
    values, wrong = _whole(column)
    return values, wrong if wrong.any() else np.asarray(values < 1)


def _flag(column: pd.Series) -> tuple[Any, np.ndarray]:
    values = column.map({"True": True, "False": False})
    return values, values.isna().to_numpy()


TEXT = CellType("text", "str", _text)
NUMBER = CellType("a finite number", "float64", _number)
OPTIONAL = CellType("a finite number or nothing", "float64", _optional_number, missing=("", "nan", "NaN"))
WHOLE = CellType("a whole number", "int64", _whole)
COUNT = CellType("a whole number from 1", "int64", _count)
FLAG = CellType("True or False", "bool", _flag)


@dataclass(frozen=True)
class ResultTable:
    """One kind of table: its columns in order, with the type of their cells."""

    cells: Mapping[str, CellType]

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.cells)

    def frame(self, rows: Iterable[Any]) -> pd.DataFrame:
        """Return a table of these rows (tuples or mappings by column)."""
        import pandas as pd

        return pd.DataFrame(list(rows), columns=self.columns)

    def write(self, path: Path, table: pd.DataFrame) -> None:
        """Write a table with exactly these columns, whole or not at all."""
        if list(table.columns) != self.columns:
            raise ValueError(f"{path.name} has the columns {list(table.columns)}, not {self.columns}")
        write_csv(path, table)

    def read(self, path: Path) -> pd.DataFrame:
        """Read a table and check every cell; further columns are left out.

        Raises
        ------
        InputError
            When the file is not a CSV, lacks a column, or a cell is not of the type of its column.
        """
        import pandas as pd

        table = _read_csv(path, self.cells)
        missing = [column for column in self.cells if column not in table]
        if missing:
            raise InputError(str(path), f"has no column '{missing[0]}'", "columns " + ", ".join(self.columns))
        checked = {}
        for name, cell in self.cells.items():
            values, wrong = cell.parse(table[name])
            if wrong.any():
                row = int(np.argmax(wrong))
                where = f"{path}, line {row + 2}, column '{name}'"
                raise InputError(where, f"value '{table[name].iloc[row]}'", cell.expected)
            checked[name] = values if cell is TEXT else values.astype(cell.dtype)
        return pd.DataFrame(checked)

    def read_all(self, paths: Iterable[Path]) -> pd.DataFrame:
        """Read several tables as one, with rows in the order of `paths`; without paths, return a table without rows."""
        import pandas as pd

        empty = pd.DataFrame({name: pd.Series(dtype=cell.dtype) for name, cell in self.cells.items()})
        tables = [table for table in map(self.read, paths) if len(table)]
        return pd.concat(tables, ignore_index=True) if tables else empty


def _read_csv(path: Path, cells: Mapping[str, CellType]) -> pd.DataFrame:
    """Read a CSV; columns of numbers hold floats unless a cell is not a number, and all others hold text."""
    import pandas as pd

    text = {name: str for name, cell in cells.items() if cell.dtype != "float64"}
    missing = {name: list(cell.missing) for name, cell in cells.items() if cell.missing}
    try:
        with warnings.catch_warnings():
            # By default, extra cells in a line are dropped with only a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path, dtype=text, na_values=missing, keep_default_na=False, index_col=False, low_memory=False
            )
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise InputError(str(path), f"is not a readable CSV file ({error})") from error
