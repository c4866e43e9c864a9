"""Spatial components of a section: neighbours by all distances, fractions that the simulation sets, and noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spatialweave.alignment.spatial_components import (
    SectionLatents,
    SpatialComponents,
    neighbour_average,
    spatial_components,
)


def hexagonal(n: int) -> np.ndarray:
    """A hexagonal lattice of spacing 1 (n x n spots)."""
    row, column = (part.ravel() for part in np.indices((n, n)))
    return np.column_stack([column + 0.5 * (row % 2), np.sqrt(3) / 2 * row])


def of_one(points: np.ndarray, latents: np.ndarray, rows: np.ndarray) -> SpatialComponents | None:
    """The components of a single section."""
    found = spatial_components([SectionLatents(points, latents, rows)])
    return None if found is None else found[0]


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


def test_a_section_that_does_not_vary_has_none():
    points = hexagonal(20)
    varying = SectionLatents(points, np.stack([points[:, 0], points[:, 1]], axis=1), np.arange(400))
    constant = SectionLatents(points, np.full((400, 2), 3.0), np.arange(400))
    assert spatial_components([varying, varying]) is not None
    assert spatial_components([varying, constant]) is None


@pytest.mark.parametrize("spatial", [0.9, 0.5, 0.2])
def test_fraction_is_that_of_the_signal(spatial):
    """One of five dimensions has a signal, constant but at one border; the other part of its variance is noise."""
    points, n_spots = hexagonal(100), 10_000
    rng = np.random.default_rng(0)
    signal = np.where(points[:, 1] < np.median(points[:, 1]), -1.0, 1.0)
    values = rng.normal(size=(n_spots, 5))
    values[:, 2] = np.sqrt(spatial) * signal + np.sqrt(1 - spatial) * values[:, 2]
    found = of_one(points, values, np.arange(n_spots))
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
    assert of_one(points, noise, np.arange(900)) is None
    assert of_one(points, np.tile(points, 5), np.arange(19)) is None


def test_only_spots_with_the_modality_count():
    points = hexagonal(30)
    rng = np.random.default_rng(0)
    values = np.column_stack([points[:, 0] > 15, points[:, 1] > 9]) + 0.3 * rng.normal(size=(900, 2))
    rows = np.flatnonzero(rng.random(900) < 0.7)
    spoilt = values.copy()
    spoilt[np.setdiff1d(np.arange(900), rows)] = 1e6
    found, expected = (of_one(points, table, rows) for table in (spoilt, values))
    assert found.values.shape == (len(rows), 2)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.rows, rows)


def test_two_sections_have_the_same_directions_whatever_their_units():
    """The signal is in one of three dimensions; in the second section it is 40 times as large, with an offset."""
    points, rng = hexagonal(30), np.random.default_rng(0)
    signal = np.sign(points[:, 0] - 15.2)
    sections = [np.column_stack([rng.normal(size=(900, 2)), signal + 0.5 * rng.normal(size=900)]) for _ in range(2)]
    rows = np.arange(900)
    first, second = spatial_components(
        [SectionLatents(points, sections[0], rows), SectionLatents(points, 40.0 * sections[1] + 7.0, rows)]
    )
    assert first.shared and second.shared and not of_one(points, sections[0], rows).shared
    correlations = [np.corrcoef(one.values[:, 0], signal)[0, 1] for one in (first, second)]
    assert min(np.abs(correlations)) > 0.8 and correlations[0] * correlations[1] > 0


def test_a_part_is_averaged_within_itself():
    """What is outside the part does not matter, however large it is."""
    points, rows = hexagonal(20), np.arange(400)
    signal = np.column_stack([points[:, 0] > 9, points[:, 1] > 9]) + 0.1 * np.random.default_rng(0).normal(
        size=(400, 2)
    )
    whole, chosen = of_one(points, signal, rows), points[:, 0] < 12
    part = whole.part(points, chosen)
    np.testing.assert_array_equal(part.values, whole.values[chosen])
    np.testing.assert_array_equal(part.rows, np.arange(chosen.sum()))
    average = neighbour_average(points[chosen])
    np.testing.assert_allclose(part.smooth, average @ (average @ whole.values[chosen]))
