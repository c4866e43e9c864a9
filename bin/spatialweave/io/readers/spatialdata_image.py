"""The image of a SpatialData store: one level of it, turned along the axes of the coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialweave.io.image_files import check_size, of_array
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


def store_image(store: Any, where: str, region: str | None, in_system: bool) -> TissueImage | None:
    """The image of a store that lies where the coordinates are; in colour before grey.

    Parameters
    ----------
    store
        A `spatialdata.SpatialData`.
    region
        The element that the spots are; None where that is not known and coordinates are taken for those of "global".
    in_system
        Whether coordinates are those of the coordinate system of `region` (:func:`system_of`), and not its own.
    """
    to_coordinates = {"global": np.eye(3)}
    if region is not None and in_system:
        to_coordinates = {system_of(store[region]): np.eye(3)}
    elif region is not None:
        to_coordinates = {system: np.linalg.inv(matrix) for system, matrix in _matrices(store[region]).items()}
    found = [image for name in store.images for image in _levels(name, store.images[name], to_coordinates)]
    if not found:
        return None
    colour = [image for image in found if image.in_colour] or found
    large = [image for image in colour if image.side >= ENOUGH]
    chosen = min(large, key=lambda image: image.side) if large else max(colour, key=lambda image: image.side)
    height, width = chosen.values.shape[1:]
    check_size(f"{where}, image '{chosen.name}'", (width, height))
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


def system_of(element: Any) -> str:
    """The coordinate system in which an element is looked at: "global", or the first that it has."""
    from spatialdata.transformations import get_transformation

    systems = get_transformation(element, get_all=True)
    return "global" if "global" in systems else next(iter(systems))


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
