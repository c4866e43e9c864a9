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
from spatialweave.io import table_cells, tables
from spatialweave.io.cell_names import matched_names, row_names
from spatialweave.io.column_names import (
    BARCODE_NAMES,
    DEPTHS,
    FRAME_PAIRS,
    GLOBAL_PAIRS,
    OBS_PAIRS,
    ON_SLIDE,
    by_plain_name,
    facts_among,
    find_axes,
    plain_name,
)
from spatialweave.io.layout import spacing
from spatialweave.io.measurement import Coordinates
from spatialweave.io.notices import warn

OBSM_KEYS = (
    "spatial",
    "X_spatial",
    "spatial_coords",
    "X_spatial_coords",
    "Spatial",
    "spatial_coordinates",
    "spatialCoords",
    "coordinates",
    "coords",
    "xy_loc",
    "X_xy_loc",
)
"""The obsm keys of coordinates in AnnData files, in the order in which they are searched."""

GLOBAL_KEYS = ("spatial_fov", "spatial_global", "global")
"""The obsm keys of positions on the slide in files that also hold positions inside fields of view (CosMx by squidpy,
spatialdata-io)."""

ROWS = (78, 128)
"""Rows of the Visium slides of 6.5 and 11 mm, which have 128 and 224 columns."""
CHANNELS = re.compile(r"^(\d{1,4})x(\d{1,4})(?:-\d+)?$")
"""Pattern of names of the spots of DBiT-seq, which are coordinates."""
PIXELS = re.compile(r"^x(\d+)_y(\d+)$")
"""Pattern of names of pixels by METASPACE, which are coordinates."""

SELECTION = ("x", "y", "new_x", "new_y", "pixel_x", "pixel_y")
"""Columns of the files in which the spot detector of Spatial Transcriptomics lists spots by their array positions."""

LOOKED = f"obsm[{', '.join(repr(key) for key in OBSM_KEYS)}], columns x/y, pxl_*, array_row/array_col of obs"


def in_obsm(
    obsm: Mapping[str, Any], names: pd.Index, where: str, keys: Sequence[str] = OBSM_KEYS
) -> Coordinates | None:
    """Return coordinates from the first of `keys` that is present; only two of three dimensions are kept.

    Columns of a DataFrame with known names are found by name, in any order.
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
    """Return the columns x and y (and z) of a table, and their unit; all columns if no name shows which is x."""
    axes = find_axes(table.columns, FRAME_PAIRS)
    if axes is not None:
        x, y, unit = axes
        columns = by_plain_name(table.columns)
        depth = [columns[name] for name in DEPTHS if name in columns][:1]
        return table[[columns[x], columns[y], *depth]], unit
    if not all(str(name).strip()[-1:].isdigit() for name in table.columns):
        warn(slot, f"its columns {', '.join(map(str, table.columns))} are taken for x and y in this order")
    return table, "unknown"


def in_obs(obs: pd.DataFrame, where: str, pairs: Sequence[tuple[str, str, str]] = OBS_PAIRS) -> Coordinates | None:
    """Return coordinates from the first of `pairs` among the columns of `obs`."""
    axes = find_axes(obs.columns, pairs)
    if axes is None:
        return None
    x_name, y_name, unit = axes
    columns = by_plain_name(obs.columns)
    named = [[columns[name] for name in axis.split()] for axis in (x_name, y_name)]
    slot = f"{where}, obs columns " + " and ".join(f"'{name}'" for axis in named for name in axis)
    values = np.column_stack([np.mean([_numbers(obs, name, slot) for name in axis], axis=0) for axis in named])
    values = _straighten(values) if unit == "array" else values
    return _checked(Coordinates(obs.index, values, slot, unit, global_by_name=x_name in ON_SLIDE))


def likely_axes(obs: pd.DataFrame) -> tuple[str, str] | None:
    """Return two columns of numbers whose names differ only in x and y, for a message; None if there are none."""
    columns = {plain_name(name): str(name) for name in obs.columns if obs[name].dtype.kind in "iuf"}
    for name in columns:
        other = re.sub(r"^x|x$|(?<=_)x(?=_)", "y", name)
        if other != name and other in columns and not facts_among([columns[name]]):
            return columns[name], columns[other]
    return None


def _numbers(obs: pd.DataFrame, column: str, slot: str) -> np.ndarray:
    """Return a column as float64, NaN where it is missing; text is refused."""
    values = pd.to_numeric(obs[column], errors="coerce").to_numpy(np.float64)
    text = np.flatnonzero(np.isnan(values) & ~obs[column].isna().to_numpy())
    if len(text):
        found = f"'{obs[column].iloc[text[0]]}' of spot '{obs.index[text[0]]}' is not a number"
        raise InputError(slot, found, "x and y of each spot as numbers")
    return values


def in_names(names: pd.Index, where: str) -> Coordinates | None:
    """Return coordinates from names of spots: "12x7" (channels of the two chips of DBiT-seq) or "x12_y7"."""
    for pattern in (CHANNELS, PIXELS):
        places = names.astype(str).str.extract(pattern)
        if len(names) and places.notna().all(axis=None):
            return Coordinates(names, places.to_numpy(dtype=np.float64), f"{where}, names of the spots", "array")
    return None


def on_slide(obsm: Mapping[str, Any], obs: pd.DataFrame, where: str) -> Coordinates | None:
    """Return positions on the slide, where a file holds them besides positions inside each field of view.

    Positions that cannot be read are left out with a warning, since the file has others.
    """
    try:
        return in_obsm(obsm, obs.index, where, GLOBAL_KEYS) or in_obs(obs, where, GLOBAL_PAIRS)
    except InputError as error:
        warn(error.where, f"{error.found}; these positions are left out")
        return None


def _straighten(array: np.ndarray) -> np.ndarray:
    """Return coordinates from array columns and rows; Visium uses every second column in each row of a hexagonal grid.

    There, column + row is even for every spot: two columns are one spacing, and one row is sqrt(3)/2 spacings.
    """
    total = array.sum(axis=1)
    if np.isnan(total).any() or (total % 2 != 0).any() or (array[:, 0] % 2 == 0).all():
        return array
    return array * np.array([0.5, np.sqrt(3) / 2])


def straightened(coordinates: Coordinates) -> Coordinates:
    """Return positions on a hexagonal slide where x and y are its array rows and columns, in either order.

    They are recognised by whole numbers whose sum is even for every spot, with touching spots one row and one column
    apart, and distinguished by :data:`ROWS`. All other coordinates are returned unchanged.
    """
    values = coordinates.values
    whole = (values >= 0).all() and (values == np.floor(values)).all() and (values.sum(axis=1) % 2 == 0).all()
    if not whole or not np.isclose(spacing(values), np.sqrt(2)):
        return coordinates
    for rows in ROWS:
        beyond = values.max(axis=0) >= rows
        if beyond.sum() == 1:
            array = values[:, ::-1] if beyond[1] else values
            warn(coordinates.where, "holds array rows and columns; they are converted to positions on the slide")
            return replace(coordinates, values=_straighten(array), unit="array")
    return coordinates


def _checked(coordinates: Coordinates) -> Coordinates:
    infinite = np.isinf(coordinates.values).any(axis=1)
    if infinite.any():
        spot = coordinates.names[int(infinite.argmax())]
        raise InputError(coordinates.where, f"a coordinate of spot '{spot}' is not finite", "finite numbers")
    return coordinates


def read_coordinates(path: Path) -> Coordinates:
    """Read a CSV, TSV or parquet table with the columns barcode, x, y (any order and case; others are ignored).

    Space Ranger's tissue positions are also read, with or without a header and under any file name, and tables of three
    columns without a header.
    """
    from spatialweave.io.readers import space_ranger

    tables.check_file(path, "a table with the columns barcode, x, y")
    if space_ranger.is_positions(path):
        positions = space_ranger.read_positions(path)
        return Coordinates(positions.index, space_ranger.pixels(positions), str(path), "pixel", positions)
    table = tables.read_strings(path) if _has_header(path) else tables.read_headless(path, ("barcode", "x", "y"))
    table = _of_selection(table)
    x_name, y_name, unit = find_axes(table.columns, FRAME_PAIRS) or ("x", "y", "unknown")
    columns = [[str(tables.find_column(path, table, (name,))) for name in axis.split()] for axis in (x_name, y_name)]
    names = row_names(path, table)
    values = np.column_stack(
        [np.mean([table_cells.numbers(path, table, name) for name in axis], axis=0) for axis in columns]
    )
    if not {plain_name(name) for name in table.columns}.isdisjoint(DEPTHS):
        warn(str(path), "has a third coordinate; x and y are used, z is left out")
    values = _straighten(values) if unit == "array" else values
    return Coordinates(names, values, str(path), unit, table.set_axis(names), x_name in ON_SLIDE)


def _of_selection(table: pd.DataFrame) -> pd.DataFrame:
    """Return the spots of Spatial Transcriptomics' selection file under their names ("12x7") with pixel coordinates.

    Any other table is returned unchanged.
    """
    if not set(SELECTION) <= set(table.columns):
        return table
    names = table["x"].astype(str) + "x" + table["y"].astype(str)
    beside = table.drop(columns=["x", "y", "new_x", "new_y"]).rename(columns={"selected": "in_tissue"})
    return beside.assign(barcode=names.astype(object))


def _has_header(path: Path) -> bool:
    """Return whether a table of coordinates has a header: without one, it begins with a barcode and two numbers."""
    cells = tables.read_header(path) if tables.is_text_table(path) else []
    numbers = [table_cells.to_number(cell) for cell in cells[1:]]
    return len(numbers) != 2 or None in numbers or cells[0].lower() in BARCODE_NAMES


def name_as_section(given: Coordinates, tables_of_spots: Sequence[pd.DataFrame]) -> None:
    """Rename the spots of a table of coordinates as in the files of the section, whose tables of spots are given."""
    if given.table is not None:
        first, *rest = (table.index.astype(str) for table in tables_of_spots)
        given.names = matched_names(given.where, given.table, first.append(rest), tables_of_spots)
        given.table = given.table.set_axis(given.names)
