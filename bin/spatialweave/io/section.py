"""Reading of the files of one section: modalities are selected, checked and joined over the union of their spots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.contract import CARRIED, MICROMETRES, TRUE_SPATIAL, is_intensities, stamp
from spatialweave.io.coordinates import read_coordinates, straightened
from spatialweave.io.count_matrix import SpotBlocks, in_memory
from spatialweave.io.fields import ONE_SECTION, check_fields
from spatialweave.io.labels import find_labels
from spatialweave.io.layout import FEWEST, infer_layout, spacing
from spatialweave.io.measurement import Coordinates
from spatialweave.io.notices import recorded, warn
from spatialweave.io.parts import ModalityPart
from spatialweave.io.readers.store import TRUE_COLUMNS
from spatialweave.io.section_coordinates import section_coordinates
from spatialweave.io.section_image import MORPHOLOGY, micrometres, morphology, section_image
from spatialweave.io.section_input import SectionInput, read_parts
from spatialweave.io.shared_spots import all_spots, shared_by_all
from spatialweave.io.tissue_image import IMAGE, TissueImage
from spatialweave.io.understood import Understood
from spatialweave.modalities import COUNTS, INTENSITIES, known_names
from spatialweave.platforms import platform

if TYPE_CHECKING:
    import mudata


@dataclass
class Section:
    """Section, as in the "section" contract of docs/design.md.

    Attributes
    ----------
    data
        The section; modalities whose counts are read by blocks have no X.
    counts
        Counts of these modalities, which stay in their files.
    """

    data: mudata.MuData
    counts: dict[str, SpotBlocks]

    def in_memory(self) -> mudata.MuData:
        """Read all counts into X, and return the section."""
        for name, counts in self.counts.items():
            self.data.mod[name].X = in_memory(counts).astype(np.float32)
        return self.data


def read_section(row: SectionInput) -> mudata.MuData:
    """Return the section of :func:`understand_section`, in memory."""
    return understand_section(row)[0].in_memory()


@dataclass(frozen=True)
class _Found:
    """What the files of a section hold.

    Attributes
    ----------
    why
        Why this platform.
    labels
        One per spot; None if there are none.
    image
        The image, and where it is from.
    """

    parts: dict[str, ModalityPart]
    spots: pd.Index
    coordinates: Coordinates
    platform: str
    why: str
    labels: np.ndarray | None
    image: tuple[TissueImage, str] | None


def understand_section(row: SectionInput) -> tuple[Section, Understood]:
    """Read, check and join the files of one section, and record the facts found in them.

    Raises
    ------
    InputError
        For anything in the files or their combination that cannot be used.
    """
    if not row.files and row.multi is None:
        raise InputError("command line", "no modality is given", f"--multi or at least one of {known_names()}")
    with recorded() as notices:
        found = _read(row)
    length = micrometres(found.coordinates, found.platform)
    understood = _understood(row, found, length, notices)
    section = _join(found, _facts(row, found, length))
    for name, value in row.carried.items():
        section.obs[CARRIED + name] = np.full(section.n_obs, value, dtype=object)
    by_blocks = {name: part.counts for name, part in found.parts.items() if part.data.X is None}
    return Section(section, by_blocks), understood


def _read(row: SectionInput) -> _Found:
    """Read the files of a section, and check that they go together."""
    named_platform = platform(row.platform).name if row.platform else None
    table = read_coordinates(row.spatial) if row.spatial else None
    parts = read_parts(row, table)
    spots = all_spots(parts)
    coordinates = section_coordinates(parts, spots, table)
    if named_platform and platform(named_platform).layout == "hexagonal":
        coordinates = straightened(coordinates)
    # If a column selects the section, its libraries are separated already.
    names = [] if row.selects else [name for part in parts.values() for name in part.libraries]
    libraries = tuple(dict.fromkeys(names))
    check_fields(coordinates, _tables_of_spots(parts, table), libraries, row.section_column == ONE_SECTION)
    labels = None
    if row.labels:
        labels = find_labels(row.labels, {part.where: part.data.obs for part in parts.values()}, spots)
    platform_name, why = _platform(named_platform, parts, coordinates)
    image = section_image(row.section, row.image, row.scale, parts, coordinates)
    if row.image_features:
        parts = _with_morphology(parts, image, coordinates)
    return _Found(parts, spots, coordinates, platform_name, why, labels, image)


def _facts(row: SectionInput, found: _Found, length: float | None) -> dict[str, str | int | float]:
    """Return the facts in the file's stamp; `length` is micrometres per coordinate unit."""
    facts: dict[str, str | int | float] = {
        "dataset": row.dataset,
        "section": row.section,
        "platform": found.platform,
        "layout": platform(found.platform).layout,
        "coordinate_unit": found.coordinates.unit,
    }
    if row.order is not None:
        facts["order"] = row.order
    if length is not None:
        facts[MICROMETRES] = length
    return facts


def _understood(row: SectionInput, found: _Found, length: float | None, notices: Sequence[str]) -> Understood:
    """Return what was found in the files, for the user to check."""
    understood, parts, coordinates = Understood(row.section), found.parts, found.coordinates
    understood.add("spots", len(found.spots))
    for name, part in parts.items():
        understood.add("spots", part.data.n_obs, modality=name)
        values = INTENSITIES if is_intensities(name, part.data.uns) else COUNTS
        understood.add("features", part.data.n_vars, f"{values} of {part.where}, {part.slot}", name)
    understood.add("shared spots", shared_by_all(parts), "spots that every modality has")
    understood.add("platform", found.platform, found.why)
    unit = "" if coordinates.unit == "unknown" else f" {coordinates.unit}"
    understood.add("spacing", f"{spacing(coordinates.values):.6g}{unit}", "median distance to the nearest spot")
    understood.add("coordinates", coordinates.where)
    if length is not None:
        understood.add("micrometres", f"{length:.4g}", "per coordinate unit")
    if found.image is not None:
        image, where = found.image
        understood.add("image", f"{image.size[0]} x {image.size[1]} pixels", where)
    if found.labels is not None:
        n_labels = len(set(found.labels) - {""})
        understood.add("labels", row.labels, f"{n_labels} labels on {int((found.labels != '').sum())} spots")
    for notice in notices:
        understood.add("notice", notice)
    understood.shorten(path for path in (*row.files.values(), row.multi, row.spatial, row.image) if path)
    return understood


def _with_morphology(
    parts: Mapping[str, ModalityPart], image: tuple[TissueImage, str] | None, coordinates: Coordinates
) -> dict[str, ModalityPart]:
    """Add the statistics of the image as a modality."""
    if MORPHOLOGY in parts:
        raise InputError(
            "--image-features", f"{parts[MORPHOLOGY].where} has a modality {MORPHOLOGY}", "only one of them"
        )
    if image is None:
        raise InputError("--image-features", "the section has no image that can be used", fix="give one by --image")
    return {**parts, MORPHOLOGY: morphology(*image, coordinates)}


def _tables_of_spots(parts: Mapping[str, ModalityPart], given: Coordinates | None) -> dict[str, pd.DataFrame]:
    """Return the table of spots of each file."""
    tables = {part.where: part.data.obs for part in parts.values()}
    if given is not None and given.table is not None:
        tables[given.where] = given.table
    return tables


def _platform(named: str | None, parts: Mapping[str, ModalityPart], coordinates: Coordinates) -> tuple[str, str]:
    """Return the platform and the reason: the name given, else by the files if coordinates do not contradict them."""
    inferred = infer_layout(coordinates.values)
    likely = next((part.platform for part in parts.values() if part.platform), None)
    if named:
        if platform(named).layout != inferred:
            warn(
                coordinates.where,
                f"the spots look like the layout '{inferred}', but the layout of the platform {named} is "
                f"'{platform(named).layout}', which is used (give pixels, not array rows and columns)",
            )
        return named, "as given"
    if likely and (platform(likely).layout == inferred or len(coordinates.values) < FEWEST):
        return likely, "by the format of the files"
    if likely:
        warn(
            coordinates.where,
            f"the spots look like the layout '{inferred}', but that of {likely}, the platform of the files' format, is "
            f"'{platform(likely).layout}'; '{inferred}' is used (name the platform if it is another)",
        )
    return inferred, "by the coordinates"


def _true_coordinates(parts: dict[str, ModalityPart], spots: pd.Index) -> np.ndarray | None:
    """Return true coordinates of the spots (spots x 2) if the modalities' tables give them for every spot."""
    true = np.full((len(spots), 2), np.nan)
    for part in parts.values():
        if all(column in part.data.obs for column in TRUE_COLUMNS):
            columns = [pd.to_numeric(part.data.obs[column], errors="coerce").to_numpy(float) for column in TRUE_COLUMNS]
            true[spots.get_indexer(part.data.obs_names)] = np.column_stack(columns)
    return true if np.isfinite(true).all() else None


def _join(found: _Found, facts: Mapping[str, str | int | float]) -> mudata.MuData:
    """Join the modalities, with coordinates, labels, image and stamp."""
    import mudata

    mudata.set_options(pull_on_update=False)
    parts, spots, coordinates = found.parts, found.spots, found.coordinates.values
    for part in parts.values():
        part.data.obsm["spatial"] = coordinates[spots.get_indexer(part.data.obs_names)]
    section = mudata.MuData({name: part.data for name, part in parts.items()})
    rows = spots.get_indexer(section.obs_names)
    section.obs["section"] = np.full(len(rows), facts["section"], dtype=object)
    if found.labels is not None:
        section.obs["label"] = found.labels[rows]
    section.obsm["spatial"] = coordinates[rows]
    true = _true_coordinates(parts, spots)
    if true is not None:
        section.obsm[TRUE_SPATIAL] = true[rows]
    section.uns["spatialweave"] = stamp("section", **facts)
    if found.image is not None:
        section.uns[IMAGE] = found.image[0].uns()
    return section
