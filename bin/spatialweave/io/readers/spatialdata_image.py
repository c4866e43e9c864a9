"""The image of a SpatialData store: one level of it, turned along the axes of the coordinates."""

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
"""Of the levels of an image the smallest is taken that has so many pixels on its longer side."""

BACKGROUND = "white"
"""The colour of what lies beside a turned image."""


@dataclass
class StoredImage:
    """One level of an image.

    Attributes
    ----------
    values
        Channels x height x width, not loaded.
    matrix
        3 x 3, homogeneous: from its pixels to coordinates.
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
        """Whether it has red, green and blue, and perhaps opacity."""
        return self.values.shape[0] in (3, 4)


def store_image(path: Path, table: str, section: str, in_system: bool) -> TissueImage | None:
    """The image of a store that lies where the spots of a table are; in colour before grey.

    Parameters
    ----------
    table
        The table inside the store. The region that it annotates is looked at (of several the one called as `section`);
        where it annotates none, coordinates are taken for those of "global".
    in_system
        Whether coordinates are those of the region's coordinate system, and not the region's own.

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
        named = (one for one in regions if section in (one, name_of_section(one)))
        region = next(named, next(iter(regions), None))
        to_coordinates = {"global": np.eye(3)}
        if region is not None:
            matrices = _matrices(store[region])
            # As the centres of the spots are computed.
            system = "global" if "global" in matrices else next(iter(matrices))
            to_coordinates = {name: np.linalg.inv(matrix) for name, matrix in matrices.items()}
            to_coordinates = {system: np.eye(3)} if in_system else to_coordinates
        found = [image for name in store.images for image in _levels(name, store.images[name], to_coordinates)]
        return _chosen(path, found) if found else None


def _regions(path: Path, table: str) -> list[str]:
    """The regions that a table annotates."""
    from anndata.io import read_elem

    with open_group(path, table) as group:
        if "spatialdata_attrs" not in group.get("uns", {}):
            return []
        attributes = read_elem(group["uns/spatialdata_attrs"])
    return [str(region) for region in np.atleast_1d(np.asarray(attributes["region"], dtype=object))]


def _chosen(path: Path, found: list[StoredImage]) -> TissueImage:
    """The smallest level with :data:`ENOUGH` pixels, or the largest; of an image in colour, if there is one."""
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
    """An image (Pillow, RGB) with its axes along those of the coordinates, by the matrix from its pixels to them."""
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
    """By coordinate system the matrix (3 x 3, homogeneous) from an element's own coordinates to it."""
    from spatialdata.transformations import get_transformation

    axes = ("x", "y")
    found = get_transformation(element, get_all=True)
    return {system: one.to_affine_matrix(input_axes=axes, output_axes=axes) for system, one in found.items()}


def _levels(name: str, element: Any, to_coordinates: dict[str, np.ndarray]) -> Iterator[StoredImage]:
    """The levels of an image that has a coordinate system in common with the spots."""
    own = _matrices(element)
    system = next((system for system in to_coordinates if system in own), None)
    if system is None:
        return
    levels = [level["image"] for level in element.children.values()] if hasattr(element, "children") else [element]
    first = levels[0].shape
    for level in levels:
        factors = [first[2] / level.shape[2], first[1] / level.shape[1], 1.0]
        yield StoredImage(name, level.data, to_coordinates[system] @ own[system] @ np.diag(factors))
