"""Selection of the spots of the files that belong to the section and are in the tissue."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.column_names import spelled
from spatialweave.io.labels import clean
from spatialweave.io.measurement import Coordinates, Measurement, plain_frame, plain_names
from spatialweave.io.notices import warn

IN_TISSUE = "in_tissue"
SEURAT_FLAG, SEURAT_PIXEL = "tissue", frozenset({"imagerow", "imagecol"})
"""Name of the flag in Seurat's table of coordinates, and columns beside it; elsewhere `tissue` names an organ."""

YES, NO = ("1", "1.0", "true", "t", "yes"), ("0", "0.0", "false", "f", "no")
"""Texts (any case) of flags, including those of R and pandas."""


def name_of_section(value: str) -> str:
    """Convert a value of a column to a name of a section, which may not hold blanks and most other characters."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", value)


def select_section(measurements: Sequence[Measurement], table: Coordinates | None, column: str, section: str) -> None:
    """Restrict all measurements to the spots that belong to `section` by `column` of their own tables.

    A file without that column is restricted to the barcodes that the others, or the table of coordinates, select.
    """
    holders = [m for m in measurements if column in m.obs.columns]
    listed = table.table if table is not None and table.table is not None else pd.DataFrame()
    if not holders and column not in listed.columns:
        columns = sorted({str(name) for frame in (*(m.obs for m in measurements), listed) for name in frame.columns})
        near = difflib.get_close_matches(column, columns, n=3, cutoff=0.5) or columns[:8]
        raise InputError(
            ", ".join(dict.fromkeys(m.where for m in measurements)),
            f"obs has no column '{column}' (section_column)",
            "one of its columns (" + (", ".join(f"'{name}'" for name in near) or "it has none") + ")",
        )
    selected = [_restrict_to_section(m, column, section) for m in holders]
    if not holders:
        selected = [listed.index[_of_section(str(table.where if table else ""), listed[column], column, section)]]
    names = selected[0].append(selected[1:])
    for measurement in measurements:
        if column not in measurement.obs.columns:
            measurement.keep(np.flatnonzero(measurement.obs.index.isin(names)))
            if not len(measurement.obs):
                raise InputError(
                    measurement.where,
                    f"none of its barcodes belongs to section '{section}' by the column '{column}' of the other files",
                    "the barcodes of that section",
                )


def _restrict_to_section(measurement: Measurement, column: str, section: str) -> pd.Index:
    measurement.keep(_of_section(measurement.where, measurement.obs[column], column, section))
    return measurement.obs.index


def _of_section(where: str, values: pd.Series, column: str, section: str) -> np.ndarray:
    """Return the rows of `section`."""
    texts = clean(values)
    matches = [text for text in dict.fromkeys(texts) if text and section in (text, name_of_section(text))]
    if len(matches) != 1:
        names = list(dict.fromkeys(name_of_section(text) for text in texts if text))
        listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        wrong = f"several of its values mean section '{section}'" if matches else f"no spot is of section '{section}'"
        raise InputError(f"{where}, obs column '{column}'", wrong, f"one of {listed} as the section")
    return np.flatnonzero(texts == matches[0])


def select_in_tissue(measurements: Sequence[Measurement], table: Coordinates | None) -> None:
    """Leave out the spots that are outside the tissue by a column in_tissue of a file or of the table of coordinates.

    Spellings that :func:`~spatialweave.io.column_names.spelled` treats as equal are accepted, and so is Seurat's column
    (:data:`SEURAT_FLAG`).
    """
    flagged = _flagged(measurements, table)
    outside: set[str] = set()
    for where, flags in flagged:
        outside.update(flags.index[is_outside(flags, partial(_place, where, flags))])
    if not outside:
        return
    total: set[str] = set()
    lost: set[str] = set()
    for measurement in measurements:
        out = measurement.obs.index.isin(outside)
        total.update(measurement.obs.index)
        lost.update(measurement.obs.index[out])
        if out.all():
            raise InputError(measurement.where, "none of its spots is in the tissue", "in_tissue = 1 for some spots")
        if out.any():
            measurement.keep(np.flatnonzero(~out))
    if lost:
        where = ", ".join(dict.fromkeys(where for where, _flags in flagged))
        names = " or ".join(dict.fromkeys(str(flags.name) for _where, flags in flagged))
        warn(where, f"{len(lost)} of {len(total)} spots are outside the tissue ({names} is 0), left out")


def _flagged(measurements: Sequence[Measurement], table: Coordinates | None) -> list[tuple[str, pd.Series]]:
    """Return the columns that flag the spots in the tissue, and the source of each."""
    frames = [(f"{m.where}, obs", m.obs) for m in measurements]
    if table is not None and table.table is not None:
        frames.append((table.where, table.table))
    return [(where, frame.iloc[:, i]) for where, frame in frames for i in _flags_among(frame)]


def _flags_among(frame: pd.DataFrame) -> list[int]:
    """Return positions of the columns that flag the spots in the tissue."""
    names = [spelled(name) for name in frame.columns]
    flags = [i for i, name in enumerate(names) if name == IN_TISSUE]
    if SEURAT_FLAG in names and set(names) >= SEURAT_PIXEL:
        position = names.index(SEURAT_FLAG)
        # Beside Seurat's coordinates, the column may also name organs.
        flags += [position] if np.isin(_texts(frame.iloc[:, position]), (*YES, *NO)).all() else []
    return flags


def is_outside(flags: pd.Series, place: Callable[[int], str]) -> np.ndarray:
    """Return where a flag is 0; anything but 0 and 1, or false and true, is refused with the `place` of its row."""
    texts = _texts(flags)
    odd = np.flatnonzero(~np.isin(texts, (*YES, *NO)))
    if len(odd):
        raise InputError(
            place(int(odd[0])), f"'{texts[odd[0]]}' is neither 0 nor 1", "0 or 1 (or false and true, no and yes)"
        )
    return np.isin(texts, NO)


def _place(where: str, flags: pd.Series, row: int) -> str:
    return f"{where}, column '{flags.name}', spot '{flags.index[row]}'"


def _texts(flags: pd.Series) -> np.ndarray:
    return np.array([text.lower() for text in clean(flags)], dtype=object)


def make_plain(measurement: Measurement) -> None:
    """Give the spots plain names and plain columns; missing and repeated names are refused."""
    names = plain_names(measurement.obs.index, measurement.where, "spot")
    twice = np.flatnonzero(names.duplicated())
    if len(twice):
        first = int((names == names[twice[0]]).argmax())
        raise InputError(
            measurement.where,
            f"barcode '{names[twice[0]]}' names row {first + 1} and row {twice[0] + 1}",
            "each barcode once",
        )
    measurement.obs = plain_frame(measurement.obs, names)
