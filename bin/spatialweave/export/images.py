"""The image of a section as programs want it that know no offset: pixel = scale factor * coordinate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.export.sections import Section
from spatialweave.io.layout import spacing
from spatialweave.io.notices import warn
from spatialweave.io.tissue_image import LARGEST_SIDE, TissueImage

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST_CANVAS = 2 * LARGEST_SIDE
"""Pixels per side of an image with the space between it and the origin of the coordinates, at most."""

SMALLEST_SCALE = 0.1
"""An image that would have to be made smaller than by this factor to fit in says nothing any more."""


def library(section: Section) -> dict[str, Any]:
    """Return what scanpy and squidpy look for in `uns['spatial'][<section>]`; without an image its scale factor is 1.

    The image has the origin of the coordinates as its upper left corner. What lies left of or above the origin is cut
    off, and space between it and the image is filled with white.
    """
    images, scale = {}, 1.0
    if section.image is not None:
        factor = _shrinking(section, section.image)
        if factor:
            images["hires"] = np.asarray(_canvas(section.image, factor))
            scale = section.image.scale * factor
        else:
            text = "lacks the section's image: the origin of the coordinates is too far from it or inside the tissue"
            warn(f"integrated/{section.name}.h5ad", f"{text}; the formats seurat and zarr have it")
    return {"images": images, "scalefactors": scale_factors(section, scale), "metadata": {}}


def scale_factors(section: Section, scale: float) -> dict[str, float]:
    """Return Space Ranger's scale factors; the diameter of a spot is their spacing where the input does not say it."""
    known = section.image.spot_diameter if section.image is not None else None
    diameter = known or spacing(section.coordinates()) or 1.0
    return {"tissue_hires_scalef": scale, "spot_diameter_fullres": diameter}


def _shrinking(section: Section, image: TissueImage) -> float:
    """Return the factor that makes the image with the space before it fit in; 0 where none does.

    Spots whose middle is cut off by less than their spacing are still seen.
    """
    points = section.coordinates()
    width, height = _size_from_origin(image)
    factor = min(1.0, LARGEST_CANVAS / max(width, height, 1))
    cut_off = points.min() < 0 and points.min() < -(spacing(points) or 1.0)
    return 0.0 if cut_off or min(width, height) < 1 or factor < SMALLEST_SCALE else factor


def _size_from_origin(image: TissueImage) -> tuple[float, float]:
    (width, height), (x, y) = image.size, image.offset
    return width - x, height - y


def _canvas(image: TissueImage, factor: float) -> Image:
    """Return the image, made smaller by `factor`, with the space between it and the origin."""
    from PIL import Image as images

    pixels = image.pixels()
    if factor < 1:
        pixels = pixels.resize([max(1, round(side * factor)) for side in image.size], images.Resampling.BOX)
    x, y = (round(edge * factor) for edge in image.offset)
    canvas = images.new("RGB", (max(1, pixels.width - x), max(1, pixels.height - y)), "white")
    canvas.paste(pixels, (-x, -y))
    return canvas
