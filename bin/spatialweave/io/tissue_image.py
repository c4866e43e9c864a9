"""The image of a section's tissue: its form in files, and the position of its pixels among the spots."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.measurement import reading
from spatialweave.io.stage_checks import AGAIN

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE, IMAGES = "image", "images"
"""The uns keys of a section's image, and of the images of all sections of a dataset by section name."""

LARGEST_SIDE = 2_000
"""Most pixels on the longer side of a stored image, as in Space Ranger's hires image."""


@dataclass(frozen=True)
class TissueImage:
    """Image, 8 bits per colour, with its axes along those of the coordinates; y points down in both.

    Attributes
    ----------
    png
        The image as the bytes of a PNG file.
    size
        Width and height in pixels.
    scale
        Image pixels per coordinate unit.
    offset
        The pixel (x, y) at the origin of the coordinates: pixel = scale * coordinate + offset.
    spot_diameter
        In coordinate units, if the input holds it.
    """

    png: bytes
    size: tuple[int, int]
    scale: float
    offset: tuple[float, float] = (0.0, 0.0)
    spot_diameter: float | None = None

    @classmethod
    def of_pixels(
        cls,
        pixels: Image,
        scale: float,
        offset: tuple[float, float] = (0.0, 0.0),
        spot_diameter: float | None = None,
    ) -> TissueImage:
        """Make a tissue image of an RGB image, reduced to at most :data:`LARGEST_SIDE` pixels per side."""
        from PIL import Image as images

        factor = min(1.0, LARGEST_SIDE / max(pixels.size))
        if factor < 1:
            size = (max(1, round(pixels.width * factor)), max(1, round(pixels.height * factor)))
            pixels = pixels.resize(size, images.Resampling.BOX)
        buffer = io.BytesIO()
        pixels.save(buffer, format="PNG")
        x, y = offset
        return cls(buffer.getvalue(), pixels.size, scale * factor, (x * factor, y * factor), spot_diameter)

    @classmethod
    def of_uns(cls, where: str, stored: Any) -> TissueImage:
        """Return the image that a file of the data contract stores at `where`; a damaged image is refused."""
        from PIL import Image as images

        with reading(where, "image", AGAIN):
            if not isinstance(stored, Mapping):
                raise TypeError("it is not a group")
            png = np.asarray(stored["png"], dtype=np.uint8).tobytes()
            with images.open(io.BytesIO(png), formats=["PNG"]) as opened:
                size, mode = opened.size, opened.mode
            x, y = (float(value) for value in np.asarray(stored["offset"]))
            scale, diameter = float(stored["scale"]), float(stored["spot_diameter"])
            if mode != "RGB" or max(size) > LARGEST_SIDE or not scale > 0 or not math.isfinite(scale + x + y):
                raise ValueError(f"{mode}, {size[0]} x {size[1]} pixels, scale {scale}, offset {x}, {y}")
        return cls(png, size, scale, (x, y), diameter if math.isfinite(diameter) and diameter > 0 else None)

    def uns(self) -> dict[str, Any]:
        """Return the image as stored in files of the data contract."""
        return {
            "png": np.frombuffer(self.png, dtype=np.uint8),
            "scale": self.scale,
            "offset": np.array(self.offset, dtype=np.float64),
            "spot_diameter": math.nan if self.spot_diameter is None else self.spot_diameter,
        }

    def pixels(self) -> Image:
        """Return the image itself, RGB."""
        from PIL import Image as images

        with images.open(io.BytesIO(self.png), formats=["PNG"]) as opened:
            return opened.convert("RGB")

    def box(self) -> tuple[float, float, float, float]:
        """Return the left, top, right and bottom edge in coordinate units."""
        (width, height), (x, y) = self.size, self.offset
        return (0 - x) / self.scale, (0 - y) / self.scale, (width - x) / self.scale, (height - y) / self.scale

    def inside(self, coordinates: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Return which spots are on the image or at most `margin` (coordinate units) outside it; bool."""
        left, top, right, bottom = self.box()
        low, high = np.array([left, top]) - margin, np.array([right, bottom]) + margin
        return np.asarray(((coordinates >= low) & (coordinates <= high)).all(axis=1))


def images_of(where: str, uns: Mapping[str, Any]) -> dict[str, TissueImage]:
    """Return the images of a file with several sections, by section; empty if it has none."""
    stored = uns.get(IMAGES, {})
    if not isinstance(stored, Mapping):
        raise InputError(f"{where}, uns['{IMAGES}']", "is not a group of images", fix=AGAIN)
    named = ((str(name), image) for name, image in stored.items())
    return {name: TissueImage.of_uns(f"{where}, uns['{IMAGES}']['{name}']", image) for name, image in named}


def images_uns(images: Mapping[str, TissueImage]) -> dict[str, Any]:
    """Return the uns entry of the images of several sections; empty without images."""
    return {IMAGES: {name: image.uns() for name, image in images.items()}} if images else {}
