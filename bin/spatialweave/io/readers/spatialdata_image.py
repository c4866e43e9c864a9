"""The image of a SpatialData store: one level of it, rotated to the axes of the coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialweave.io.bounds import check_zarr
from spatialweave.io.image_files import check_size, of_array
from spatialweave.io.measurement import reading
from spatialweave.io.readers.anndata_zarr import open_group
from spatialweave.io.spot_selection import name_of_section
from spatialweave.io.tissue_image import LARGEST_SIDE, TissueImage

ENOUGH = 1_000
"""Pixels required on the longer side: the smallest level of an image with as many is used."""

BACKGROUND = "white"
"""Colour around a rotated image."""


@dataclass
class StoredImage:
    """One level of an image.

    Attributes
    ----------
    values
        Channels x height x width, not loaded.
    matrix
        3 x 3, homogeneous: transform from its pixels to coordinates.
    """

    name: str
    values: Any
    matrix: np.ndarray

    @property
    def side(self) -> int:
        """Pixels of the longer side."""
        return max(self.values.shape[1:])

    @property
    def in_colour(self) -> bool:
        """Whether it has red, green and blue, with or without opacity."""
        return self.values.shape[0] in (3, 4)


def store_image(path: Path, table: str, section: str, in_system: bool) -> TissueImage | None:
    """Return the image of a store for the spots of a table; colour images are preferred to grey ones.

    Parameters
    ----------
    table
        The table inside the store. The image must share a coordinate system with the region that it annotates (among
        several, the one named `section`); without a region, coordinates are assumed to be in the system "global".
    in_system
        Whether coordinates are in the region's coordinate system, and not the region's own.

    Raises
    ------
    InputError
        When the images of the store cannot be read.
    """
    import spatialdata

    with reading(path, "SpatialData .zarr store with images"):
        with open_group(path, "images") as group:
            check_zarr(path, group)
        store = spatialdata.read_zarr(path, selection=("images", "shapes", "points", "labels"))
        regions = [region for region in _regions(path, table) if region in store]
        named = (name for name in regions if section in (name, name_of_section(name)))
        region = next(named, next(iter(regions), None))
        to_coordinates = {"global": np.eye(3)}
        if region is not None:
            matrices = _matrices(store[region])
            # The same system as for the centres of the spots.
            system = "global" if "global" in matrices else next(iter(matrices))
            to_coordinates = {name: np.linalg.inv(matrix) for name, matrix in matrices.items()}
            to_coordinates = {system: np.eye(3)} if in_system else to_coordinates
        found = [image for name in store.images for image in _levels(name, store.images[name], to_coordinates)]
        return _chosen(path, found) if found else None


def _regions(path: Path, table: str) -> list[str]:
    """Return the regions that a table annotates."""
    from anndata.io import read_elem

    with open_group(path, table) as group:
        if "spatialdata_attrs" not in group.get("uns", {}):
            return []
        attributes = read_elem(group["uns/spatialdata_attrs"])
    return [str(region) for region in np.atleast_1d(np.asarray(attributes["region"], dtype=object))]


def _chosen(path: Path, found: list[StoredImage]) -> TissueImage:
    """Return the smallest level with :data:`ENOUGH` pixels, or the largest; from colour images, if there are any."""
    colour = [image for image in found if image.in_colour] or found
    large = [image for image in colour if image.side >= ENOUGH]
    chosen = min(large, key=lambda image: image.side) if large else max(colour, key=lambda image: image.side)
    height, width = chosen.values.shape[1:]
    check_size(f"{path}, image '{chosen.name}'", (width, height))
    step = max(1, chosen.side // (2 * LARGEST_SIDE))
    channels = slice(None) if chosen.in_colour else slice(0, 1)
    pixels = np.asarray(chosen.values[channels, ::step, ::step]).transpose(1, 2, 0)
    return placed(of_array(pixels), chosen.matrix @ np.diag([step, step, 1.0]))


def placed(pixels: Any, matrix: np.ndarray) -> TissueImage:
    """Transform an image (Pillow, RGB) to the axes of the coordinates, by the matrix from its pixels to them."""
    from PIL import Image as images

    linear, shift = matrix[:2, :2], matrix[:2, 2]
    size = float(np.sqrt(abs(np.linalg.det(linear))))
    if not np.isfinite(matrix).all() or size == 0:
        raise ValueError("its transformation has no inverse")
    if np.allclose(linear, size * np.eye(2), atol=1e-3 * size):
        return TissueImage.of_pixels(pixels, 1 / size, tuple(-shift / size))
    corners = np.array([(x, y) for x in (0, pixels.width) for y in (0, pixels.height)]) @ linear.T + shift
    low, high = corners.min(axis=0), corners.max(axis=0)
    width, height = (max(1, int(side)) for side in np.ceil((high - low) / size))
    back = np.linalg.inv(matrix) @ np.array([[size, 0, low[0]], [0, size, low[1]], [0, 0, 1]])
    turned = pixels.transform(
        (width, height),
        images.Transform.AFFINE,
        tuple(back[:2].ravel()),
        resample=images.Resampling.BILINEAR,
        fillcolor=BACKGROUND,
    )
    return TissueImage.of_pixels(turned, 1 / size, tuple(-low / size))


def _matrices(element: Any) -> dict[str, np.ndarray]:
    """Return the matrix (3 x 3, homogeneous) from an element's own coordinates to each coordinate system."""
    from spatialdata.transformations import get_transformation

    axes = ("x", "y")
    transforms = get_transformation(element, get_all=True).items()
    return {system: transform.to_affine_matrix(input_axes=axes, output_axes=axes) for system, transform in transforms}


def _levels(name: str, element: Any, to_coordinates: dict[str, np.ndarray]) -> Iterator[StoredImage]:
    """Yield the levels of an image that has a coordinate system in common with the spots."""
    matrices = _matrices(element)
    system = next((system for system in to_coordinates if system in matrices), None)
    if system is None:
        return
    levels = [level["image"] for level in element.children.values()] if hasattr(element, "children") else [element]
    first = levels[0].shape
    for level in levels:
        factors = [first[2] / level.shape[2], first[1] / level.shape[1], 1.0]
        yield StoredImage(name, level.data, to_coordinates[system] @ matrices[system] @ np.diag(factors))
