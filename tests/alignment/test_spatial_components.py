"""Spatial components of a section: neighbours by all distances, fractions that the simulation sets, and noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spatialweave.alignment.spatial_components import neighbour_average, spatial_components


def hexagonal(n: int) -> np.ndarray:
    """A hexagonal lattice of spacing 1 (n x n spots)."""
    row, column = (part.ravel() for part in np.indices((n, n)))
    return np.column_stack([column + 0.5 * (row % 2), np.sqrt(3) / 2 * row])


def test_average_is_over_a_spot_and_its_six_neighbours():
    """Inside a hexagonal lattice these are exactly the spots within one spacing; at its border, the next nearest."""
    points = hexagonal(12)
    average = neighbour_average(points).toarray()
    assert ((average > 0).sum(axis=1) == 7).all()
    np.testing.assert_allclose(average.sum(axis=1), 1.0)
    within = cdist(points, points) <= 1.001
    inside = within.sum(axis=1) == 7
    assert inside.sum() == 100
    np.testing.assert_allclose(average[inside], within[inside] / 7)


def test_average_of_few_spots_is_over_all():
    np.testing.assert_allclose(neighbour_average(hexagonal(2)).toarray(), 0.25)


@pytest.mark.parametrize("spatial", [0.9, 0.5, 0.2])
def test_fraction_is_that_of_the_signal(spatial):
    """One of five dimensions has a signal, constant but at one border; the other part of its variance is noise."""
    points, n_spots = hexagonal(100), 10_000
    rng = np.random.default_rng(0)
    signal = np.where(points[:, 1] < np.median(points[:, 1]), -1.0, 1.0)
    values = rng.normal(size=(n_spots, 5))
    values[:, 2] = np.sqrt(spatial) * signal + np.sqrt(1 - spatial) * values[:, 2]
    found = spatial_components(points, values, np.arange(n_spots))
    assert found.spatial_fraction == pytest.approx([spatial], abs=0.03)
    np.testing.assert_allclose(found.values.var(axis=0), found.spatial_fraction)
    assert abs(np.corrcoef(found.values[:, 0], values[:, 2])[0, 1]) > 0.98
    # Averaging leaves the signal, at the border a little less, and takes away most of the noise.
    away = np.abs(points[:, 1] - np.median(points[:, 1])) > 4
    expected = np.sqrt(spatial) * found.values.std() * signal[away]
    assert np.abs(np.abs(found.smooth[away, 0]) - np.abs(expected)).mean() < 0.15
    twice = neighbour_average(points) @ (neighbour_average(points) @ found.values)
    np.testing.assert_allclose(found.smooth, twice)


def test_noise_has_none_and_few_spots_have_none():
    points = hexagonal(30)
    noise = np.random.default_rng(0).normal(size=(900, 10))
    assert spatial_components(points, noise, np.arange(900)) is None
    assert spatial_components(points, np.tile(points, 5), np.arange(19)) is None


def test_only_spots_with_the_modality_count():
    points = hexagonal(30)
    rng = np.random.default_rng(0)
    values = np.column_stack([points[:, 0] > 15, points[:, 1] > 9]) + 0.3 * rng.normal(size=(900, 2))
    rows = np.flatnonzero(rng.random(900) < 0.7)
    spoilt = values.copy()
    spoilt[np.setdiff1d(np.arange(900), rows)] = 1e6
    found, expected = (spatial_components(points, table, rows) for table in (spoilt, values))
    assert found.values.shape == (len(rows), 2)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.rows, rows)
