"""Sections prepared for registration: pooling by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment import prepared_section
from spatialweave.alignment.prepared_section import PreparedSection, UnpreparedSection, pool

GRID = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2)


def prepare(points: np.ndarray, features: dict, least_spacing: float) -> PreparedSection:
    """A single section."""
    return prepared_section.prepare([UnpreparedSection(points, features, least_spacing)])[0]


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


def test_modalities_of_both_sections_share_their_components():
    """RNA is in both, in as many dimensions; proteins are in both, in different ones; ATAC is in one only."""
    rng, present = np.random.default_rng(0), np.ones(400, dtype=bool)
    signal = np.column_stack([GRID[:, 0] > 9, GRID[:, 1] > 9]) + 0.1 * rng.normal(size=(400, 2))
    both = {"rna": (signal, present), "adt": (signal, present), "atac": (signal, present)}
    other = {"rna": (signal, present), "adt": (signal[:, :1], present)}
    first, second = prepared_section.prepare([UnpreparedSection(GRID, both, 0.5), UnpreparedSection(GRID, other, 0.5)])
    assert {name: one.shared for name, one in first.components.items()} == {"rna": True, "adt": False, "atac": False}
    assert {name: one.shared for name, one in second.components.items()} == {"rna": True, "adt": False}


def test_a_part_keeps_spacing_and_leaves_out_what_too_few_spots_have():
    rng, present = np.random.default_rng(0), np.ones(400, dtype=bool)
    signal = np.column_stack([GRID[:, 0] > 9, GRID[:, 1] > 9]) + 0.1 * rng.normal(size=(400, 2))
    features = {"rna": (signal, present), "adt": (signal, GRID[:, 0] > 9)}
    whole = prepare(GRID, features, 0.5)
    part = whole.part(GRID[:, 0] < 10, whole.outline[:, 0] < 10)
    assert sorted(whole.components) == ["adt", "rna"] and list(part.components) == ["rna"]
    assert part.spacing == whole.spacing and len(part.points) == 200
    assert part.outline[:, 0].max() == 9
