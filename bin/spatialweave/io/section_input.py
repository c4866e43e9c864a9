"""The files of one row of the samplesheet, as modalities on the spots that belong to the section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.declared import EVERY, Declared
from spatialweave.io.fields import settle_fields
from spatialweave.io.measurement import Coordinates, Measurement
from spatialweave.io.notices import warn
from spatialweave.io.parts import ModalityPart, add_parts, modality_parts, read_file
from spatialweave.io.spot_selection import make_plain, select_in_tissue, select_section
from spatialweave.modalities import MODALITIES


@dataclass
class SectionInput:
    """One row of the samplesheet: `files` by modality, `multi` with several modalities, and facts about them.

    `image` is a picture of the tissue with `scale` pixels per coordinate unit; with `image_features`, its statistics
    around the spots are a modality. `section_column` is a column of obs; the
    section is what it calls by the section's name. `precomputed`, `measured` and `layers` are as in
    :class:`~spatialweave.io.declared.Declared`.
    """

    dataset: str
    section: str
    files: dict[str, Path] = field(default_factory=dict)
    multi: Path | None = None
    spatial: Path | None = None
    labels: str | None = None
    platform: str | None = None
    order: int | None = None
    section_column: str | None = None
    precomputed: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)
    image: Path | None = None
    scale: float | None = None
    image_features: bool = False


def read_parts(row: SectionInput, given: Coordinates | None) -> dict[str, ModalityPart]:
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
    declared = Declared(row.precomputed, row.measured, row.layers, row.platform)
    _check_layers(alone, declared)
    parts: dict[str, ModalityPart] = {}
    for measurement, wanted in measurements:
        if given is None:
            settle_fields(measurement)
        add_parts(parts, modality_parts(measurement, wanted, declared))
    for option, said in (("--precomputed", row.precomputed), ("--measured", row.measured), ("--layer", row.layers)):
        idle = [name for name in said if name != EVERY and name not in parts]
        if idle:
            raise InputError(option, f"the section has no {idle[0]}", "one of " + ", ".join(parts))
    return {name: parts[name] for name in MODALITIES if name in parts}


def _check_layers(measurements: Sequence[Measurement], declared: Declared) -> None:
    """Refuse a layer that is in none of the files."""
    held = {name for measurement in measurements for name in measurement.layers}
    usual = {"counts": "layers['counts']", "X": "X", "raw": "raw"}
    held |= {name for name, slot in usual.items() if any(slot in measurement.slots for measurement in measurements)}
    for layer in declared.layers.values():
        if layer not in held:
            where = ", ".join(dict.fromkeys(measurement.where for measurement in measurements))
            listed = ", ".join(sorted(held)) or "a file with layers (.h5ad, .h5mu or .zarr)"
            raise InputError(where, f"has no layer '{layer}'", f"one of {listed}")


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
