"""Fields of view, libraries or sections of one file: told apart, and never laid over each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.column_names import FIELD_NAMES
from spatialweave.io.labels import clean
from spatialweave.io.measurement import Coordinates, Measurement
from spatialweave.io.notices import warn

OVERLAP = 0.5
"""Two groups of spots lie over each other where their boxes share more than this fraction of the smaller one. Boxes of
neighbouring fields share their margins only."""

SMALL = 0.1
"""Groups with fewer than this fraction of the spots of the median group are not looked at: what is cut off at the edge
of a slide can lie within the margin of its neighbour."""

COMPARED = 2_000
"""Groups that are compared in pairs at most; more than these are sampled."""

FIELDS = ("fov", "fov_name")
"""Of the names of columns, those of fields of view, which are parts of one section."""


def settle_fields(measurement: Measurement) -> None:
    """Take the positions on the slide, where a file has them and its first ones lie over each other field by field."""
    if measurement.coordinates is None or measurement.on_slide is None:
        return
    found = _first_overlap(
        measurement.coordinates, np.arange(len(measurement.obs)), measurement.obs, measurement.libraries
    )
    if found:
        column, one, other = found
        warn(
            measurement.coordinates.where,
            f"positions of '{one}' and '{other}' ('{column}') lie over each other, as positions inside fields of view "
            f"do; those on the slide are used, from {measurement.on_slide.where}",
        )
        measurement.coordinates = measurement.on_slide


def check_fields(coordinates: Coordinates, tables: Mapping[str, pd.DataFrame], libraries: tuple[str, ...]) -> None:
    """Refuse coordinates by which fields of view, libraries or sections lie over each other.

    Parameters
    ----------
    coordinates
        Of all spots of the section.
    tables
        Per file its table of spots, whose columns say where each spot belongs.
    libraries
        Names of the libraries that the files hold.
    """
    for where, table in tables.items():
        rows = coordinates.names.get_indexer(table.index)
        known = table.iloc[np.flatnonzero(rows >= 0)]
        found = _first_overlap(coordinates, rows[rows >= 0], known, libraries)
        if found:
            column, one, other = found
            values = [value for value in pd.unique(clean(known[column])) if value]
            listed = ", ".join(values[:6]) + (", ..." if len(values) > 6 else "")
            of_fields = column.lower() in FIELDS
            raise InputError(
                f"{where}, column '{column}'",
                f"holds {len(values)} {'fields of view' if of_fields else 'sections'} ({listed}), and those of "
                f"'{one}' and '{other}' lie over each other at the positions of {coordinates.where}",
                "positions on the slide" if of_fields else "one section",
                "give them in obsm['spatial_fov'], in columns CenterX_global_px and CenterY_global_px, or as a table "
                "barcode,x,y in the column spatial"
                if of_fields
                else f"write one row per section in the samplesheet, all with section_column {column}, and {listed} in "
                "the column section",
            )
        _say_side_by_side(where, known, libraries)
    _check_unassigned(coordinates, tables, libraries)


def _say_side_by_side(where: str, table: pd.DataFrame, libraries: tuple[str, ...]) -> None:
    """Warn of several sections in one table that are apart from each other, since they will be one section."""
    for column in _columns(table, libraries):
        values = [value for value in pd.unique(clean(table[column])) if value]
        if len(values) > 1 and column.lower() not in FIELDS:
            listed = ", ".join(values[:6]) + (", ..." if len(values) > 6 else "")
            warn(
                f"{where}, column '{column}'",
                f"holds {len(values)} sections side by side ({listed}), taken for one; section_column {column} with a "
                "row for each splits them",
            )
            return


def _check_unassigned(coordinates: Coordinates, tables: Mapping[str, pd.DataFrame], libraries: tuple[str, ...]) -> None:
    """Several libraries of which no column says which spot is of which."""
    if len(libraries) < 2 or any(True for table in tables.values() for _ in _columns(table, libraries)):
        return
    found = f"holds {len(libraries)} libraries ({', '.join(libraries[:6])}), and no column says which spot is of which"
    same = len(coordinates.values) - len(np.unique(coordinates.values, axis=0))
    if same > SMALL * len(coordinates.values):
        raise InputError(
            coordinates.where,
            f"{found}; {same} spots are at the same point as another",
            "one section",
            "add such a column to obs and name it in section_column",
        )
    warn(coordinates.where, f"{found}; it is taken for one section")


def _columns(table: pd.DataFrame, libraries: tuple[str, ...]) -> Iterator[str]:
    """The columns that say where a spot belongs: by their names, or since their values are the names of libraries."""
    for column in table.columns:
        if str(column).strip().lower() in FIELD_NAMES or (
            len(libraries) > 1 and table[column].dtype == object and set(libraries) == set(table[column].unique())
        ):
            yield column


def _first_overlap(
    coordinates: Coordinates, rows: np.ndarray, table: pd.DataFrame, libraries: tuple[str, ...]
) -> tuple[str, str, str] | None:
    """The first column of `table` by which groups of spots, at `rows`, lie over each other, and two such groups."""
    values = coordinates.values[rows]
    for column in _columns(table, libraries):
        # Positions on the slide are right whatever the fields: centres of cells may lie beyond the edge of theirs.
        if coordinates.global_by_name and str(column).strip().lower() in FIELDS:
            continue
        pair = overlap(values, clean(table[column]))
        if pair:
            return str(column), *pair
    return None


def overlap(values: np.ndarray, groups: np.ndarray) -> tuple[str, str] | None:
    """Two groups whose spots lie over each other, or None.

    Parameters
    ----------
    values
        float64, spots x 2; NaN where unknown.
    groups
        Text, one per spot; "" where unknown.
    """
    used = (groups != "") & ~np.isnan(values).any(axis=1)
    names, codes, sizes = np.unique(groups[used].astype(str), return_inverse=True, return_counts=True)
    if len(names) < 2:
        return None
    kept = np.flatnonzero(sizes >= SMALL * np.median(sizes))
    if len(kept) > COMPARED:
        kept = np.sort(np.random.default_rng(0).choice(kept, COMPARED, replace=False))
    lowest = np.full((len(names), 2), np.inf)
    highest = np.full((len(names), 2), -np.inf)
    np.minimum.at(lowest, codes, values[used])
    np.maximum.at(highest, codes, values[used])
    # A group of one spot, or of spots on a line, has a box, too.
    highest = highest + 1e-9 * max(float(np.ptp(values[used], axis=0).max()), np.finfo(float).tiny)
    for position, group in enumerate(kept[:-1]):
        others = kept[position + 1 :]
        sides = np.minimum(highest[group], highest[others]) - np.maximum(lowest[group], lowest[others])
        shared = np.prod(np.clip(sides, 0, None), axis=1)
        areas = np.minimum(np.prod(highest[group] - lowest[group]), np.prod(highest[others] - lowest[others], axis=1))
        over = np.flatnonzero(shared > OVERLAP * areas)
        if len(over):
            return str(names[group]), str(names[others[over[0]]])
    return None
