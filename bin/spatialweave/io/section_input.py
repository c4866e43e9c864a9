"""Reading of the files of one row of the samplesheet as modalities on the spots that belong to the section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.choices import Choices
from spatialweave.io.coordinates import CHANNELS, in_names, name_as_section
from spatialweave.io.counts import IN_OBSM
from spatialweave.io.declared import EVERY, Declared
from spatialweave.io.fields import ONE_SECTION, settle_fields
from spatialweave.io.genomes import genomes_of
from spatialweave.io.labels import check_labels, label_column
from spatialweave.io.measurement import Coordinates, Measurement
from spatialweave.io.notices import warn
from spatialweave.io.numbered_spots import settle_numbers
from spatialweave.io.parts import ModalityPart, add_parts, modality_parts, read_file
from spatialweave.io.readers import lists_all_barcodes
from spatialweave.io.spot_selection import make_plain, select_in_tissue, select_section
from spatialweave.modalities import MODALITIES, modality_of


@dataclass
class SectionInput:
    """One row of the samplesheet: `files` by modality, `multi` with several modalities, and facts about them.

    `image` is a picture of the tissue with `scale` pixels per coordinate unit; with `image_features`, its statistics
    around the spots are a modality. `section_column` is a column of obs that selects the spots with the section's name;
    :data:`~spatialweave.io.fields.ONE_SECTION` means that the files hold one section. `precomputed`, `measured` and
    `layers` are as in :class:`~spatialweave.io.declared.Declared`, `bins` and `peaks` as in
    :class:`~spatialweave.io.choices.Choices`. `genome` selects the features of one genome. `carried` are the user's
    own columns, by name without meta_.
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
    carried: Mapping[str, str] = field(default_factory=dict)
    bins: Mapping[str, str] = field(default_factory=dict)
    peaks: Path | None = None
    image: Path | None = None
    scale: float | None = None
    image_features: bool = False
    genome: str | None = None

    @property
    def selects(self) -> bool:
        """Whether a column selects the section among several in the files."""
        return bool(self.section_column) and self.section_column != ONE_SECTION


def read_parts(row: SectionInput, coordinates: Coordinates | None) -> dict[str, ModalityPart]:
    """Read the modalities of all files, on the spots that belong to the section; `coordinates` are those of a table."""
    measurements = _read_files(row, coordinates)
    spot_names = pd.Index([], dtype=object) if coordinates is None else coordinates.names
    spot_names = spot_names.append([m.obs.index for m, _wanted in measurements if m.turned is None])
    measurements = [(_turned_where_needed(m, spot_names), wanted) for m, wanted in measurements]
    alone = [measurement for measurement, _wanted in measurements]
    if coordinates is not None:
        name_as_section(coordinates, [measurement.obs for measurement in alone])
    if row.selects and row.section_column:
        if any(row.section_column not in measurement.obs for measurement in alone):
            # A file without that column is selected by the names of its spots.
            settle_numbers(alone, coordinates)
        select_section(alone, coordinates, row.section_column, row.section)
    for measurement in alone:
        make_plain(measurement)
        if coordinates is None and measurement.coordinates is None:
            measurement.coordinates = in_names(measurement.obs.index, measurement.where)
            if measurement.coordinates is not None and CHANNELS.match(str(measurement.obs.index[0])):
                measurement.platform = "dbit"
    settle_numbers(alone, coordinates)
    select_in_tissue(alone, coordinates)
    if row.labels:
        check_labels(row.labels, {measurement.where: measurement.obs for measurement in alone})
    declared = Declared(row.precomputed, row.measured, row.layers, row.genome, row.platform)
    _check_layers(alone, declared)
    parts: dict[str, ModalityPart] = {}
    for measurement, wanted in measurements:
        if coordinates is None:
            settle_fields(measurement)
        add_parts(parts, modality_parts(measurement, wanted, declared))
    for option, named in (("--precomputed", row.precomputed), ("--measured", row.measured), ("--layer", row.layers)):
        absent = [name for name in named if name != EVERY and name not in parts]
        if absent:
            raise InputError(option, f"the section has no {absent[0]}", "one of " + ", ".join(parts))
    if row.genome:
        _check_genome(row.genome, parts)
    _name_unread_tables(alone, parts)
    return {name: parts[name] for name in MODALITIES if name in parts}


def _check_genome(genome: str, parts: Mapping[str, ModalityPart]) -> None:
    """Refuse a genome of which no modality has features; one that has features of another genome alone keeps them."""
    named = {name for part in parts.values() for name in genomes_of(part.data.var) if name}
    if genome not in named:
        files = ", ".join(dict.fromkeys(part.where for part in parts.values()))
        found = f"has features of {', '.join(sorted(named))} alone" if named else "names no genome"
        raise InputError(files, found, f"features of {genome}", "leave the column genome empty")


def _read_files(row: SectionInput, coordinates: Coordinates | None) -> list[tuple[Measurement, str | None]]:
    """Read the matrices of all files, each with the modality under which its file is given."""
    files: list[tuple[Path, str | None]] = [(row.files[name], name) for name in MODALITIES if name in row.files]
    files += [(row.multi, None)] if row.multi is not None else []
    choices = Choices(
        row.bins,
        peaks=row.peaks,
        section_column=row.section_column,
        section=row.section,
        known=None if coordinates is None else coordinates.names,
        labels=label_column(row.labels) if row.labels else "",
    )
    measurements: list[tuple[Measurement, str | None]] = []
    # Files that list all barcodes come last: the others show which barcodes are spots.
    for path, wanted in sorted(files, key=lambda file: lists_all_barcodes(file[0])):
        if coordinates is None and lists_all_barcodes(path):
            placed = [m.coordinates.names for m, _wanted in measurements if m.coordinates is not None]
            choices.known = placed[0].append(placed[1:]).unique() if placed else None
        measurements += [(measurement, wanted) for measurement in read_file(path, wanted, choices.on(wanted))]
    choices.check_taken()
    return measurements


def _check_layers(measurements: Sequence[Measurement], declared: Declared) -> None:
    """Refuse a layer that is in none of the files."""
    held = {name for measurement in measurements for name in measurement.layers}
    held |= {IN_OBSM + key for measurement in measurements for key in measurement.frames}
    usual = {"counts": "layers['counts']", "X": "X", "raw": "raw"}
    held |= {name for name, slot in usual.items() if any(slot in measurement.slots for measurement in measurements)}
    for layer in declared.layers.values():
        if layer not in held:
            where = ", ".join(dict.fromkeys(measurement.where for measurement in measurements))
            listed = ", ".join(sorted(held)) or "a file with layers (.h5ad, .h5mu or .zarr)"
            raise InputError(where, f"has no layer '{layer}'", f"one of {listed}")


def _name_unread_tables(measurements: Sequence[Measurement], parts: Mapping[str, ModalityPart]) -> None:
    """Warn of tables in obsm that are called like a modality which the section does not have otherwise."""
    for measurement in measurements:
        for key in measurement.frames:
            modality = modality_of(key)
            if modality is not None and modality not in parts:
                warn(
                    measurement.where,
                    f"its obsm['{key}'] is not read; to use it as {modality}, give the file in the column {modality}, "
                    f"too, and write {modality}:{IN_OBSM}{key} in the column layer",
                )


def _turned_where_needed(measurement: Measurement, known: pd.Index) -> Measurement:
    """Return the measurement with its columns as spots if the columns, and not the rows, have the names of spots."""
    if measurement.turned is None or measurement.obs.index.isin(known).any():
        return measurement
    turned = measurement.turned()
    named_by_place = in_names(turned.obs.index, "") is not None and in_names(measurement.obs.index, "") is None
    if not turned.obs.index.isin(known).any() and not named_by_place:
        return measurement
    warn(measurement.where, "its columns have the names of the spots, so its rows are read as features")
    return turned
