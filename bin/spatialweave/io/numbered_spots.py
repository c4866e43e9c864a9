"""Spots that two files name by running numbers: paired by barcodes where the same number means different spots.

A number is a position in a table. If spots have been left out of one table and the rest numbered again, the same number
is a different spot in each table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.column_names import BARCODE_NAMES
from spatialweave.io.labels import clean
from spatialweave.io.measurement import Coordinates, Measurement
from spatialweave.io.notices import warn
from spatialweave.io.readers.spelling import without_number

MOVED = 0.5
"""Numbers contradict coordinates if, of the spots whose coordinates differ between the files, more than this fraction
are at coordinates of other spots. Coordinates in another frame are at none."""


def settle_numbers(measurements: Sequence[Measurement], given: Coordinates | None) -> None:
    """Name spots by their barcodes if files name them by numbers that mean different barcodes in different files.

    Spots with numbers also get the barcodes of a column if these, and not the numbers, are in another file.

    Raises
    ------
    InputError
        If the numbers contradict each other and the files cannot be joined by barcodes.
    """
    _name_as_others(measurements)
    numbered = [measurement for measurement in measurements if _are_numbers(measurement.obs.index)]
    for one, other in combinations(numbered, 2):
        names = one.obs.index.intersection(other.obs.index, sort=False)
        if not len(names):
            continue
        rows = one.obs.index.get_indexer(names), other.obs.index.get_indexer(names)
        columns = _common_barcodes(one, other)
        for column, barcodes in columns:
            differ = np.flatnonzero(barcodes[0][rows[0]] != barcodes[1][rows[1]])
            if len(differ):
                spot = names[differ[0]]
                mine, theirs = (str(m.obs[column].loc[spot]) for m in (one, other))
                found = f"spot '{spot}' has the {column} '{theirs}', in {one.where} '{mine}'"
                _join(numbered, given, column, InputError(other.where, f"{found} ({len(differ)} spots differ)"))
                return
        if not columns:
            _check_places(one, other, rows)


def _name_as_others(measurements: Sequence[Measurement]) -> None:
    """Name numbered spots by the column that holds most of the names in a file that has names."""
    named = [m.obs.index for m in measurements if not _are_numbers(m.obs.index)]
    others = named[0].append(named[1:]) if named else pd.Index([], dtype=object)
    for measurement in measurements:
        if not len(others) or not _are_numbers(measurement.obs.index) or measurement.obs.index.isin(others).any():
            continue
        fewer = min(len(measurement.obs), *map(len, named))
        for column, values in measurement.obs.items():
            if str(column).strip().lower() in BARCODE_NAMES and values.is_unique:
                texts = pd.Index(clean(values), dtype=object)
                if texts.isin(others).sum() > fewer / 2:
                    warn(measurement.where, f"its spots are named by the column '{column}', and not by their numbers")
                    _rename(measurement, texts)
                    break


def _rename(measurement: Measurement, names: pd.Index) -> None:
    measurement.obs = measurement.obs.set_axis(names)
    for part in ("coordinates", "on_slide"):
        coordinates = getattr(measurement, part)
        setattr(measurement, part, None if coordinates is None else replace(coordinates, names=names))


def _are_numbers(names: pd.Index) -> bool:
    # Checking the first name is usually enough; names may be repeated before one section is selected.
    return bool(len(names) and str(names[0]).isdecimal() and names.is_unique and names.str.isdecimal().all())


def _common_barcodes(one: Measurement, other: Measurement) -> list[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Return columns of barcodes that two files have, and these barcodes without the numbers of wells.

    A column with repeated values in both files is not used: "cell" may be the type of the cell.
    """
    shared_columns = []
    for column in one.obs.columns.intersection(other.obs.columns, sort=False):
        if str(column).strip().lower() not in BARCODE_NAMES:
            continue
        series = one.obs[column], other.obs[column]
        if any(values.is_unique for values in series):
            plain = [without_number(pd.Index(clean(values), dtype=object)).to_numpy() for values in series]
            shared_columns.append((str(column), (plain[0], plain[1])))
    return shared_columns


def _join(numbered: Sequence[Measurement], given: Coordinates | None, column: str, why: InputError) -> None:
    """Name all numbered spots by the values of a column, which must name each spot once."""
    fix = f"name the spots of all files by their barcodes, or give each a column '{column}' that names every spot once"
    if given is not None and _are_numbers(given.names):
        raise InputError(why.where, f"{why.found}, and {given.where} also names spots by numbers", "barcodes", fix)
    names = []
    for measurement in numbered:
        texts = pd.Index(clean(measurement.obs[column]) if column in measurement.obs else [], dtype=object)
        if not len(texts) or not texts.is_unique or (texts == "").any():
            found = f"{why.found}, and no column '{column}' of {measurement.where} names every spot once"
            raise InputError(why.where, found, "the same numbers for the same spots", fix)
        names.append(texts)
    warn(why.where, f"{why.found}: the files are joined by '{column}' and not by the numbers of their spots")
    for measurement, texts in zip(numbered, names, strict=True):
        _rename(measurement, texts)


def _check_places(one: Measurement, other: Measurement, rows: tuple[np.ndarray, np.ndarray]) -> None:
    """Refuse numbers whose coordinates belong to other spots in the other file; warn if they cannot be checked."""
    fix = "name the spots of both files by their barcodes"
    if one.coordinates is not None and other.coordinates is not None:
        all_points, theirs = (placed.values @ np.array([1, 1j]) for placed in (one.coordinates, other.coordinates))
        points, theirs = all_points[rows[0]], theirs[rows[1]]
        moved = np.flatnonzero(points != theirs)
        if not len(moved):
            return
        if np.isin(theirs[moved], all_points).mean() > MOVED:
            spot = other.obs.index[rows[1][moved[0]]]
            raise InputError(
                other.where,
                f"spot '{spot}' has other coordinates than in {one.where}, where its number names another spot "
                f"({len(moved)} spots differ)",
                "the same numbers for the same spots",
                fix,
            )
    first, second = (_start_of_run(m.obs.index) for m in (one, other))
    if first is None or second is None:
        return
    found = (
        f"names its {len(other.obs)} spots by numbers from {second}, and {one.where} its {len(one.obs)} from {first}"
    )
    if len(one.obs) != len(other.obs):
        assumed = "equal numbers are assumed to be the same spots, without common barcodes or coordinates to check"
        warn(other.where, f"{found}; {assumed} (to be sure, {fix})")
    elif first != second:
        raise InputError(other.where, found, "the same numbers for the same spots", fix)


def _start_of_run(names: pd.Index) -> int | None:
    """Return where numbers start that run from 0 or 1 without a gap, and so do not show whether spots were left out."""
    numbers = np.sort(names.astype(float).to_numpy())
    runs = numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1
    return int(numbers[0]) if runs else None
