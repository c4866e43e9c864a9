"""Pairs of spots by their coordinates, against all distances and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spatialweave.errors import InputError
from spatialweave.matching.spot_pairs import mutual_best, mutual_nearest, nearest_pairs, pair_blocks


def test_nearest_pairs_equals_all_distances():
    rng = np.random.default_rng(0)
    points_a, points_b = rng.random((60, 2)), rng.random((40, 2))
    distance = cdist(points_a, points_b)
    in_a, in_b = nearest_pairs(points_a, points_b, 0.08)
    near = np.flatnonzero(distance.min(axis=1) <= 0.08)
    assert 0 < len(near) < 60
    assert in_a.tolist() == near.tolist() and in_b.tolist() == distance.argmin(axis=1)[near].tolist()
    assert [len(side) for side in nearest_pairs(points_a, points_b[:0], 1.0)] == [0, 0]


def test_mutual_nearest_equals_all_distances():
    rng = np.random.default_rng(1)
    points_a, points_b = rng.random((60, 2)), rng.random((40, 2))
    distance = cdist(points_a, points_b)
    best_a, best_b = distance.argmin(axis=1), distance.argmin(axis=0)
    expected = [(i, int(j)) for i, j in enumerate(best_a) if best_b[j] == i and distance[i, j] <= 0.08]
    a, b, found = mutual_nearest(points_a, points_b, 0.08)
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == expected and 0 < len(expected) < 40
    np.testing.assert_allclose(found, distance[a, b])


def test_a_coarse_and_a_fine_section_pair_up_in_either_order():
    """A spot of 100 micrometres has 3,500 bins of 8 micrometres within three of its spacings."""
    fine = 0.08 * np.stack(np.indices((100, 100)), axis=-1).reshape(-1, 2)
    coarse = np.stack(np.indices((8, 8)), axis=-1).reshape(-1, 2) + 0.01
    for one, other in ((coarse, fine), (fine, coarse)):
        assert sum(len(a) for a, _, _ in pair_blocks(one, other, 3.0)) == (cdist(one, other) <= 3.0).sum()
    with pytest.raises(InputError, match=r"10000 spots .* choose a smaller radius"):
        list(pair_blocks(fine, fine, 300.0))


def test_ties_of_mutual_nearest_go_to_the_left_then_below():
    """One spot between equally near ones, each of which has only that one."""
    middle, corners = np.zeros((1, 2)), np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    assert mutual_nearest(middle, corners, 2.0)[1].tolist() == [2]
    # Farther to the left comes before farther below.
    sides = np.array([[0.6, -0.8], [-0.8, 0.6], [0.0, -1.0]])
    assert mutual_nearest(middle, sides, 2.0)[1].tolist() == [1]


def test_mutual_best_by_hand():
    """Values of a 2 x 3 table of pairs, row by row: 0.9 0.8 0.1 / 0.7 0.6 0.5."""
    a, b = np.repeat([0, 1], 3), np.tile([0, 1, 2], 2)
    value, shift = np.array([0.9, 0.8, 0.1, 0.7, 0.6, 0.5]), np.zeros((6, 2))
    assert mutual_best(a, b, value, shift, 1).tolist() == [0]
    # Two best of rows: pairs 0, 1 and 3, 4; of columns: all.
    assert mutual_best(a, b, value, shift, 2).tolist() == [0, 1, 3, 4]
    assert mutual_best(a, b, value, shift, 3).tolist() == [0, 1, 2, 3, 4, 5]
