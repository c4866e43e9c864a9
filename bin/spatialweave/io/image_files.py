"""Images of tissues from files and arrays, converted to 8 bits per colour."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.bounds import GZIP
from spatialweave.io.measurement import reading

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF")

MOST_PIXELS = 400_000_000
"""Images with more pixels are refused before they are decoded; with three bytes each, these take 1.2 GB."""

BRIGHTEST = 99.8
"""Percentile that becomes white if values are not 8 bits: a few pixels of fluorescence are far brighter."""

TRANSPARENT = "white"
"""Colour that shows through transparent pixels."""


def read_image(path: Path) -> Image:
    """Read a PNG, JPEG or TIFF file (also gzipped, as GEO stores them) as an RGB image; of several images, the first.

    Raises
    ------
    InputError
        When there is no such file, it is not such an image, or has more than :data:`MOST_PIXELS` pixels.
    """
    from PIL import Image as images

    expected = "image (PNG, JPEG or TIFF)"
    if path.is_dir():
        raise InputError(str(path), "is a folder", expected)
    # Pillow refuses images that are large for a photograph, as tissue images often are; check_size has its own limit.
    limit, images.MAX_IMAGE_PIXELS = images.MAX_IMAGE_PIXELS, None
    try:
        with (
            reading(path, expected, "save it as PNG"),
            _unpacked(path) as stream,
            images.open(stream, formats=FORMATS) as opened,
        ):
            check_size(str(path), opened.size)
            return to_rgb(opened)
    finally:
        images.MAX_IMAGE_PIXELS = limit


def _unpacked(path: Path) -> BinaryIO:
    """Open a file, gzipped or not, of which Pillow reads the size before it decodes anything."""
    with path.open("rb") as stream:
        gzipped = stream.read(len(GZIP)) == GZIP
    return cast(BinaryIO, gzip.open(path)) if gzipped else path.open("rb")


def check_size(where: str, size: tuple[int, ...]) -> None:
    """Refuse an image with no or too many pixels; `size` is its width and height."""
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
    """Convert an image of any mode to RGB: transparent pixels become white, values of more than 8 bits are rescaled."""
    from PIL import Image as images

    if image.mode[0] in "IF":
        return of_array(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = images.new("RGBA", layer.size, TRANSPARENT)
        return images.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def of_array(values: np.ndarray) -> Image:
    """Convert an array to an RGB image.

    Parameters
    ----------
    values
        Height x width, or height x width x channels. Three or four channels are red, green, blue and opacity; with any
        other number, the first is shown in grey. 8-bit values are used unchanged, fractions (0 to 1) as colours; other
        values are scaled such that 0 is dark and the percentile :data:`BRIGHTEST` is bright.
    """
    from PIL import Image as images

    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.dtype.kind not in "buif" or not values.size:
        raise ValueError(f"an image was expected, not {values.dtype} of shape {values.shape}")
    if values.shape[2] not in (3, 4):
        values = values[:, :, :1]
    if values.dtype != np.uint8:
        finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        top = 1.0
        if finite.max() > 1 or values.dtype.kind in "ui":
            colours = values.dtype.kind == "f" and values.shape[2] > 1 and finite.max() <= 255
            top = 255.0 if colours else float(np.percentile(finite, BRIGHTEST)) or float(finite.max()) or 1.0
        values = np.round(np.clip(finite / top, 0, 1) * 255).astype(np.uint8)
    if values.shape[2] == 1:
        return images.fromarray(values[:, :, 0]).convert("RGB")
    return to_rgb(images.fromarray(np.ascontiguousarray(values)))


def read_thinned(stored: Any, where: str, most_rows: int) -> tuple[Image, int]:
    """Read a stored array (height x width, or with channels last) as an RGB image; also return the step between pixels.

    Rows and columns are thinned evenly to about `most_rows` before they are in memory.
    """
    shape = tuple(stored.shape)
    if len(shape) not in (2, 3):
        raise InputError(where, f"has the shape {shape}", "height x width x channels")
    check_size(where, (shape[1], shape[0]))
    step = max(1, max(shape[:2]) // most_rows)
    return of_array(np.asarray(stored[::step, ::step])), step
