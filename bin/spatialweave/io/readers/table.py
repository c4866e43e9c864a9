"""Text matrices (.csv, .tsv, .txt, also .gz): a header of feature names, then one line per spot, its barcode first.

Tables of cells may lack the column of barcodes: their rows are numbered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import table_cells, tables
from spatialweave.io.column_names import (
    BARCODE_NAMES,
    FRAME_PAIRS,
    IDENTIFIERS,
    ROW_NUMBERS,
    facts_among,
    find_axes,
    is_index,
    plain_name,
)
from spatialweave.io.coordinates import in_obs, on_slide
from spatialweave.io.measurement import Measurement
from spatialweave.io.notices import warn

if TYPE_CHECKING:
    from scipy import sparse

BLOCK_CELLS = 10_000_000
"""Cells parsed at once (80 MB as float64): only one block of the matrix is ever dense."""

FIRST_ROWS = 100
"""Rows that show whether the first column holds names."""


def read(path: Path, modality: str | None = None, labels: str = "") -> list[Measurement]:
    """Read a text matrix, spots x features; cells that are not numbers are refused with their line and column.

    Columns with coordinates or well-known facts about spots, and the column of the `labels`, are not features;
    `modality` is that under which the file is given, if any.
    """
    header = tables.read_header(path)
    if len(header) < 2:
        raise InputError(
            str(path),
            "has only one column",
            "barcodes, then one column per feature",
            "separate cells by commas, tabs or semicolons",
        )
    named_by = _column_of_names(path, header)
    others = [i for i in range(len(header)) if i != named_by]
    unnamed = [i for i in others if i and not header[i]]
    known = {others[i] for i in facts_among([header[i] for i in others], modality)}
    known |= {i for i in others if header[i] and header[i] == labels}
    if named_by and header[0] in ("", "X"):
        # The numbers of rows that R has written.
        known.add(0)
    facts = sorted((known | _true_or_false(path) | {*unnamed}) - {named_by})
    left_out = ", ".join(f"'{header[i]}'" for i in facts if header[i])
    if left_out:
        warn(str(path), f"the columns {left_out} are coordinates or facts about spots, not features, and are left out")
    columns = [i for i in others if i not in facts]
    if not columns:
        besides = left_out or f"'{header[named_by or 0]}'"
        raise InputError(str(path), f"has no features besides the columns {besides}", "one column per feature")
    obs, matrix = parse(path, len(header), facts, named_by)
    for position in unnamed:
        # Spreadsheets write separators at the ends of lines where columns have been emptied.
        if obs[position].notna().any():
            raise InputError(f"{path}, line 1, column {position + 1}", "has no name", "the name of a feature")
    obs.columns = pd.Index([header[i] for i in facts], dtype=object)
    obs = obs.loc[:, ~obs.columns.duplicated()]
    features = pd.DataFrame(index=pd.Index([header[i] for i in columns], dtype=object))
    return [_measurement(path, obs, matrix, features)]


def _column_of_names(path: Path, header: Sequence[str]) -> int | None:
    """Return the position of the column with the names of the rows: the first, unless it holds facts (of several
    rows) or fractions.

    Then it is that of barcodes, wherever it is; None if there is none.
    """
    if header[0].lower() in ROW_NUMBERS:
        return _beside_numbers(path, header)
    if header[0].lower() in BARCODE_NAMES:
        return 0
    first = [cells[0] for _number, cells in islice(tables.rows(path), FIRST_ROWS)]
    elsewhere = next((i for i, name in enumerate(header) if name.lower() in IDENTIFIERS), None)
    holds = "" if is_index(header[0]) else _values(path, header, first)
    repeats, is_fact = len(set(first)) < len(first), 0 in facts_among(header)
    # Numbers of rows, or of images, are no names where others are.
    numbers = repeats or (header[0] == "X" and _counts_rows(path))
    if repeats and is_fact and not holds and not is_index(header[0]):
        holds = f"'{first[0]}' for several spots"
    if not holds and not (numbers and elsewhere is not None) and (elsewhere is None or not is_fact):
        return 0
    if elsewhere is None:
        found = f"its first column '{header[0]}' holds {holds}"
        warn(str(path), f"has no column of names ({found}), so its spots are numbered from 0")
    else:
        warn(str(path), f"its spots are named by the column '{header[elsewhere]}'")
    return elsewhere


def _beside_numbers(path: Path, header: Sequence[str]) -> int:
    """Return the position of the first column that names each row once, if column 0 holds numbers of rows; else 0."""
    # R reads the column without a name that it has written as X.
    names = BARCODE_NAMES if _is_axis(header, "x") else (*BARCODE_NAMES, "x")
    named = [i for i, name in enumerate(header) if name and name.lower() in names]
    if not named or not all(cells[0].strip().isdecimal() for _number, cells in islice(tables.rows(path), FIRST_ROWS)):
        return 0
    for position in named:
        if _names_once(path, position):
            warn(
                str(path), f"its spots are named by the column '{header[position]}', and not by the numbers of its rows"
            )
            return position
    return 0


def _names_once(path: Path, position: int) -> bool:
    """Return whether no cell of a column is empty or repeated."""
    seen: set[str] = set()
    for _number, cells in tables.rows(path):
        cell = cells[position].strip()
        if not cell or cell in seen:
            return False
        seen.add(cell)
    return True


def _values(path: Path, header: Sequence[str], first: Sequence[str]) -> str:
    """Return what the first column, with these cells, holds instead of names: "coordinates", "fractions" or "".

    Fractions that only rise may be names: the m/z of a matrix with spots in columns.
    """
    cells = [table_cells.to_number(cell) for cell in first]
    numbers = np.array([number for number in cells if number is not None])
    if not len(numbers) or len(numbers) < len(cells):
        return ""
    if _is_axis(header, plain_name(header[0])) and not (header[0] == "X" and _counts_rows(path)):
        return "coordinates"
    rising = len(numbers) > 1 and (np.diff(numbers) > 0).all()
    return "fractions" if (numbers != np.floor(numbers)).any() and not rising else ""


def _is_axis(header: Sequence[str], name: str) -> bool:
    """Return whether a column, by its plain name, is one of those that hold the coordinates."""
    axes = find_axes(header, FRAME_PAIRS)
    # R calls a column of names X, also beside coordinates.
    return axes is not None and name in " ".join(axes[:2]).split() and [*map(plain_name, header)].count(name) == 1


def _counts_rows(path: Path) -> bool:
    """Return whether the first column is 1, 2, 3 ...: the numbers that R gives to rows."""
    return all(cells[0] == str(row) for row, (_number, cells) in enumerate(tables.rows(path), start=1))


def _true_or_false(path: Path) -> set[int]:
    """Return positions of the columns that say TRUE or FALSE of the first spot, which pandas would read as 1 and 0."""
    cells = next((cells for _number, cells in tables.rows(path)), [])
    return {i for i, cell in enumerate(cells) if cell.strip().lower() in ("true", "false")}


def _measurement(path: Path, obs: pd.DataFrame, matrix: sparse.csr_matrix, features: pd.DataFrame) -> Measurement:
    def turned() -> Measurement:
        return _measurement(path, features, matrix.T, obs)

    return Measurement(
        str(path),
        obs,
        {"matrix": lambda: (matrix, features)},
        coordinates=in_obs(obs, str(path)),
        on_slide=on_slide({}, obs, str(path)),
        turned=turned,
    )


def parse(
    path: Path, width: int, facts: Sequence[int], named_by: int | None = 0
) -> tuple[pd.DataFrame, sparse.csr_matrix]:
    """Return facts about the spots (columns at these positions) under their barcodes, and the matrix of other columns.

    Barcodes are in the column `named_by`, which may also be among the facts; if it is None, spots are numbered from 0.
    """
    from scipy import sparse

    texts = sorted({*facts} if named_by is None else {*facts, named_by})
    columns = [i for i in range(width) if i not in texts]
    blocks: list[sparse.csr_matrix] = []
    beside: list[pd.DataFrame] = []
    try:
        begin = tables.start(path)
        with tables.open_text(path) as stream:
            tables.skip_header(stream, begin)
            for block in _blocks(stream, begin.separator, width, texts):
                values = block[columns].to_numpy(dtype=np.float64)
                # Spreadsheets write the separators of lines that have been emptied.
                empty = np.isnan(values).all(axis=1) & (block[texts] == "").all(axis=1).to_numpy()
                # Pandas makes an index of the first cells of rows that are longer than the header.
                surplus = not isinstance(block.index, pd.RangeIndex)
                if empty.any():
                    block, values = block[~empty], values[~empty]
                if surplus or not np.isfinite(values).all():
                    raise ValueError("missing, infinite or surplus cells")
                beside.append(block[texts])
                blocks.append(sparse.csr_matrix(values))
    except ValueError as error:
        # The fast parser does not locate the error, so the file is read again to the first bad cell.
        raise table_cells.first_bad_cell(path, texts) from error
    table = pd.concat(beside)
    if not len(table):
        raise InputError(str(path), "has a header but no rows", "one line per spot")
    spots = [str(name).strip() for name in (range(len(table)) if named_by is None else table[named_by])]
    obs = pd.DataFrame(index=pd.Index(spots, dtype=object))
    for i in facts:
        obs[i] = _numbers_or_text(table[i].astype(str).str.strip()).to_numpy()
    return obs, sparse.vstack(blocks, format="csr")


def _numbers_or_text(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers if all of its cells are numbers or empty."""
    values = pd.to_numeric(column, errors="coerce")
    return column if (values.isna() & (column != "")).any() else values


def _blocks(stream: TextIO, separator: str, width: int, texts: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Yield blocks of rows: text in the columns of `texts`, float64 in the others (NaN where a cell is empty)."""
    empty: dict[Any, list[str]] = {i: [""] for i in range(width) if i not in texts}
    types: defaultdict[int, str] = defaultdict(lambda: "float64", dict.fromkeys(texts, "str"))
    with pd.read_csv(
        stream,
        sep=separator,
        header=None,
        names=list(range(width)),
        dtype=types,
        keep_default_na=False,
        na_values=empty,
        chunksize=max(1, BLOCK_CELLS // width),
    ) as reader:
        yield from reader
