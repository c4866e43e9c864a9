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
from spatialweave.io.labels import find_labels
from spatialweave.io.layout import infer_layout
from spatialweave.io.measurement import Coordinates
from spatialweave.io.notices import warn
from spatialweave.io.parts import ModalityPart, read_parts
from spatialweave.io.readers.store import TRUE_COLUMNS
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


def read_section(row: SectionInput) -> mudata.MuData:
    """Read, check and join the files of one section (the "section" contract of docs/design.md).

    Raises
    ------
    InputError
        For whatever in the files or their combination cannot be used.
    """
    if not row.files and row.multi is None:
        raise InputError("command line", "no modality is given", f"--multi or at least one of {known_names()}")
    named_platform = platform(row.platform).name if row.platform else None
    parts: dict[str, ModalityPart] = {}
    for name in (*(m for m in MODALITIES if m in row.files), "multi"):
        path = row.multi if name == "multi" else row.files[name]
        if path is None:
            continue
        for modality, part in read_parts(path, None if name == "multi" else name, row.precomputed).items():
            if modality in parts:
                raise InputError(
                    part.where, f"holds {modality}, which {parts[modality].where} gives as well", "each modality once"
                )
            parts[modality] = part
    parts = {name: parts[name] for name in MODALITIES if name in parts}
    idle = [name for name in row.precomputed if name not in parts]
    if idle:
        raise InputError("--precomputed", f"the section has no {idle[0]}", "one of " + ", ".join(parts))
    spots = _union(parts)
    coordinates = _coordinates(parts, spots, row.spatial)
    labels = None
    if row.labels:
        labels = find_labels(row.labels, {part.where: part.data.obs for part in parts.values()}, spots)
    found_platform = named_platform or next((p.platform for p in parts.values() if p.platform), None)
    inferred = infer_layout(coordinates.values)
    if found_platform and platform(found_platform).layout != inferred:
        warn(
            coordinates.where,
            f"the spots look like the layout '{inferred}', but the platform {found_platform} is "
            f"'{platform(found_platform).layout}'; that is used (give pixels, not array rows and columns)",
        )
    facts: dict[str, str | int] = {
        "dataset": row.dataset,
        "section": row.section,
        "platform": found_platform or inferred,
        "layout": platform(found_platform or inferred).layout,
        "coordinate_unit": coordinates.unit,
    }
    if row.order is not None:
        facts["order"] = row.order
    return _join(parts, spots, coordinates.values, labels, facts)


def _union(parts: dict[str, ModalityPart]) -> pd.Index:
    """All spots in the order of first appearance; a modality that shares no spot with any other is refused."""
    for name, part in reversed(parts.items()):
        others = [other.data.obs_names for key, other in parts.items() if key != name]
        if others and not any(part.data.obs_names.isin(other).any() for other in others):
            raise InputError(
                part.where,
                f"no barcode of {name} (first: '{part.data.obs_names[0]}') is among those of the other modalities "
                f"(first: '{others[0][0]}')",
                "the same names for the same spots",
            )
    spots = pd.Index([], dtype=object)
    for part in parts.values():
        names = part.data.obs_names
        spots = spots.append(names[~names.isin(spots)])
    return spots


def _coordinates(parts: dict[str, ModalityPart], spots: pd.Index, table: Path | None) -> Coordinates:
    """Coordinates of all spots: from the table where given, else from the files of the modalities, which must agree."""
    own = [part.coordinates for part in parts.values() if part.coordinates is not None]
    if table is not None:
        given = read_coordinates(table)
        if not given.names.isin(spots).any():
            feature_names = any(given.names.isin(part.data.var_names).any() for part in parts.values())
            raise InputError(
                str(table),
                f"its barcodes (first: '{given.names[0]}') match no barcode of the section (first: '{spots[0]}')",
                "the barcodes of the matrices",
                "transpose the matrix to spots x features" if feature_names else "",
            )
        if own:
            warn(str(table), f"its coordinates are used, not those of {own[0].where}")
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
    return Coordinates(spots, coordinates, own[0].where, own[0].unit)


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
