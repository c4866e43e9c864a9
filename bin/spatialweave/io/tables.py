"""Strict reading of tables of coordinates and labels, as text; :mod:`.table_cells` converts their cells."""

from __future__ import annotations

import csv
import io
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.bounds import SPOTS_RATIO, TEXT_BYTES, TEXT_RATIO, BoundedText
from spatialweave.io.column_names import is_index, plain_name
from spatialweave.io.measurement import plain_text, reading

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
MARKS = ("\t", ",", ";")
"""Characters that may separate cells."""

ROWS_PER_CHUNK = 10_000
"""Rows whose cells are Python strings at the same time; those before are stored by column."""

SPELLINGS: tuple[Callable[[str], str], ...] = (str, str.lower, plain_name)
"""Forms in which names of columns are compared, one after the other."""


def check_file(path: Path, expected: str) -> None:
    """Refuse a path that does not exist, cannot be accessed, or is not a file: reading a pipe would wait for ever."""
    with reading(path, "file", "give the user who runs this permission to read it"):
        if not path.exists():
            raise InputError(str(path), "no such file", expected)
        if not path.is_file():
            raise InputError(str(path), "is not a file", expected)


def is_text_table(path: Path) -> bool:
    """Return whether the name has the ending of a text table (gzipped or not)."""
    return path.name.lower().endswith(TEXT_SUFFIXES)


@dataclass(frozen=True)
class Start:
    """Beginning of a text table: the number of lines before its header (comments), and the separator of its cells."""

    comments: int
    separator: str


def start(path: Path) -> Start:
    """Find the header of a text table, and its separator.

    Lines before the header that begin with "#" are comments, unless the last of them has as many cells as the line
    below it: then it is the header. The separator follows from the file's ending, unless the line below the header
    shows another.
    """
    comments, last = 0, ""
    with open_text(path) as stream:
        line = stream.readline()
        while line.startswith("#") or (line and not line.strip()):
            comments, last = comments + 1, line
            line = stream.readline()
        usual = "," if ".csv" in path.name.lower() else "\t"
        marks = [mark for mark in sorted(MARKS, key=lambda mark: mark != usual) if mark in line]
        # Lines may be long, so the next one is read only if there is a choice.
        row = next((row for row in stream if row.strip()), "") if len(marks) > 1 else ""
    separator = _separator(line, row, marks) or usual
    if last.startswith("#") and separator in last and last.count(separator) == line.count(separator):
        comments -= 1
    return Start(comments, separator)


def _separator(header: str, row: str, marks: Sequence[str]) -> str | None:
    """Return the mark that gives a row as many cells as the header, or one more (as R writes); else the first mark.

    Names may hold the other marks, as those of lipids do: PC(16:0,18:1). If several fit, the one with most cells wins.
    """
    cells = {mark: _n_cells(row, mark) for mark in marks}
    for surplus in (0, 1):
        fitting = [mark for mark in marks if cells[mark] > 1 and cells[mark] == _n_cells(header, mark) + surplus]
        if fitting:
            return max(fitting, key=lambda mark: cells[mark])
    return next(iter(marks), None)


def _n_cells(line: str, mark: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=mark), []))
    except csv.Error:
        # A line without this mark is a single cell, which may be longer than allowed.
        return 0


def open_binary(path: Path, ratio: int = TEXT_RATIO) -> io.BufferedReader:
    """Open the bytes of a (gzipped) text table, which are refused if they expand more than `ratio` times."""
    return io.BufferedReader(BoundedText(path, ratio), 1 << 20)


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a (gzipped) UTF-8 text table; a byte-order mark is skipped; damaged files and bad bytes are refused."""
    try:
        with io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", newline="") as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise InputError(str(path), f"is not a readable text table ({error})", fix="write or copy it again") from error


def _not_utf8(path: Path) -> InputError:
    with open_binary(path) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return InputError(
                    f"{path}, line {number}", f"byte 0x{byte:02x} is not UTF-8", "UTF-8 text", "save it as UTF-8"
                )
    return InputError(str(path), "is not UTF-8 text", "UTF-8 text", "save it as UTF-8")


def read_header(path: Path) -> list[str]:
    """Return the column names of a text table, stripped of blanks; an empty file is refused.

    R writes no name for the column of barcodes: a header one cell shorter than the first row begins with "".
    """
    with open_text(path) as stream:
        begin = [cells for _number, cells in islice(lines(stream, start(path)), 2)]
    if not begin:
        raise InputError(str(path), "is empty", "a header line and one line per spot")
    cells, *first_row = begin
    header = [cell.strip() for cell in [cells[0].removeprefix("#"), *cells[1:]]]
    return ["", *header] if first_row and _lacks_a_name(header, first_row[0]) else header


def _lacks_a_name(header: Sequence[str], row: Sequence[str]) -> bool:
    """Return whether the first column, and not one after the last, has no name."""
    return len(row) == len(header) + 1 and bool(row[-1].strip()) and not is_index(header[0])


def skip_header(stream: TextIO, begin: Start) -> None:
    """Move an open table past its header, which may have several lines."""
    next(lines(stream, begin), None)


def lines(stream: TextIO, begin: Start) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of the header and of every row below it, without blank lines.

    Spreadsheets write the separators of lines that have been emptied.
    """
    for _comment in range(begin.comments):
        stream.readline()
    reader = csv.reader(stream, delimiter=begin.separator)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield begin.comments + reader.line_num, cells


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every row below the header; blank lines are skipped, ragged rows refused."""
    width = len(read_header(path))
    with open_text(path) as stream:
        for number, cells in islice(lines(stream, start(path)), 1, None):
            if len(cells) != width:
                surplus = len(cells) == width + 1 and not cells[-1].strip()
                raise InputError(
                    f"{path}, line {number}",
                    f"has {len(cells)} cells",
                    f"{width}, as in the header",
                    "remove the separator at the end of each line" if surplus else "complete the line",
                )
            yield number, cells


def read_strings(path: Path) -> pd.DataFrame:
    """Read a text or parquet table as strings; columns that parquet stores as numbers stay numbers.

    A row of types below the header, as the Single Cell Portal has it, is left out, and so are empty columns without a
    name.

    Returns
    -------
    One row per spot; the index holds the lines (or rows) of the file, for :func:`place`; columns as in the file.
    """
    if path.name.lower().endswith(".parquet"):
        return _read_parquet(path)
    if not is_text_table(path):
        raise InputError(str(path), "unknown kind of table", ".csv, .tsv, .txt (all also .gz) or .parquet")
    # Gzipped tables are first expanded without parsing, which takes a hundred times as long and much memory.
    with reading(path, "text table"), BoundedText(path, SPOTS_RATIO) as first:
        while first.gzipped and first.total < 4 * TEXT_BYTES and first.read(1 << 20):
            pass
    header = read_header(path)
    table = _stored_by_column(_without_types(rows(path)), header)
    if not len(table):
        raise InputError(str(path), "has a header but no rows", "one line per spot")
    # Spreadsheets write separators at the ends of lines where columns have been emptied.
    return table.iloc[:, [i for i, name in enumerate(header) if i == 0 or name or (table.iloc[:, i] != "").any()]]


def _without_types(numbered_rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Yield rows without those of types before the first other row."""
    below = False
    for number, row in numbered_rows:
        below = below or row[0].strip() != "TYPE" or not {cell.strip() for cell in row[1:]} <= {"numeric", "group"}
        if below:
            yield number, row


def _stored_by_column(numbered_rows: Iterator[tuple[int, list[str]]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table of text in Arrow's format: a Python string per cell would take seven times the file."""
    import pyarrow

    numbers = array("q")
    chunks: list[list[Any]] = [[] for _column in columns]
    while chunk := list(islice(numbered_rows, ROWS_PER_CHUNK)):
        numbers.extend(number for number, _row in chunk)
        for stored, cells in zip(chunks, zip(*(row for _number, row in chunk), strict=True), strict=True):
            stored.append(pyarrow.array([cell.strip() for cell in cells], pyarrow.large_string()))
    kind = pd.StringDtype("pyarrow", na_value=np.nan)
    frame = {
        i: pd.Series(pyarrow.chunked_array(stored, pyarrow.large_string()), dtype=kind)
        for i, stored in enumerate(chunks)
    }
    return pd.DataFrame(frame).set_axis(list(columns), axis=1).set_axis(pd.Index(numbers, dtype=np.int64, name="line"))


def read_headless(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a text table without a header, which has these columns, as :func:`read_strings` does."""

    def whole_rows() -> Iterator[tuple[int, list[str]]]:
        with open_text(path) as stream:
            for number, row in lines(stream, start(path)):
                if len(row) != len(columns):
                    expected = f"{len(columns)}: {', '.join(columns)}"
                    raise InputError(f"{path}, line {number}", f"has {len(row)} cells", expected)
                yield number, row

    return _stored_by_column(whole_rows(), columns)


def place(table: pd.DataFrame, row: int) -> str:
    """Return the position in its file of a row of a table by :func:`read_strings`, e.g. "line 7"."""
    return f"{table.index.name} {table.index[row]}"


def _read_parquet(path: Path) -> pd.DataFrame:
    with reading(path, "parquet file"):
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path).to_pandas()
    if not isinstance(table.index, pd.RangeIndex):
        # Pandas writes the barcodes as an index, with or without a name.
        table = table.rename_axis(["" if name is None else name for name in table.index.names]).reset_index()
    if not len(table):
        raise InputError(str(path), "has no rows", "one row per spot")
    # Numbers stay numbers: as text, a million rows would take a hundred times as long and ten times the memory.
    columns = {i: _plain(table.iloc[:, i]) for i in range(table.shape[1])}
    frame = pd.DataFrame(columns, index=pd.RangeIndex(1, len(table) + 1, name="row"))
    frame.columns = pd.Index([str(name) for name in table.columns], dtype=object)
    return frame


def _plain(column: pd.Series) -> np.ndarray:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return column.to_numpy()
    return np.array([plain_text(value) for value in column.astype(object)], dtype=object)


def find_column(path: Path, table: pd.DataFrame, names: tuple[str, ...], required: bool = True) -> str | None:
    """Return the column with one of `names`, earlier names first.

    A column may be spelled exactly, else in any case, else with other characters between words ("Cell-ID"). Two columns
    with the same name are refused, and so is a table without any, unless `required` is False.
    """
    columns = [str(column) for column in table.columns]
    for name, form in product(names, SPELLINGS):
        # A name of foreign letters has no plain form.
        hits = [column for column in columns if (name or form is str) and form(column.strip()) == form(name)]
        if len(hits) > 1:
            raise InputError(str(path), f"has {len(hits)} columns named '{name}'", "one")
        if hits:
            return hits[0]
    if not required:
        return None
    found = ", ".join(f"'{column}'" for column in list(table.columns)[:12])
    raise InputError(
        str(path),
        f"has no column '{names[0]}' (found: {found})",
        f"a header with the column '{names[0]}'",
        "name the columns in the first line, separated as the file's extension says",
    )
