"""SpatialData stores (.zarr): tables of counts and the shapes, points or label masks that they annotate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_zarr
from spatialweave.io.measurement import Coordinates, Measurement, reading
from spatialweave.io.readers.anndata_zarr import is_zarr, open_group, refuse_pickles
from spatialweave.io.readers.spatialdata_image import store_image
from spatialweave.io.readers.store import measure
from spatialweave.modalities import modality_of


def is_spatialdata(path: Path) -> bool:
    """Whether a folder is a zarr group with the elements of SpatialData."""
    return is_zarr(path) and any((path / name).is_dir() for name in ("tables", "table", "shapes", "points"))


def read(path: Path) -> list[Measurement]:
    """The tables of a store; where a table has no coordinates itself, the centroids of what it annotates."""
    refuse_pickles(path)
    with reading(path, "SpatialData .zarr store"):
        folder = "tables" if (path / "tables").is_dir() else "table"
        with open_group(path) as group:
            names = list(group[folder]) if folder in group else []
            if names:
                check_zarr(path, group[folder])
        if not names:
            raise InputError(str(path), "holds no table of counts", "a SpatialData store with a table")
        return [_table(path, f"{folder}/{name}", name) for name in names]


def _table(path: Path, inner: str, name: str) -> Measurement:
    opener: Callable[[], Any] = lambda: open_group(path, inner)  # noqa: E731
    measurement = measure(f"{path}, table '{name}'", opener, modality_of(name))
    in_system = measurement.coordinates is None
    if in_system:
        measurement.coordinates = _centroids(path, inner, measurement)
    if (path / "images").is_dir():
        measurement.image = lambda section: store_image(path, inner, section, in_system)
    return measurement


def _centroids(path: Path, inner: str, measurement: Measurement) -> Coordinates | None:
    """Centroids of the region that a table annotates, by the instance key of each spot."""
    import spatialdata
    from anndata.io import read_elem

    with open_group(path, inner) as group:
        if "spatialdata_attrs" not in group.get("uns", {}):
            return None
        attributes = read_elem(group["uns/spatialdata_attrs"])
    regions = np.atleast_1d(np.asarray(attributes["region"], dtype=object)).tolist()
    if len(regions) != 1:
        raise InputError(
            measurement.where,
            f"annotates {len(regions)} regions ({', '.join(map(str, regions[:5]))})",
            "one region: a section per file",
            "write one store per section",
        )
    data = spatialdata.read_zarr(path, selection=("shapes", "points", "labels"))
    if regions[0] not in data:
        raise InputError(measurement.where, f"annotates the region '{regions[0]}', which is not in the store")
    element = data[regions[0]]
    systems = spatialdata.transformations.get_transformation(element, get_all=True)
    system = "global" if "global" in systems else next(iter(systems))
    centroids = spatialdata.get_centroids(element, coordinate_system=system).compute()
    rows = pd.Index(centroids.index).get_indexer(pd.Index(measurement.obs[str(attributes["instance_key"])]))
    coordinates = np.full((len(rows), 2), np.nan)
    coordinates[rows >= 0] = centroids[["x", "y"]].to_numpy(dtype=np.float64)[rows[rows >= 0]]
    return Coordinates(measurement.obs.index, coordinates, f"{path}, {regions[0]}", system)
