"""The transforms that the search starts from, and its components."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment import transforms
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.alignment.prepared_section import PreparedSection, UnpreparedSection, prepare
from spatialweave.alignment.refinement import (
    initial_transforms,
    search_components,
    thin,
)
from spatialweave.alignment.registration_score import RegistrationScore
from spatialweave.alignment.spatial_components import SpatialComponents

GRID = np.stack(np.meshgrid(np.arange(12.0), np.arange(8.0)), -1).reshape(-1, 2)


def test_thin_takes_points_evenly():
    assert thin(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert thin(np.arange(10), 10).tolist() == list(range(10))
    assert len(thin(np.arange(10), 3)) == 3


def section(points: np.ndarray, **components: SpatialComponents) -> PreparedSection:
    return PreparedSection(points, 1.0, components, points)


def test_search_components_are_the_most_spatial_ones():
    """Seven components of two modalities: the least spatial is left out; spots without a modality have 0."""
    rng = np.random.default_rng(0)
    rows = np.arange(90)
    first = SpatialComponents(np.arange(96), None, rng.normal(size=(96, 4)), np.array([0.9, 0.7, 0.5, 0.3]))
    second = SpatialComponents(rows, None, 5 * rng.normal(size=(90, 3)), np.array([0.8, 0.6, 0.2]))
    found = search_components(section(GRID, rna=first, adt=second))
    np.testing.assert_allclose(found[:90].var(axis=0)[[1, 3]], [0.8, 0.6])
    np.testing.assert_allclose(found.var(axis=0)[[0, 2, 4, 5]], [0.9, 0.7, 0.5, 0.3])
    assert found.shape == (96, 6) and (found[90:, [1, 3]] == 0).all()
    assert search_components(section(GRID)).shape == (96, 0)


def test_modalities_with_the_same_components_are_searched_alone():
    rng, rows = np.random.default_rng(0), np.arange(96)
    rna = SpatialComponents(rows, None, rng.normal(size=(96, 2)), np.array([0.3, 0.2]))
    adt = SpatialComponents(rows, None, rng.normal(size=(96, 2)), np.array([0.9, 0.8]))
    found = search_components(section(GRID, rna=rna, adt=adt), ["rna"])
    np.testing.assert_allclose(found.var(axis=0), [0.3, 0.2])
    assert search_components(section(GRID, rna=rna), by_features=False).shape == (96, 0)


@pytest.mark.parametrize(
    ("settings", "size", "expected"),
    [
        ({}, 1.0, {(False, 1.0)}),
        ({"reflection": True}, 1.0, {(False, 1.0), (True, 1.0)}),
        ({"scale": True}, 0.5, {(False, 1.0), (False, 2.0)}),
        # Radii that differ by less than 2% are not worth a second scale.
        ({"scale": True}, 0.99, {(False, 1.0)}),
        ({}, 0.5, {(False, 1.0)}),
    ],
)
def test_initial_transforms_try_what_the_settings_allow(settings, size, expected):
    parts = [UnpreparedSection(GRID, {}, 0.1), UnpreparedSection(size * GRID, {}, 0.01)]
    scores = RegistrationScore(*prepare(parts), size * GRID)
    found = initial_transforms(scores, PrematchSettings(angles=4, **settings))
    assert len(found) == 4 * len(expected)
    kinds = {(transforms.decompose(one.matrix)[3], round(transforms.decompose(one.matrix)[2], 6)) for one in found}
    assert kinds == expected
