"""Large tissues are assessed by a sample in compact pieces."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.pieces import PIECES_PER_SIDE, in_pieces, part
from spatialweave.graphs.spatial import knn
from spatialweave.io.result_tables import ALL

from .tissue import dataset, grid, noisy, quadrants


def test_a_small_tissue_is_taken_whole() -> None:
    assert in_pieces(grid(30, 30), np.zeros(900), 900).tolist() == list(range(900))


def test_neighbours_of_most_spots_stay_and_every_part_of_the_tissue_has_some() -> None:
    points = grid(300, 300)
    rows = in_pieces(points, np.zeros(len(points)), 30_000)
    assert (np.diff(rows) > 0).all()
    assert len(rows) == pytest.approx(30_000, rel=0.01)
    square = (points[rows] // (300 / PIECES_PER_SIDE)).astype(int)
    assert np.unique(square, axis=0, return_counts=True)[1].tolist() == [300] * PIECES_PER_SIDE**2
    # Of a disc of 300 spots about 2 pi r = 61 are at the border; the others have their four neighbours at distance 1.
    near = knn(points[rows], np.zeros(len(rows)), 4)
    whole = near.data.reshape(-1, 4).max(axis=1) <= 1.0
    assert whole.mean() > 0.75


def test_sections_are_sampled_alike() -> None:
    points = np.concatenate([grid(100, 100), grid(50, 50)])
    sections = np.repeat(["a", "b"], [10_000, 2500])
    rows = in_pieces(points, sections, 5000)
    assert (sections[rows] == "a").sum() == pytest.approx(4000, rel=0.02)
    assert (sections[rows] == "b").sum() == pytest.approx(1000, rel=0.05)


def test_a_small_section_beside_a_large_one_keeps_its_fraction() -> None:
    """Of each of its squares less than half a spot would be taken."""
    points = np.concatenate([grid(300, 300), grid(20, 20)])
    sections = np.repeat(["large", "small"], [90_000, 400])
    rows = in_pieces(points, sections, 9040)
    assert len(rows) == 9040 and (sections[rows] == "small").sum() == 40
    many = in_pieces(np.tile(grid(20, 20), (100, 1)), np.repeat(np.arange(100), 400), 4000)
    assert np.bincount(many // 400).tolist() == [40] * 100


def test_a_sample_explains_what_the_tissue_does() -> None:
    points = grid(160, 160)
    domains = quadrants(points)
    whole = dataset(points, rna=noisy(domains, 1.0, seed=1))
    rows = in_pieces(points, np.zeros(len(points)), 8000)
    found = [
        HiddenSpots.of(whole).explained(domains)[ALL].value,
        HiddenSpots.of(part(whole, rows)).explained(domains[rows])[ALL].value,
    ]
    assert found[0] > 0.1
    assert found[1] == pytest.approx(found[0], abs=0.02)
