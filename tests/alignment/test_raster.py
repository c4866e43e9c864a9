"""Rasters: interpolation by hand, a linear field, and the inside of a section."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment.raster import Raster, rasterise


def square(n: int) -> np.ndarray:
    row, column = (part.ravel() for part in np.indices((n, n)))
    return np.column_stack([column, row]).astype(float)


def test_reading_is_bilinear_by_hand():
    """Pixels of side 2 from (10, 20): values 0 1 2 / 10 11 12, densities 1 1 0 / 1 1 0."""
    pixels = np.column_stack([[0, 1, 2, 10, 11, 12], [1, 1, 0, 1, 1, 0]]).astype(float)
    raster = Raster(np.array([10.0, 20.0]), 2.0, (2, 3), pixels)
    points = np.array([[10.0, 20.0], [11.0, 20.0], [10.0, 21.0], [11.5, 21.5], [14.0, 22.0], [-90.0, 90.0]])
    values, inside = raster.read(points)
    # The fourth is 3/4 of a pixel to the right and 3/4 down; the last is beyond the raster: its nearest pixel.
    np.testing.assert_allclose(values[:, 0], [0.0, 0.5, 5.0, 0.75 + 7.5, 12.0, 10.0])
    np.testing.assert_allclose(inside, [1, 1, 1, 1, 0, 1])


@pytest.mark.parametrize(("density", "inside"), [(0.2, 0.0), (0.25, 0.0), (0.375, 0.5), (0.5, 1.0), (0.9, 1.0)])
def test_inside_by_density(density, inside):
    raster = Raster(np.zeros(2), 1.0, (2, 2), np.full((4, 1), density))
    assert raster.read(np.array([[0.5, 0.5]]))[1] == pytest.approx([inside])


@pytest.mark.parametrize(("spacing", "width"), [(1.0, 1.0), (3.0, 1.0), (1.0, 2.0)])
def test_a_linear_field_is_read_exactly_inside(spacing, width):
    points = spacing * square(24)
    raster = rasterise(points, points @ np.array([[2.0], [-1.0]]), spacing, width)
    inner = spacing * np.array([[11.5, 12.25], [10.0, 11.9]])
    values, inside = raster.read(np.vstack([inner, spacing * np.array([[-30.0, 5.0], [80.0, 80.0]])]))
    np.testing.assert_allclose(values[:2, 0], inner @ (2.0, -1.0), atol=0.02 * spacing)
    assert inside.tolist() == [1.0, 1.0, 0.0, 0.0]


def test_values_are_divided_among_pixels_without_a_shift():
    """The lattice is turned, so that spots are anywhere between pixels' centres."""
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    points = square(24) @ turn.T
    raster = rasterise(points, points @ np.array([[2.0], [-1.0]]), 1.0, 1.0)
    inner = np.array([[11.5, 12.25], [10.0, 11.9], [12.3, 11.1]]) @ turn.T
    np.testing.assert_allclose(raster.read(inner)[0][:, 0], inner @ (2.0, -1.0), atol=0.05)


def test_width_is_the_standard_deviation_in_spacings():
    """The fraction of one value of 1 among zeros at a distance of two widths, relative to its own spot, is exp(-2)."""
    values = np.zeros((441, 1))
    values[220] = 1.0
    for width in (1.0, 2.0):
        read, _ = rasterise(square(21), values, 1.0, width).read(np.array([[10.0, 10.0], [10.0 + 2 * width, 10.0]]))
        assert read[1, 0] / read[0, 0] == pytest.approx(np.exp(-2), rel=0.15)


def test_the_border_is_inside_and_a_spacing_beyond_it_is_not():
    _, inside = rasterise(square(20), np.zeros((400, 0)), 1.0, 1.0).read(np.array([[19.0, 10.0], [20.5, 10.0]]))
    assert inside[0] == 1.0 and inside[1] == 0.0
