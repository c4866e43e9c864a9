"""From files to one section: modalities selected, checked and joined over the union of their spots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.contract import TRUE_SPATIAL, stamp
from spatialweave.io.coordinates import LOOKED, read_coordinates
from spatialweave.io.fields import check_fields, settle_fields
from spatialweave.io.labels import find_labels
from spatialweave.io.layout import FEWEST, infer_layout, spacing
from spatialweave.io.measurement import Coordinates, Measurement
from spatialweave.io.notices import recorded, warn
from spatialweave.io.parts import ModalityPart, add_parts, modality_parts, read_file
from spatialweave.io.readers.store import TRUE_COLUMNS
from spatialweave.io.shared_spots import all_spots, shared_by_all
from spatialweave.io.spot_selection import make_plain, select_in_tissue, select_section
from spatialweave.io.understood import Understood
from spatialweave.modalities import MODALITIES, known_names
from spatialweave.platforms import platform

if TYPE_CHECKING:
    import mudata


FARTHEST = 1e12
"""Larger coordinates are refused: computing with them would lose precision."""


@dataclass
class SectionInput:
    """One row of the samplesheet: `files` by modality, `multi` with several modalities, and facts about them.

    `precomputed` has the modalities whose values are not raw counts, each with the obsm key of its latents or "".
    `section_column` is a column of obs; the section is what it calls by the section's name.
    """

    dataset: str
    section: str
    files: dict[str, Path] = field(default_factory=dict)
    multi: Path | None = None
    spatial: Path | None = None
    labels: str | None = None
    platform: str | None = None
    order: int | None = None
    precomputed: Mapping[str, str] = field(default_factory=dict)
    section_column: str | None = None


def read_section(row: SectionInput) -> mudata.MuData:
    """Read, check and join the files of one section (the "section" contract of docs/design.md).

    Raises
    ------
    InputError
        For whatever in the files or their combination cannot be used.
    """
    return understand_section(row)[0]


def understand_section(row: SectionInput) -> tuple[mudata.MuData, Understood]:
    """The section as :func:`read_section` gives it, and what was understood of its files."""
    if not row.files and row.multi is None:
        raise InputError("command line", "no modality is given", f"--multi or at least one of {known_names()}")
    named_platform = platform(row.platform).name if row.platform else None
    understood = Understood(row.section)
    with recorded() as notices:
        given = read_coordinates(row.spatial) if row.spatial else None
        parts = _read_parts(row, given)
        spots = all_spots(parts)
        coordinates = _coordinates(parts, spots, given)
        libraries = tuple(dict.fromkeys(name for part in parts.values() for name in part.libraries))
        check_fields(coordinates, _tables_of_spots(parts, given), libraries)
        labels = None
        if row.labels:
            labels = find_labels(row.labels, {part.where: part.data.obs for part in parts.values()}, spots)
        found_platform, why = _platform(named_platform, parts, coordinates)
    facts: dict[str, str | int] = {
        "dataset": row.dataset,
        "section": row.section,
        "platform": found_platform,
        "layout": platform(found_platform).layout,
        "coordinate_unit": coordinates.unit,
    }
    if row.order is not None:
        facts["order"] = row.order
    understood.add("spots", len(spots))
    for name, part in parts.items():
        understood.add("spots", part.data.n_obs, modality=name)
        understood.add("features", part.data.n_vars, f"{part.slot} of {part.where}", name)
    understood.add("shared spots", shared_by_all(parts), "spots that every modality has")
    understood.add("platform", found_platform, why)
    unit = "" if coordinates.unit == "unknown" else f" {coordinates.unit}"
    understood.add("spacing", f"{spacing(coordinates.values):.6g}{unit}", "median distance to the nearest spot")
    understood.add("coordinates", coordinates.where)
    if labels is not None:
        n_labels = len(set(labels) - {""})
        understood.add("labels", row.labels, f"{n_labels} labels on {int((labels != '').sum())} spots")
    for notice in notices:
        understood.add("notice", notice)
    understood.shorten(path for path in (*row.files.values(), row.multi, row.spatial) if path)
    return _join(parts, spots, coordinates.values, labels, facts), understood


def _read_parts(row: SectionInput, given: Coordinates | None) -> dict[str, ModalityPart]:
    """The modalities of all files, on the spots that belong to the section."""
    measurements: list[tuple[Measurement, str | None]] = []
    for name in (*(m for m in MODALITIES if m in row.files), "multi"):
        path = row.multi if name == "multi" else row.files[name]
        wanted = None if name == "multi" else name
        if path is not None:
            measurements += [(measurement, wanted) for measurement in read_file(path, wanted)]
    known = pd.Index([], dtype=object) if given is None else given.names
    known = known.append([m.obs.index for m, _wanted in measurements if m.turned is None])
    measurements = [(_turned_where_needed(m, known), wanted) for m, wanted in measurements]
    alone = [measurement for measurement, _wanted in measurements]
    if row.section_column:
        select_section(alone, given, row.section_column, row.section)
    for measurement in alone:
        make_plain(measurement)
    select_in_tissue(alone, given)
    parts: dict[str, ModalityPart] = {}
    for measurement, wanted in measurements:
        if given is None:
            settle_fields(measurement)
        add_parts(parts, modality_parts(measurement, wanted, row.precomputed))
    idle = [name for name in row.precomputed if name not in parts]
    if idle:
        raise InputError("--precomputed", f"the section has no {idle[0]}", "one of " + ", ".join(parts))
    return {name: parts[name] for name in MODALITIES if name in parts}


def _turned_where_needed(measurement: Measurement, known: pd.Index) -> Measurement:
    """The measurement with its columns as spots, where these and not its rows have the names of the spots known."""
    if measurement.turned is None or measurement.obs.index.isin(known).any():
        return measurement
    turned = measurement.turned()
    spots = turned.obs.index.isin(known)
    if not spots.any():
        return measurement
    warn(measurement.where, "its columns have the names of the spots: its rows are taken for features")
    return turned


def _tables_of_spots(parts: Mapping[str, ModalityPart], given: Coordinates | None) -> dict[str, pd.DataFrame]:
    """Per file its table of spots."""
    found = {part.where: part.data.obs for part in parts.values()}
    if given is not None and given.table is not None:
        found[given.where] = given.table
    return found


def _platform(named: str | None, parts: Mapping[str, ModalityPart], coordinates: Coordinates) -> tuple[str, str]:
    """The platform and why it is that: as named, else as the files say where the coordinates do not contradict."""
    inferred = infer_layout(coordinates.values)
    likely = next((part.platform for part in parts.values() if part.platform), None)
    if named:
        if platform(named).layout != inferred:
            warn(
                coordinates.where,
                f"the spots look like the layout '{inferred}', but the platform {named} is '{platform(named).layout}'; "
                "that is used (give pixels, not array rows and columns)",
            )
        return named, "as given"
    if likely and (platform(likely).layout == inferred or len(coordinates.values) < FEWEST):
        return likely, "by the format of the files"
    if likely:
        warn(
            coordinates.where,
            f"the spots look like the layout '{inferred}', but {likely}, as the files are named, is "
            f"'{platform(likely).layout}'; '{inferred}' is used (name the platform if it is another)",
        )
    return inferred, "by the coordinates"


def _coordinates(parts: dict[str, ModalityPart], spots: pd.Index, given: Coordinates | None) -> Coordinates:
    """Coordinates of all spots: from the table where given, else from the files of the modalities, which must agree."""
    own = [part.coordinates for part in parts.values() if part.coordinates is not None]
    if given is not None:
        if not given.names.isin(spots).any():
            feature_names = any(given.names.isin(part.data.var_names).any() for part in parts.values())
            raise InputError(
                given.where,
                f"its barcodes (first: '{given.names[0]}') match no barcode of the section (first: '{spots[0]}')",
                "the barcodes of the matrices",
                "transpose the matrix to spots x features" if feature_names else "",
            )
        if own and own[0].where.partition(",")[0] != given.where:
            warn(given.where, f"its coordinates are used, not those of {own[0].where}")
        own = [given]
    if not own:
        looked = ", ".join(dict.fromkeys(part.where for part in parts.values()))
        raise InputError(looked, f"no coordinates (looked in {LOOKED})", fix="give a table barcode,x,y by --spatial")
    coordinates = np.full((len(spots), 2), np.nan)
    for source in own:
        rows = spots.get_indexer(source.names)
        known = (rows >= 0) & ~np.isnan(source.values).any(axis=1)
        _agree(coordinates, rows[known], spots, source, source.values[known])
        coordinates[rows[known]] = source.values[known]
    missing = np.flatnonzero(np.isnan(coordinates).any(axis=1))
    if len(missing):
        raise InputError(
            own[0].where,
            f"{len(missing)} of {len(spots)} spots have no coordinates (first: '{spots[missing[0]]}')",
            "x and y of every spot",
            "complete the table, or leave those spots out of the matrices",
        )
    far = np.flatnonzero((np.abs(coordinates) > FARTHEST).any(axis=1))
    if len(far):
        found = f"spot '{spots[far[0]]}' is at {coordinates[far[0]].tolist()}"
        raise InputError(own[0].where, found, f"coordinates up to {FARTHEST:g}", "give pixels or micrometres")
    same = len(coordinates) - len(np.unique(coordinates, axis=0))
    if len(coordinates) > 1 and (same == len(coordinates) - 1 or np.ptp(coordinates, axis=0).max() < 1 / FARTHEST):
        raise InputError(own[0].where, f"all {len(coordinates)} spots are at the same point", "coordinates that differ")
    if same:
        warn(own[0].where, f"{same} spots are at the same point as another spot")
    return Coordinates(
        spots, coordinates, own[0].where, own[0].unit, global_by_name=all(source.global_by_name for source in own)
    )


def _agree(coordinates: np.ndarray, rows: np.ndarray, spots: pd.Index, source: Coordinates, values: np.ndarray) -> None:
    """Refuse coordinates that contradict those already known of the same spots."""
    before = coordinates[rows]
    extent = float(np.ptp(values, axis=0).max()) if len(values) else 0.0
    differ = (np.abs(before - values) > 1e-6 * extent).any(axis=1)
    if differ.any():
        first = int(differ.argmax())
        raise InputError(
            source.where,
            f"spot '{spots[rows[first]]}' is at {values[first].tolist()}, in another modality at "
            f"{before[first].tolist()}",
            "the same coordinates in all modalities",
            "give one table barcode,x,y by --spatial",
        )


def _true_coordinates(parts: dict[str, ModalityPart], spots: pd.Index) -> np.ndarray | None:
    """True coordinates of the spots (spots x 2), where the modalities' tables give one for every spot."""
    true = np.full((len(spots), 2), np.nan)
    for part in parts.values():
        if all(column in part.data.obs for column in TRUE_COLUMNS):
            given = [pd.to_numeric(part.data.obs[column], errors="coerce").to_numpy(float) for column in TRUE_COLUMNS]
            true[spots.get_indexer(part.data.obs_names)] = np.column_stack(given)
    return true if np.isfinite(true).all() else None


def _join(
    parts: dict[str, ModalityPart],
    spots: pd.Index,
    coordinates: np.ndarray,
    labels: np.ndarray | None,
    facts: dict[str, str | int],
) -> mudata.MuData:
    import mudata

    mudata.set_options(pull_on_update=False)
    for part in parts.values():
        part.data.obsm["spatial"] = coordinates[spots.get_indexer(part.data.obs_names)]
    section = mudata.MuData({name: part.data for name, part in parts.items()})
    rows = spots.get_indexer(section.obs_names)
    section.obs["section"] = np.full(len(rows), facts["section"], dtype=object)
    if labels is not None:
        section.obs["label"] = labels[rows]
    section.obsm["spatial"] = coordinates[rows]
    true = _true_coordinates(parts, spots)
    if true is not None:
        section.obsm[TRUE_SPATIAL] = true[rows]
    section.uns["spatialweave"] = stamp("section", **facts)
    return section
