"""Outlines of lattices that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment.outline import circumradius, outline


def grid(columns: int, rows: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(float(columns)), np.arange(float(rows))), -1).reshape(-1, 2)


def on_border(points: np.ndarray) -> np.ndarray:
    return np.flatnonzero((points == points.min(axis=0)).any(axis=1) | (points == points.max(axis=0)).any(axis=1))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_square_lattice(scale):
    points = grid(9, 7)
    np.testing.assert_array_equal(outline(points * scale + 1e5 * scale), on_border(points))


def test_hexagonal_lattice():
    points = grid(9, 8)
    points[:, 0] += 0.5 * (points[:, 1] % 2)
    # The first and last row, and the rows' ends that stick out: those set back are between two that do not.
    expected = np.flatnonzero((points[:, 1] % 7 == 0) | np.isin(points[:, 0], (0.0, 8.5)))
    np.testing.assert_array_equal(outline(points * (1.0, np.sqrt(3) / 2)), expected)


def test_notch_island_and_hole():
    """A wide notch is no part of the tissue, an island has an outline of its own, a wide hole has one inside."""
    points = grid(20, 20)
    hole = (np.abs(points - (12.0, 12.0)) <= 2).all(axis=1)
    notch = (points[:, 0] <= 5) & (np.abs(points[:, 1] - 8.0) <= 2)
    tissue = points[~hole & ~notch]
    island = grid(3, 3) + 40.0
    found = outline(np.vstack([tissue, island]))
    on_outline = {tuple(p) for p in np.vstack([tissue, island])[found]}
    assert (9.0, 12.0) in on_outline and (12.0, 15.0) in on_outline
    assert (6.0, 8.0) in on_outline and (3.0, 5.0) in on_outline and (7.0, 8.0) not in on_outline
    assert {(40.0, 40.0), (41.0, 40.0)} <= on_outline and (41.0, 41.0) not in on_outline


def test_scattered_cells_have_no_holes():
    """Of cells strewn over a disc only those near its rim are on the outline."""
    rng = np.random.default_rng(0)
    radius, angle = 10.0 * np.sqrt(rng.random(3000)), 2 * np.pi * rng.random(3000)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    found = outline(points)
    assert np.mean(radius[found] > 9.0) > 0.9
    assert np.histogram(angle[found], 12, (0, 2 * np.pi))[0].min() > 0


def test_duplicates_count_once():
    points = grid(6, 5)
    np.testing.assert_array_equal(outline(np.vstack([points, points])), outline(points))


def test_spots_on_a_line_are_all_outline():
    points = np.column_stack([np.arange(7.0), np.arange(7.0)])
    np.testing.assert_array_equal(outline(points), np.arange(7))
    np.testing.assert_array_equal(outline(points[:2]), [0, 1])


def test_circumradius_by_hand():
    corners = np.array([[[0, 0], [3, 0], [0, 4]], [[0, 0], [1, 0], [2, 0]]], dtype=float)
    assert circumradius(corners).tolist() == [2.5, np.inf]
