"""Sections prepared for registration: pooling by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment import prepared_section
from spatialweave.alignment.prepared_section import pool, prepare

GRID = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2)


def test_pool_by_hand():
    points = np.array([[0.0, 0.0], [0.5, 0.5], [3.0, 0.0]])
    latent, present = np.array([[1.0], [9.0], [4.0]]), np.array([True, False, False])
    pooled_points, pooled = pool(points, {"rna": (latent, present)}, 1.0)
    assert pooled_points.tolist() == [[0.25, 0.25], [3.0, 0.0]]
    assert pooled["rna"][0][0].tolist() == [1.0] and pooled["rna"][1].tolist() == [True, False]


def test_a_section_of_few_spots_stays():
    found = prepare(GRID, {}, 0.5)
    assert np.array_equal(found.points, GRID) and found.spacing == 1.0 and found.components == {}
    # The outline of a square of 20 x 20 spots.
    edge = GRID[((GRID == 0) | (GRID == 19)).any(axis=1)]
    assert np.array_equal(found.outline, edge) and len(edge) == 76


def test_a_narrow_spacing_is_pooled_to_the_least():
    """Squares of 2 x 2 spots."""
    found = prepare(GRID, {}, 2.0)
    assert found.spacing == pytest.approx(2.0) and len(found.points) == 100
    assert found.points[0].tolist() == [0.5, 0.5]


def test_many_spots_are_pooled_to_about_the_limit(monkeypatch):
    monkeypatch.setattr(prepared_section, "MOST_SPOTS", 100)
    assert len(prepare(GRID, {}, 0.5).points) == 100


def test_modalities_without_spatial_components_are_left_out():
    rng = np.random.default_rng(0)
    present = np.ones(400, dtype=bool)
    signal = np.column_stack([GRID[:, 0] > 9, GRID[:, 1] > 9]) + 0.1 * rng.normal(size=(400, 2))
    found = prepare(GRID, {"rna": (signal, present), "adt": (rng.normal(size=(400, 5)), present)}, 0.5)
    assert list(found.components) == ["rna"]
