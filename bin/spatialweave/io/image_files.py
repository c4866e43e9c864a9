"""Images of tissues as files and arrays hold them, turned into 8 bits per colour."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.measurement import reading

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF")

MOST_PIXELS = 400_000_000
"""Images with more pixels are refused before they are decoded; with three bytes each, these take 1.2 GB."""

BRIGHTEST = 99.8
"""The percentile that becomes white where values are not 8 bits: a few pixels of fluorescence are far brighter."""

TRANSPARENT = "white"
"""What shows through transparent pixels."""


def read_image(path: Path) -> Image:
    """A PNG, JPEG or TIFF file as an RGB image; of a TIFF file with several images the first.

    Raises
    ------
    InputError
        When there is no such file, it is no such image, or has more than :data:`MOST_PIXELS` pixels.
    """
    from PIL import Image as images

    expected = "image (PNG, JPEG or TIFF)"
    if path.is_dir():
        raise InputError(str(path), "is a folder", expected)
    # Pillow refuses images that are large for a photograph; those of tissues often are, and are refused here.
    limit, images.MAX_IMAGE_PIXELS = images.MAX_IMAGE_PIXELS, None
    try:
        with reading(path, expected, "save it as PNG"), images.open(path, formats=FORMATS) as opened:
            check_size(str(path), opened.size)
            return to_rgb(opened)
    finally:
        images.MAX_IMAGE_PIXELS = limit


def check_size(where: str, size: tuple[int, ...]) -> None:
    """Refuse an image with too many pixels, or none; `size` is its width and height."""
    width, height = size
    if width < 1 or height < 1:
        raise InputError(where, f"is an image of {width} x {height} pixels", "an image with pixels")
    if width * height > MOST_PIXELS:
        raise InputError(
            where,
            f"is an image of {width} x {height} pixels",
            f"at most {MOST_PIXELS // 10**6} million pixels",
            "make it smaller (2,000 pixels on the longer side are kept) and give its scale in the column scale",
        )


def to_rgb(image: Image) -> Image:
    """An image of any mode as RGB: transparent pixels white, values of more than 8 bits stretched."""
    from PIL import Image as images

    if image.mode[0] in "IF":
        return of_array(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = images.new("RGBA", layer.size, TRANSPARENT)
        return images.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def of_array(values: np.ndarray) -> Image:
    """An array as an RGB image.

    Parameters
    ----------
    values
        Height x width, or height x width x channels: three or four are red, green, blue and opacity, of others the
        first is shown in grey. 8-bit values are taken as they are, fractions (0 to 1) as colours; of others the range
        from 0 to :data:`BRIGHTEST` becomes dark to bright.
    """
    from PIL import Image as images

    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.dtype.kind not in "buif" or not values.size:
        raise ValueError(f"an image was expected, not {values.dtype} of shape {values.shape}")
    if values.shape[2] not in (3, 4):
        values = values[:, :, :1]
    if values.dtype != np.uint8:
        known = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        top = 1.0
        if known.max() > 1 or values.dtype.kind in "ui":
            colours = values.dtype.kind == "f" and values.shape[2] > 1 and known.max() <= 255
            top = 255.0 if colours else float(np.percentile(known, BRIGHTEST)) or float(known.max()) or 1.0
        values = np.round(np.clip(known / top, 0, 1) * 255).astype(np.uint8)
    if values.shape[2] == 1:
        return images.fromarray(values[:, :, 0]).convert("RGB")
    return to_rgb(images.fromarray(np.ascontiguousarray(values)))


def read_thinned(stored: Any, where: str, most_rows: int) -> tuple[Image, int]:
    """A stored array (height x width, or with channels last) as an RGB image, and every how many-th pixel it has.

    More than `most_rows` rows or columns are left out evenly, before they are in memory.
    """
    shape = tuple(stored.shape)
    if len(shape) not in (2, 3):
        raise InputError(where, f"has the shape {shape}", "height x width x channels")
    check_size(where, (shape[1], shape[0]))
    step = max(1, max(shape[:2]) // most_rows)
    return of_array(np.asarray(stored[::step, ::step])), step
