"""Controls: what each ignores has no influence on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialweave.methods import coordinates, noise


def test_coordinates_of_a_section_are_centred_and_keep_their_shape(tissue, run):
    dataset = tissue()
    found = coordinates.fit(dataset, coordinates.Config(), run).embedding
    assert found.mean(axis=0) == pytest.approx(0, abs=1e-6)
    assert np.square(found).mean() == pytest.approx(1)
    # A shift and a factor away from what was given.
    points = dataset.coordinates - dataset.coordinates.mean(axis=0)
    assert found * (points[0, 0] / found[0, 0]) == pytest.approx(points, abs=1e-4)


def test_sections_lie_on_each_other(tissue, run):
    dataset = tissue()
    half = dataset.n_spots // 2
    dataset.obs["section"] = np.where(np.arange(dataset.n_spots) < half, "a", "b")
    dataset.coordinates[half:] += 1000
    found = coordinates.fit(dataset, coordinates.Config(), run).embedding
    for part in (found[:half], found[half:]):
        assert part.mean(axis=0) == pytest.approx(0, abs=1e-6)


def test_noise_is_the_seed_and_nothing_else(tissue, run):
    first, other = tissue(), tissue(missing=0.3)
    assert first.n_spots == other.n_spots
    config = noise.Config(n_dims=5)
    found = noise.fit(first, config, run).embedding
    assert found.shape == (first.n_spots, 5)
    np.testing.assert_array_equal(found, noise.fit(other, config, run).embedding)
    assert not np.array_equal(found, noise.fit(first, config, replace(run, seed=run.seed + 1)).embedding)
    assert abs(found.mean()) < 0.1 and abs(found.std() - 1) < 0.1
