"""Statistics of the tissue's image around every spot: colour, brightness and texture, without a trained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spatialweave.io.tissue_image import TissueImage

if TYPE_CHECKING:
    from PIL.Image import Image

CHANNELS = ("red", "green", "blue", "hue_cosine", "hue_sine", "saturation", "gradient")
STATISTICS = tuple(f"{statistic}_{channel}" for statistic in ("mean", "sd") for channel in CHANNELS)
"""The features, in the order of the columns."""

FEWEST_PIXELS = 3
"""Smallest number of pixels per side of a patch; a single pixel has no standard deviation."""


def patch_size(image: TissueImage, diameter: float) -> int:
    """Return the pixels per side of a square patch as wide as a spot (`diameter` in coordinate units)."""
    return max(FEWEST_PIXELS, round(diameter * image.scale))


def patch_statistics(image: TissueImage, coordinates: np.ndarray, side: int) -> np.ndarray:
    """Compute the mean and standard deviation of every channel in a square patch around every spot.

    Summed-area tables (Crow, Computer Graphics 18:207, 1984) make the time linear in pixels plus spots for any size of
    the patches. Patches are cut off at the edges of the image.

    Parameters
    ----------
    coordinates
        float64, spots x 2; all on the image.
    side
        Pixels per side of a patch.

    Returns
    -------
    float32, spots x :data:`STATISTICS`, 0 to 255: red, green, blue; hue as cosine and sine of its angle (-1 to 1 become
    0 to 255, weighted by saturation, since grey has no hue); saturation; and the size of the brightness's gradient.
    """
    height, width = image.size[1], image.size[0]
    centres = np.floor(coordinates * image.scale + image.offset).astype(np.int64) - side // 2
    (left, top), (right, bottom) = centres.T, (centres + side).T
    left, right = np.clip(left, 0, width - 1), np.clip(right, 1, width)
    top, bottom = np.clip(top, 0, height - 1), np.clip(bottom, 1, height)
    area = ((right - left) * (bottom - top)).astype(np.float64)
    means, deviations = [], []
    for channel in _channels(image.pixels()):
        first, second = (
            (table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]) / area
            for table in (_sums(channel), _sums(channel * channel))
        )
        means.append(first)
        deviations.append(np.sqrt(np.maximum(second - first * first, 0)))
    return np.column_stack([*means, *deviations]).astype(np.float32)


def _channels(pixels: Image) -> list[np.ndarray]:
    """Return the :data:`CHANNELS` of an image, each float64, height x width, 0 to 255."""
    from scipy.ndimage import sobel

    colours = np.asarray(pixels, dtype=np.float64)
    hue, saturation = (np.asarray(band, dtype=np.float64) for band in pixels.convert("HSV").split()[:2])
    angle = hue * (2 * np.pi / 256)
    weight = saturation / 255
    brightness = colours.mean(axis=2)
    # Sobel's sums of weights are 8: an edge from 0 to 255 has a gradient of at most 255 * sqrt(2) / 2 per pixel.
    gradient = np.hypot(sobel(brightness, axis=0), sobel(brightness, axis=1)) / 8
    directions = [(1 + weight * turn) * 127.5 for turn in (np.cos(angle), np.sin(angle))]
    # Values in steps of 1/16 keep sums over the whole image exact; a difference of rounded sums may be below 0.
    derived = [np.round(channel * 16) / 16 for channel in (*directions, saturation, gradient)]
    return [colours[:, :, 0], colours[:, :, 1], colours[:, :, 2], *derived]


def _sums(channel: np.ndarray) -> np.ndarray:
    """Return the sum of all pixels above and left of every corner; height + 1 x width + 1."""
    table = np.zeros((channel.shape[0] + 1, channel.shape[1] + 1))
    channel.cumsum(axis=0).cumsum(axis=1, out=table[1:, 1:])
    return table
