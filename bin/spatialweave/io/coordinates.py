"""Coordinates: found in a modality's own tables, or read from a table beside the matrices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.cell_names import matched_names, row_names
from spatialweave.io.column_names import DEPTHS, FRAME_PAIRS, GLOBAL_PAIRS, OBS_PAIRS, ON_SLIDE
from spatialweave.io.layout import spacing
from spatialweave.io.measurement import Coordinates
from spatialweave.io.notices import warn

OBSM_KEYS = ("spatial", "X_spatial", "spatial_coords", "X_spatial_coords")
"""Where AnnData files keep coordinates, in the order to look."""

GLOBAL_KEYS = ("spatial_fov", "spatial_global")
"""Where they keep positions on the slide, beside those inside each field of view (squidpy's reader of CosMx)."""

ROWS = (78, 128)
"""Rows of the Visium slides of 6.5 and 11 mm, which have 128 and 224 columns."""
CHANNELS = re.compile(r"^(\d{1,4})x(\d{1,4})(?:-\d+)?$")
"""Names that are coordinates."""

LOOKED = f"obsm[{', '.join(repr(key) for key in OBSM_KEYS)}], columns x/y, pxl_*, array_row/array_col of obs"


def in_obsm(
    obsm: Mapping[str, Any], names: pd.Index, where: str, keys: Sequence[str] = OBSM_KEYS
) -> Coordinates | None:
    """Coordinates from the first of `keys` that is there; of three dimensions the first two are kept.

    The columns of a DataFrame are taken by their names, in any order, where these are known.
    """
    for key in keys:
        if key not in obsm:
            continue
        slot = f"{where}, obsm['{key}']"
        table, unit = obsm[key], "unknown"
        if isinstance(table, pd.DataFrame):
            table, unit = _by_name(table, slot)
        try:
            values = np.asarray(table, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(slot, "holds values that are not numbers", "x and y of each spot") from None
        if values.ndim != 2 or values.shape[1] not in (2, 3) or len(values) != len(names):
            raise InputError(slot, f"has the shape {values.shape}", f"({len(names)}, 2): x and y of each spot")
        if values.shape[1] == 3:
            warn(slot, "is three-dimensional; x and y are used, the third coordinate is left out")
        values = np.ascontiguousarray(values[:, :2])
        return _checked(Coordinates(names, _straighten(values) if unit == "array" else values, slot, unit))
    return None


def _by_name(table: pd.DataFrame, slot: str) -> tuple[pd.DataFrame, str]:
    """Columns x and y (and z) of a table by their names, and their unit; as they are where no name says which is x."""
    columns = {str(name).strip().lower(): name for name in reversed(table.columns)}
    for x, y, unit in FRAME_PAIRS:
        if x in columns and y in columns:
            depth = [columns[name] for name in DEPTHS if name in columns][:1]
            return table[[columns[x], columns[y], *depth]], unit
    if not all(name[-1:].isdigit() for name in columns):
        warn(slot, f"its columns {', '.join(map(str, table.columns))} are taken for x and y in this order")
    return table, "unknown"


def in_obs(obs: pd.DataFrame, where: str, pairs: Sequence[tuple[str, str, str]] = OBS_PAIRS) -> Coordinates | None:
    """Coordinates from the first of `pairs` among the columns of `obs`."""
    columns = {str(name).strip().lower(): name for name in reversed(obs.columns)}
    for x_name, y_name, unit in pairs:
        if x_name not in columns or y_name not in columns:
            continue
        slot = f"{where}, obs columns '{columns[x_name]}' and '{columns[y_name]}'"
        pair = [obs[columns[name]] for name in (x_name, y_name)]
        values = np.column_stack([pd.to_numeric(column, errors="coerce").to_numpy(np.float64) for column in pair])
        text = np.isnan(values) & ~np.column_stack([column.isna().to_numpy() for column in pair])
        if text.any():
            row, axis = np.argwhere(text)[0]
            found = f"'{pair[axis].iloc[row]}' of spot '{obs.index[row]}' is not a number"
            raise InputError(slot, found, "x and y of each spot as numbers")
        if unit == "array":
            values = _straighten(values)
        return _checked(Coordinates(obs.index, values, slot, unit, global_by_name=x_name in ON_SLIDE))
    return None


def in_names(names: pd.Index, where: str) -> Coordinates | None:
    """Coordinates from names such as "12x7", as DBiT-seq calls its pixels: channels of the first and second chip."""
    found = names.str.extract(CHANNELS)
    if not len(names) or found.isna().any(axis=None):
        return None
    return Coordinates(names, found.to_numpy(dtype=np.float64), f"{where}, names of the spots", "array")


def on_slide(obsm: Mapping[str, Any], obs: pd.DataFrame, where: str) -> Coordinates | None:
    """Positions on the slide, where a file keeps them beside positions inside each field of view.

    Those that cannot be read are left out with a warning, since the file has others.
    """
    try:
        return in_obsm(obsm, obs.index, where, GLOBAL_KEYS) or in_obs(obs, where, GLOBAL_PAIRS)
    except InputError as error:
        warn(error.where, f"{error.found}; these positions are left out")
        return None


def _straighten(array: np.ndarray) -> np.ndarray:
    """Coordinates from array columns and rows: Visium counts every second column in each row of a hexagonal grid.

    There, column + row is even for every spot; then a step of two columns is one spacing, and a row is sqrt(3)/2.
    """
    total = array.sum(axis=1)
    if np.isnan(total).any() or (total % 2 != 0).any() or (array[:, 0] % 2 == 0).all():
        return array
    return array * np.array([0.5, np.sqrt(3) / 2])


def straightened(coordinates: Coordinates) -> Coordinates:
    """Rows and columns of a hexagonal slide, where they are given as x and y in either order, as places on the slide.

    They are recognised by whole numbers whose sum is even for every spot, with touching spots one row and one column
    apart, and told apart by :data:`ROWS`. Other coordinates, and those that cannot be told apart, stay as they are.
    """
    values = coordinates.values
    whole = (values >= 0).all() and (values == np.floor(values)).all() and (values.sum(axis=1) % 2 == 0).all()
    if not whole or not np.isclose(spacing(values), np.sqrt(2)):
        return coordinates
    for rows in ROWS:
        beyond = values.max(axis=0) >= rows
        if beyond.sum() == 1:
            array = values[:, ::-1] if beyond[1] else values
            warn(coordinates.where, "holds array rows and columns; the spots are put in their places on the slide")
            return replace(coordinates, values=_straighten(array), unit="array")
    return coordinates


def _checked(coordinates: Coordinates) -> Coordinates:
    infinite = np.isinf(coordinates.values).any(axis=1)
    if infinite.any():
        spot = coordinates.names[int(infinite.argmax())]
        raise InputError(coordinates.where, f"a coordinate of spot '{spot}' is not finite", "finite numbers")
    return coordinates


def read_coordinates(path: Path) -> Coordinates:
    """Coordinates from a CSV, TSV or parquet table with the columns barcode, x, y (any order and case, others ignored).

    Space Ranger's tissue positions, with and without a header and whatever the file is called, are taken as they are.
    """
    from spatialweave.io.readers import space_ranger

    tables.check_file(path, "a table with the columns barcode, x, y")
    if space_ranger.is_positions(path):
        positions = space_ranger.read_positions(path)
        return Coordinates(positions.index, space_ranger.pixels(positions), str(path), "pixel", positions)
    table = tables.read_strings(path)
    lowered = {str(name).strip().lower() for name in table.columns}
    x_name, y_name, unit = next((pair for pair in OBS_PAIRS if {pair[0], pair[1]} <= lowered), ("x", "y", "unknown"))
    x, y = (tables.find_column(path, table, (name,)) for name in (x_name, y_name))
    names = row_names(path, table)
    values = np.column_stack([tables.numbers(path, table, str(name)) for name in (x, y)])
    if lowered & set(DEPTHS):
        warn(str(path), "has a third coordinate; x and y are used, z is left out")
    values = _straighten(values) if unit == "array" else values
    return Coordinates(names, values, str(path), unit, table.set_axis(names), x_name in ON_SLIDE)


def name_as_section(given: Coordinates, tables_of_spots: Sequence[pd.DataFrame]) -> None:
    """Call the spots of a table of coordinates as the files of the section do, whose tables of spots these are."""
    if given.table is not None:
        first, *rest = (table.index.astype(str) for table in tables_of_spots)
        given.names = matched_names(given.where, given.table, first.append(rest), tables_of_spots)
        given.table = given.table.set_axis(given.names)
