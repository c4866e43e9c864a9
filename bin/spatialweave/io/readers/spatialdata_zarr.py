"""SpatialData stores (.zarr): tables of counts, and the shapes, points or label masks that they annotate."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_zarr
from spatialweave.io.choices import Choices
from spatialweave.io.measurement import Coordinates, Measurement, reading
from spatialweave.io.notices import warn
from spatialweave.io.readers.anndata_zarr import is_zarr, open_group, refuse_pickles
from spatialweave.io.readers.spatialdata_image import store_image
from spatialweave.io.readers.store import measure
from spatialweave.io.spot_selection import name_of_section
from spatialweave.modalities import modality_of

BIN_TABLE = re.compile(r"square_0*([1-9]\d*)um$")
"""Names of tables of the bins of Visium HD, with the width in micrometres."""

AFFIX = re.compile(r"^tables?[_-]|[_-]tables?$", re.IGNORECASE)
"""Part of the name of a table that says nothing, as in table_rna."""

BIN_WIDTH = 8
"""Default width of the bins in micrometres."""


def is_spatialdata(path: Path) -> bool:
    """Return whether a folder is a zarr group with the elements of SpatialData."""
    return is_zarr(path) and any((path / name).is_dir() for name in ("tables", "table", "shapes", "points"))


def read(path: Path, choices: Choices) -> list[Measurement]:
    """Read the tables of a store; a table without coordinates gets the centroids of the regions that it annotates.

    If there are tables of several bins (Visium HD), one is read; if tables annotate different regions, the section's
    table is read.
    """
    refuse_pickles(path)
    with reading(path, "SpatialData .zarr store"):
        folder = "tables" if (path / "tables").is_dir() else "table"
        with open_group(path) as group:
            names = list(group[folder]) if folder in group else []
            if names:
                check_zarr(path, group[folder])
        if not names:
            raise InputError(str(path), "holds no table of counts", "a SpatialData store with a table")
        names = _of_section(path, folder, _of_bin(path, names, choices), choices)
        return [_table(path, f"{folder}/{name}", name, choices) for name in names]


def _of_bin(path: Path, names: list[str], choices: Choices) -> list[str]:
    """Return the table of the chosen bins if there are tables of several bins."""
    widths = {int(match[1]): name for name in names if (match := BIN_TABLE.search(name))}
    if len(widths) < 2:
        return names
    width, default = choices.take_number(BIN_WIDTH)
    listed = ", ".join(map(str, sorted(widths)))
    if width not in widths:
        raise InputError(str(path), f"has no table of bins of {width} micrometres", f"one of {listed} as bin")
    if default:
        warn(str(path), f"the table '{widths[width]}' is read (set the column bin for other bins: {listed})")
    return [widths[width]]


def _of_section(path: Path, folder: str, names: list[str], choices: Choices) -> list[str]:
    """Return all tables or, if they annotate different regions, the table whose name or region is the section's."""
    regions = {name: _attributes(path, f"{folder}/{name}")[0] for name in names}
    apart = [region for region in regions.values() if region]
    if len(apart) < 2 or all(set(region) & set(apart[0]) for region in apart):
        return names
    meant = [
        name
        for name, region in regions.items()
        if choices.section in [name_of_section(text) for text in (name, *region)]
    ]
    if len(meant) == 1:
        return meant
    listed = "; ".join(f"'{name}' of {', '.join(region)}" for name, region in regions.items())
    raise InputError(
        str(path),
        f"holds {len(names)} tables that annotate different regions ({listed}), and the section is '{choices.section}'",
        "one section per row",
        "write one row per table, with the name of the table or of its region in the column section",
    )


def _table(path: Path, inner: str, name: str, choices: Choices) -> Measurement:
    opener: Callable[[], Any] = lambda: open_group(path, inner)  # noqa: E731
    measurement = measure(f"{path}, table '{name}'", opener, modality_of(AFFIX.sub("", name)))
    regions = _attributes(path, inner)[0]
    # Positions of several regions in one table may be relative to the image of each region.
    measurement.libraries = tuple(regions) if len(regions) > 1 else measurement.libraries
    in_system = measurement.coordinates is None
    if in_system:
        measurement.coordinates = _centroids(path, inner, measurement, choices)
    if (path / "images").is_dir():
        measurement.image = lambda section: store_image(path, inner, section, in_system)
    return measurement


def _attributes(path: Path, inner: str) -> tuple[list[str], str, str]:
    """Return the regions that a table annotates, and the columns with the region and the instance of each spot."""
    from anndata.io import read_elem

    with open_group(path, inner) as group:
        if "spatialdata_attrs" not in group.get("uns", {}):
            return [], "", ""
        attributes = read_elem(group["uns/spatialdata_attrs"])
    regions = np.atleast_1d(np.asarray(attributes["region"], dtype=object)).tolist()
    return [str(region) for region in regions], str(attributes["region_key"]), str(attributes["instance_key"])


def _centroids(path: Path, inner: str, measurement: Measurement, choices: Choices) -> Coordinates | None:
    """Return centroids from the regions that a table annotates, by the instance key of each spot."""
    import spatialdata

    regions, region_key, instance_key = _attributes(path, inner)
    if not regions:
        return None
    of_spot = measurement.obs[region_key].astype(str).to_numpy() if region_key in measurement.obs else None
    if choices.section_column == region_key:
        regions = [region for region in regions if choices.section in (region, name_of_section(region))] or regions
    elif len(regions) > 1 and choices.section_column is None:
        listed = ", ".join(regions[:12]) + (", ..." if len(regions) > 12 else "")
        raise InputError(
            measurement.where,
            f"annotates {len(regions)} regions ({listed})",
            "one section per row",
            f"write one row per region in the samplesheet, all with section_column {region_key}, and the name of the "
            "region in the column section",
        )
    data = spatialdata.read_zarr(path, selection=("shapes", "points", "labels"))
    coordinates = np.full((len(measurement.obs), 2), np.nan)
    instances = measurement.obs[instance_key].to_numpy()
    for region in regions:
        if region not in data:
            raise InputError(measurement.where, f"annotates the region '{region}', which is not in the store")
        element = data[region]
        systems = spatialdata.transformations.get_transformation(element, get_all=True)
        system = "global" if "global" in systems else next(iter(systems))
        centroids = spatialdata.get_centroids(element, coordinate_system=system).compute()
        spots = np.arange(len(instances)) if of_spot is None else np.flatnonzero(of_spot == region)
        rows = pd.Index(centroids.index).get_indexer(pd.Index(instances[spots]))
        coordinates[spots[rows >= 0]] = centroids[["x", "y"]].to_numpy(dtype=np.float64)[rows[rows >= 0]]
    return Coordinates(measurement.obs.index, coordinates, f"{path}, {', '.join(regions)}", system)
