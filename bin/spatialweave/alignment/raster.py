"""Rasters of a section: smoothed values and the density of spots on a grid, readable at any coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

PITCH = 0.5
"""Side of a pixel, in spacings."""

OUTSIDE_BELOW, INSIDE_FROM = 0.25, 0.5
"""Density of spots (1 = inside the section) below which a pixel is outside, and from which it is inside. On a straight
border the density is 0.5."""


@dataclass(frozen=True)
class Raster:
    """Values of a section on a grid of pixels.

    Attributes
    ----------
    corner
        Coordinates of the first pixel's centre.
    pitch
        Side of a pixel.
    shape
        Rows and columns.
    pixels
        Pixels x (components + 1): smoothed values; the last column is the density of spots, 1 inside the section.
    """

    corner: np.ndarray
    pitch: float
    shape: tuple[int, int]
    pixels: np.ndarray

    def read(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the components at `points` (n x components, bilinear) and how far each is inside (n, 0 to 1)."""
        position = (points - self.corner) / self.pitch
        whole = np.floor(position).astype(np.int64)
        column = np.clip(whole[:, 0], 0, self.shape[1] - 2)
        row = np.clip(whole[:, 1], 0, self.shape[0] - 2)
        # Points beyond the raster read the pixels of its empty margin.
        x, y = np.clip(position[:, 0] - column, 0.0, 1.0), np.clip(position[:, 1] - row, 0.0, 1.0)
        first = row * self.shape[1] + column
        read = self.pixels[first] * ((1 - x) * (1 - y))[:, None] + self.pixels[first + 1] * (x * (1 - y))[:, None]
        below = first + self.shape[1]
        read += self.pixels[below] * ((1 - x) * y)[:, None] + self.pixels[below + 1] * (x * y)[:, None]
        inside = np.clip((read[:, -1] - OUTSIDE_BELOW) / (INSIDE_FROM - OUTSIDE_BELOW), 0.0, 1.0)
        return read[:, :-1], inside


def rasterise(points: np.ndarray, values: np.ndarray, spacing: float, width: float) -> Raster:
    """Return the Gaussian-weighted means of `values` (n x components) about every pixel.

    Parameters
    ----------
    points
        n x 2.
    spacing
        Spacing of the points; the side of a pixel is :data:`PITCH` times this.
    width
        Standard deviation of the weights, in spacings.
    """
    pitch, margin = PITCH * spacing, int(np.ceil(4.0 * width / PITCH)) + 2
    corner = points.min(axis=0) - margin * pitch
    columns, rows = (int(number) for number in np.ceil(np.ptp(points, axis=0) / pitch).astype(int) + 2 * margin + 1)
    count = _smoothed_sums(points, np.ones(len(points)), corner, pitch, (rows, columns), width)
    typical = float(np.median(_at(count, points, corner, pitch)))
    sums = [_smoothed_sums(points, column, corner, pitch, (rows, columns), width) for column in values.T]
    means = [total / np.maximum(count, 1e-3 * typical) for total in sums]
    return Raster(corner, pitch, (rows, columns), np.column_stack([m.ravel() for m in [*means, count / typical]]))


def _smoothed_sums(
    points: np.ndarray, values: np.ndarray, corner: np.ndarray, pitch: float, shape: tuple[int, int], width: float
) -> np.ndarray:
    """Divide each value among the four pixels around its point (bilinear), then smooth."""
    position = (points - corner) / pitch
    column, row = np.floor(position).astype(np.int64).T
    x, y = (position - np.floor(position)).T
    raster = np.zeros(shape[0] * shape[1])
    for right, below, weight in ((0, 0, (1 - x) * (1 - y)), (1, 0, x * (1 - y)), (0, 1, (1 - x) * y), (1, 1, x * y)):
        raster += np.bincount((row + below) * shape[1] + column + right, weight * values, len(raster))
    return np.asarray(gaussian_filter(raster.reshape(shape), width / PITCH, mode="constant"))


def _at(raster: np.ndarray, points: np.ndarray, corner: np.ndarray, pitch: float) -> np.ndarray:
    """Return the values of the pixels nearest to `points`."""
    column, row = np.round((points - corner) / pitch).astype(np.int64).T
    return raster[row, column]
