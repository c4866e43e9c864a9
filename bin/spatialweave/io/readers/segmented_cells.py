"""Cells segmented by Space Ranger (Visium HD, outs/segmented_outputs): a matrix, and outlines of the cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.measurement import Coordinates, Measurement, reading
from spatialweave.io.readers import library_image, tenx_h5, tenx_matrix
from spatialweave.io.readers.folder import find, need

MATRIX = "feature_cell_matrix"
OUTLINES = "cell_segmentations.geojson"


def is_segmented(path: Path) -> bool:
    """Return whether a folder is `segmented_outputs`."""
    return _matrix(path) is not None


def _matrix(path: Path) -> Path | None:
    return find(path, *(f"{kind}_{MATRIX}{ending}" for kind in ("filtered", "raw") for ending in (".h5", "")))


def read(path: Path) -> list[Measurement]:
    """Read the cells, with the centroids of their outlines in pixels of the full image."""
    matrix = _matrix(path) or path
    outlines = need(path, OUTLINES, what="the outlines of the cells beside their matrix")
    measurement = (tenx_matrix if matrix.is_dir() else tenx_h5).read(matrix)[0]
    centroids = read_centroids(outlines)
    names = pd.Index(measurement.obs.index.astype(str))
    rows = centroids.index.get_indexer(names)
    if (rows < 0).any():
        cell = names[int((rows < 0).argmax())]
        raise InputError(
            str(outlines),
            f"{int((rows < 0).sum())} cells of the matrix are not in it (first: '{cell}')",
            "an outline for each",
        )
    measurement.where, measurement.platform = str(path), "cells"
    length = library_image.micrometres_per_pixel(path / "spatial")
    measurement.coordinates = Coordinates(names, centroids.to_numpy()[rows], str(outlines), "pixel", micrometres=length)
    measurement.image = lambda _section: library_image.in_folder(path / "spatial")
    return [measurement]


def read_centroids(path: Path) -> pd.DataFrame:
    """Read x and y of the cells, indexed by their barcodes in the matrix ("cellid_000000001-1")."""
    with reading(path, "GeoJSON file of outlines"):
        import shapely
        from pyogrio.raw import read as read_features

        _meta, _ids, outlines, fields = read_features(str(path), columns=["cell_id"])
        if not len(fields):
            raise ValueError("its outlines have no property 'cell_id'")
        centres = shapely.get_coordinates(shapely.centroid(shapely.from_wkb(outlines)))
        numbers = np.asarray(fields[0]).astype(np.int64)
        names = pd.Index([f"cellid_{number:09d}-1" for number in numbers], dtype=object)
        return pd.DataFrame(centres, index=names, columns=["x", "y"]).loc[~names.duplicated()]
