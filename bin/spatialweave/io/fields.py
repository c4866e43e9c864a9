"""Fields of view, libraries or sections of one file: find them, and refuse those that lie over each other.

Sections are recognised by the names of columns, by the names of libraries, or by barcodes or points that two groups of
spots have in common. These groups come from any column or, without one, from the text around the barcodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_string_dtype

from spatialweave.errors import InputError
from spatialweave.io.column_names import BARCODE_NAMES, BATCHES, FIELDS, PLANES, SECTIONS, parts_named
from spatialweave.io.groups import FEWEST_COMMON, SMALL, Groups, group_texts, regularity
from spatialweave.io.measurement import Coordinates, Measurement
from spatialweave.io.notices import warn

ONE_SECTION = "none"
"""Value of the option section_column for files whose spots are one section, whatever their columns say."""

GROUPS = "groups"
"""Kind of parts of a column whose name does not show the kind."""

MOST = {FIELDS: 10**9, SECTIONS: 1_000, BATCHES: 100, PLANES: 100, GROUPS: 100}
"""Largest number of parts of each kind; columns with more are ignored (Seurat's orig.ident may number the cells)."""

FEWEST_IN_PLANE = 10
"""Smallest average number of spots per plane; if fewer spots have the same depth, depths are not planes."""

BARCODE = re.compile(r"[ACGTN]{12,}|s_\d+um_\d+_\d+")
"""Part of a name that identifies a spot of a section: a sequence, or the bin of Visium HD. Programs that join files add
text before or after it that identifies the file."""


@dataclass
class _Parts:
    """Parts that a column distinguishes or, if it has no name, the text around the barcodes."""

    column: str
    what: str
    groups: Groups

    def listed(self) -> str:
        return ", ".join(self.groups.names[:6]) + (", ..." if len(self.groups.names) > 6 else "")


@dataclass
class _Overlap:
    """Two of the parts that lie over each other, with what they have in common ("100 barcodes") if this shows it."""

    parts: _Parts
    pair: tuple[int, int]
    common: str = ""

    def names(self) -> tuple[str, str]:
        one, other = self.pair
        return self.parts.groups.names[one], self.parts.groups.names[other]


def settle_fields(measurement: Measurement) -> None:
    """Use positions on the slide if a file has them and its other positions lie over each other field by field."""
    coordinates = measurement.coordinates
    if coordinates is None or measurement.on_slide is None:
        return
    overlap = _by_name(coordinates, _parts(coordinates.values, measurement.obs, measurement.libraries))
    if overlap:
        one, other = overlap.names()
        warn(
            coordinates.where,
            f"positions of '{one}' and '{other}' ('{overlap.parts.column}') lie over each other, as positions inside "
            f"fields of view do; those on the slide are used, from {measurement.on_slide.where}",
        )
        measurement.coordinates = measurement.on_slide


def check_fields(
    coordinates: Coordinates,
    tables: Mapping[str, pd.DataFrame],
    libraries: tuple[str, ...],
    one_section: bool = False,
) -> None:
    """Refuse coordinates with which fields of view, libraries or sections lie over each other.

    Parameters
    ----------
    coordinates
        Coordinates of all spots of the section.
    tables
        Table of spots of each file, whose columns may assign each spot to a part.
    libraries
        Names of the libraries that the files hold.
    one_section
        The user says that the spots are one section: everything but fields of view only causes a warning.
    """
    assigned = False
    for where, table in tables.items():
        rows = coordinates.names.get_indexer(table.index)
        located = table.iloc[np.flatnonzero(rows >= 0)]
        values = coordinates.values[rows[rows >= 0]]
        parts = list(_parts(values, located, libraries))
        assigned = assigned or any(part.what != PLANES for part in parts)
        assigned = assigned or any(_are_libraries(column, libraries) for _name, column in located.items())
        overlap = _by_name(coordinates, parts) or _by_repeats(values, located) or _by_batch(parts, located.index)
        if overlap:
            _refuse(where, coordinates.where, overlap, one_section)
        elif not one_section:
            _say_taken_for_one(where, parts)
            _say_like_sections(where, values, located)
    if len(libraries) > 1 and not assigned and not one_section:
        _check_unassigned(coordinates, libraries)


def _refuse(where: str, positions: str, overlap: _Overlap, one_section: bool) -> None:
    """Refuse parts that lie over each other, or warn of them if the user says that they are one section."""
    parts, (one, other) = overlap.parts, overlap.names()
    found = f"and those of '{one}' and '{other}' lie over each other at the positions of {positions}"
    found = f"holds {len(parts.groups.names)} {parts.what} ({parts.listed()}), {found}"
    found += f" and have {overlap.common} in common" if overlap.common else ""
    source = f"{where}, column '{parts.column}'" if parts.column else f"{where}, names of the spots"
    if parts.what == FIELDS:
        raise InputError(
            source,
            found,
            "positions on the slide",
            "give them in obsm['spatial_fov'], in columns CenterX_global_px and CenterY_global_px, or as a table "
            "barcode,x,y in the column spatial",
        )
    if one_section:
        warn(source, f"{found}; they are used as one section, as section_column {ONE_SECTION} says")
        return
    split = (
        f"write one row per section in the samplesheet, all with section_column {parts.column}, and {parts.listed()} "
        "in the column section"
        if parts.column
        else "add a column with the section of each spot to obs, or to the table of coordinates, and write "
        "one row per section in the samplesheet, all with the name of that column in section_column"
    )
    fix = f"{split}; if they are one tissue all the same, write section_column {ONE_SECTION}"
    raise InputError(source, found, "one section", fix)


def _say_taken_for_one(where: str, parts: Sequence[_Parts]) -> None:
    """Warn of several sections in one table that do not overlap, and of batches that cover the same tissue."""
    for part in parts:
        if part.what == FIELDS:
            continue
        several = f"holds {len(part.groups.names)} {part.what}"
        lie = "all over the tissue" if any(part.groups.overlapping()) else "side by side"
        warn(
            f"{where}, column '{part.column}'",
            f"{several} {lie} ({part.listed()}), used as one section; to split them, write a row for each with "
            f"section_column {part.column}",
        )
        return


def _say_like_sections(where: str, values: np.ndarray, table: pd.DataFrame) -> None:
    """Warn of columns of text whose groups lie over each other as sections would, whatever the columns are called."""
    covering = {}
    for name, column in table.items():
        if is_string_dtype(column.dtype) and not parts_named(str(name)):
            texts = group_texts(column, MOST[GROUPS])
            if texts is not None and (groups := Groups(values, texts)).cover_one_box():
                covering[str(name)] = groups
    of_all = regularity(values) if covering else 0.0
    found = {name: groups.names for name, groups in covering.items() if groups.keep_no_distance(of_all)}
    if found:
        first = next(iter(found))
        shown = {name: ", ".join(names[:4]) + (", ..." if len(names) > 4 else "") for name, names in found.items()}
        listed = " and ".join(f"'{name}' ({names})" for name, names in shown.items())
        warn(
            where,
            f"the groups of the column{'s' * (len(found) > 1)} {listed} cover the same area and are used as one "
            f"section; if they are several sections, write a row for each with section_column {first}",
        )


def _check_unassigned(coordinates: Coordinates, libraries: tuple[str, ...]) -> None:
    """Warn of several libraries if no column gives the library of each spot; refuse them if spots coincide."""
    found = f"holds {len(libraries)} libraries ({', '.join(libraries[:6])}), and no column gives the library of a spot"
    same = len(coordinates.values) - len(np.unique(coordinates.values, axis=0))
    if same > SMALL * len(coordinates.values):
        raise InputError(
            coordinates.where,
            f"{found}; {same} spots are at the same point as another",
            "one section",
            "add such a column to obs and name it in section_column",
        )
    warn(coordinates.where, f"{found}; it is used as one section")


def _parts(values: np.ndarray, table: pd.DataFrame, libraries: tuple[str, ...]) -> Iterator[_Parts]:
    """Yield the parts of each column that is recognised by its name, or by values that are the names of libraries."""
    for name, column in table.items():
        kind = parts_named(str(name)) or (SECTIONS if _are_libraries(column, libraries) else "")
        most = min(MOST[kind], len(table) // FEWEST_IN_PLANE) if kind == PLANES else MOST.get(kind, 0)
        groups = group_texts(column, most) if kind else None
        if groups is not None:
            yield _Parts(str(name), kind, Groups(values, groups))


def _are_libraries(column: pd.Series, libraries: tuple[str, ...]) -> bool:
    """Return whether the values of a column are names of several libraries."""
    if len(libraries) < 2 or not is_string_dtype(column.dtype):
        return False
    named = set(column.unique()) - {""}
    return bool(named) and named <= set(libraries)


def _by_name(coordinates: Coordinates, parts: Iterable[_Parts]) -> _Overlap | None:
    """Return the first parts that lie over each other and, by the column's name, are not parts of one section."""
    for part in parts:
        # Positions on the slide are right for all fields, though a cell's centre may lie outside its field.
        if part.what == BATCHES or (coordinates.global_by_name and part.what == FIELDS):
            continue
        pair = next(part.groups.overlapping(), None)
        if pair:
            return _Overlap(part, pair)
    return None


def _by_batch(parts: Sequence[_Parts], names: pd.Index) -> _Overlap | None:
    """Return batches that lie over each other and are sections: they cover different areas, or are in spots' names.

    Sequencing lanes of one section have spots everywhere in it; anndata adds the batch to the names of the spots of the
    objects that it joins.
    """
    for part in parts:
        groups, pairs = part.groups, list(part.groups.overlapping()) if part.what == BATCHES else []
        if not pairs:
            continue
        batch_of = zip(names[groups.used], (groups.names[code] for code in groups.codes), strict=True)
        if all(name.startswith(batch) or name.endswith(batch) for name, batch in batch_of):
            return _Overlap(part, pairs[0])
        apart = next((pair for pair in pairs if not groups.spread_alike(*pair)), None)
        if apart:
            return _Overlap(part, apart)
    return None


def _by_repeats(values: np.ndarray, table: pd.DataFrame) -> _Overlap | None:
    """Return the fewest groups by any column that lie over each other and have barcodes or points in common.

    A barcode has one position in a section, so such groups are sections, whatever the name of the column. Cell types
    and lanes also lie over each other, but have no barcodes or points in common.
    """
    barcodes, around = _barcodes(table)
    points = np.unique(values @ np.array([1, 1j]), return_inverse=True)[1]
    keys = {what: codes for what, codes in (("barcodes", barcodes), ("points", points)) if _are_repeated(codes)}
    if not keys:
        return None
    columns = [(str(name), column) for name, column in table.items() if column.dtype.kind != "f"]
    if around is not None:
        columns.append(("", around))
    overlaps = [overlap for name, column in columns if (overlap := _repeating(name, column, values, keys))]
    return min(overlaps, key=lambda overlap: len(overlap.parts.groups.names), default=None)


def _repeating(name: str, column: pd.Series, values: np.ndarray, keys: Mapping[str, np.ndarray]) -> _Overlap | None:
    """Return two groups by one column that lie over each other and have many of the keys in common."""
    texts = group_texts(column, MOST[GROUPS])
    if texts is None:
        return None
    groups = Groups(values, texts)
    for what, codes in keys.items():
        repeating = groups.repeating(codes)
        pair = next((pair for pair in groups.overlapping() if repeating[pair]), None)
        if pair:
            common = np.intersect1d(*(codes[groups.used[groups.codes == group]] for group in pair))
            return _Overlap(_Parts(name, GROUPS, groups), pair, f"{(common >= 0).sum()} {what}")
    return None


def _barcodes(table: pd.DataFrame) -> tuple[np.ndarray, pd.Series | None]:
    """Return a number for the barcode of each spot (-1 = none) and, if some are repeated, the text around barcodes.

    Barcodes are searched in the names of the spots, then in columns of barcodes.
    """
    columns = [column for name, column in table.items() if str(name).strip().lower() in BARCODE_NAMES]
    for names in (table.index.to_series(), *columns):
        if not len(names) or not BARCODE.search(str(names.iloc[0])):
            continue
        texts = names.astype(str).to_list()
        barcodes = [found[0] if (found := BARCODE.search(text)) else "" for text in texts]
        codes = pd.factorize(np.array(barcodes, dtype=object))[0]
        codes[[not barcode for barcode in barcodes]] = -1
        if not _are_repeated(codes):
            return codes, None
        pairs = zip(texts, barcodes, strict=True)
        around = [text.replace(barcode, "...", 1) if barcode else "" for text, barcode in pairs]
        return codes, pd.Series(around, dtype=object)
    return np.full(len(table), -1), None


def _are_repeated(codes: np.ndarray) -> bool:
    """Return whether several spots have the code of another spot; -1 = none."""
    known = codes[codes >= 0]
    return len(known) - int(np.count_nonzero(np.bincount(known))) >= FEWEST_COMMON
