"""The image of a section as programs want it that know no offset: pixel = scale factor * coordinate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spatialweave.export.sections import Section
from spatialweave.io.layout import spacing
from spatialweave.io.notices import warn
from spatialweave.io.tissue_image import LARGEST_SIDE, TissueImage

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_CANVAS = 2 * LARGEST_SIDE
"""Pixels per side of an image with the space between it and the origin of the coordinates, at most."""


def image_at_origin(section: Section) -> Image | None:
    """The section's image with the origin of the coordinates as its upper left corner; None where that cannot be.

    What lies left of or above the origin is cut off, and space between it and the image is filled with white.
    """
    from PIL import Image as images

    if section.image is None:
        return None
    (width, height), (x, y) = section.image.size, (round(edge) for edge in section.image.offset)
    size = (width - x, height - y)
    if section.coordinates().min() < 0 or min(size) < 1 or max(size) > LARGEST_CANVAS:
        warn(section.name, "its image is in integrated.zarr only: the origin of the coordinates is too far from it")
        return None
    canvas = images.new("RGB", size, "white")
    canvas.paste(section.image.pixels(), (-x, -y))
    return canvas


def scale_factors(section: Section, image: TissueImage) -> dict[str, float]:
    """Space Ranger's scale factors; the diameter of a spot is their spacing where the input does not say it."""
    diameter = image.spot_diameter or spacing(section.coordinates()) or 1.0
    return {"tissue_hires_scalef": image.scale, "spot_diameter_fullres": diameter}
