"""Tables of cells that an instrument writes besides its matrix: one row per cell, with its position."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.coordinates import in_obs
from spatialweave.io.measurement import Measurement, plain_names, reading
from spatialweave.io.notices import warn

Namer = Callable[[Path, pd.DataFrame], pd.Series]
"""Function that makes the names of the cells from the columns of their table."""


def named_by(*columns: str) -> Namer:
    """Return a namer that uses the first of these columns (any case) that is present."""
    return lambda path, table: table[tables.find_column(path, table, columns)]


def read_cells(path: Path, text_columns: tuple[str, ...], namer: Namer) -> pd.DataFrame:
    """Read a table of cells (.csv, .csv.gz or .parquet), indexed by the names of its cells, each of which occurs once.

    The index has the name of the column with the names.

    Parameters
    ----------
    text_columns
        Columns (lower case) of identifiers, which are read as text even if they look like numbers.
    """
    tables.check_file(path, "a table of cells")
    table = _parquet(path) if path.name.endswith(".parquet") else _text(path, text_columns)
    if not len(table):
        raise InputError(str(path), "has no rows", "one row per cell")
    column = namer(path, table)
    names = plain_names(column, str(path), "cell")
    twice = np.flatnonzero(names.duplicated())
    if len(twice):
        raise InputError(
            f"{path}, row {twice[0] + 1}", f"cell '{names[twice[0]]}' appears a second time", "each cell once"
        )
    return table.set_axis(names.rename(column.name))


def _parquet(path: Path) -> pd.DataFrame:
    with reading(path, "parquet file"):
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path).to_pandas()
        return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()


def _text(path: Path, text_columns: tuple[str, ...]) -> pd.DataFrame:
    header = tables.read_header(path)
    types = dict.fromkeys([name for name in header if name.lower() in text_columns], str)
    begin = tables.start(path)
    with reading(path, "table of cells"), tables.open_text(path) as stream:
        tables.skip_header(stream, begin)
        table = pd.read_csv(
            stream,
            sep=begin.separator,
            header=None,
            names=header,
            dtype=types,
            float_precision="round_trip",
            low_memory=False,
        )
        # Pandas makes an index of the first cells of rows that are longer than the header.
        if not isinstance(table.index, pd.RangeIndex):
            raise ValueError(f"rows have more cells than the header, which has {len(header)}")
    return table


def place(measurement: Measurement, cells: pd.DataFrame, where: Path) -> None:
    """Add the positions and other columns of a table of cells to the cells of a matrix.

    Cells that are not in the table are left out; a table of other cells is refused.
    """
    coordinates = in_obs(cells, str(where))
    if coordinates is None:
        listed = ", ".join(f"'{name}'" for name in list(cells.columns)[:12])
        local = any(str(name).lower() == "centerx_local_px" for name in cells.columns)
        fix = (
            "add the positions of the fields (fov_positions_file) to those of the cells, as columns CenterX_global_px "
            "and CenterY_global_px"
        )
        found = f"has no columns of coordinates (found: {listed})"
        raise InputError(str(where), found, "x and y of each cell", fix if local else "")
    names = plain_names(measurement.obs.index, measurement.where, "cell")
    rows = cells.index.get_indexer(names)
    placed = np.flatnonzero(rows >= 0)
    if not len(placed):
        raise InputError(
            str(where),
            f"its cells (first: '{cells.index[0]}') match no cell of the matrix (first: '{names[0]}')",
            "the cells of the matrix",
            "use the matrix and the table of the same run of the instrument",
        )
    if len(placed) < len(names):
        lost = names[int((rows < 0).argmax())]
        warn(
            measurement.where,
            f"{len(names) - len(placed)} of {len(names)} cells are not in {where.name} (first: '{lost}'), left out",
        )
    measurement.obs = measurement.obs.set_axis(names)
    if len(placed) < len(names):
        measurement.keep(placed)
    beside = cells.iloc[rows[placed]]
    fresh = [name for name in beside.columns if name not in (*measurement.obs.columns, cells.index.name)]
    measurement.obs = pd.concat([measurement.obs, beside[fresh]], axis=1)
    measurement.coordinates = coordinates.at(rows[placed])
