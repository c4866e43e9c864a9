"""Triplet mining against the definition, written out over the full distance matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import chisquare

from spatialweave.graphs import nearest
from spatialweave.mining import triplets as mining


def brute_force_pairs(points: np.ndarray, n_nearest: int) -> list[tuple[int, int]]:
    """The definition: sort every row, skip exact duplicates, keep mutual pairs, no all-zero anchor."""
    distance = cdist(points.astype(float), points.astype(float))
    order = np.argsort(distance, axis=1, kind="stable")
    skip = (distance == 0).sum(axis=1)
    nearest = [order[i, skip[i] : skip[i] + n_nearest] for i in range(len(points))]
    return [(i, j) for i in range(len(points)) for j in nearest[i] if i in nearest[j] and points[i].any()]


@pytest.mark.parametrize("n_nearest", [1, 3, 5])
def test_pairs_equal_brute_force(rng, n_nearest):
    points = rng.normal(size=(300, 6)).astype(np.float32)
    ours = list(zip(*mining.mutual_pairs(points, n_nearest), strict=True))
    assert ours == brute_force_pairs(points, n_nearest)


def test_duplicates_and_zero_rows(rng):
    points = rng.normal(size=(120, 3)).astype(np.float32)
    points[:40] = points[0]
    points[40:60] = 0
    ours = sorted(zip(*mining.mutual_pairs(points, 3), strict=True))
    # Which of several duplicates at one distance comes first is a tie: compare the pairs of distinct rows only.
    distinct = np.arange(len(points)) >= 60
    expected = [(i, j) for i, j in brute_force_pairs(points, 3) if distinct[i] and distinct[j]]
    assert [(i, j) for i, j in ours if distinct[i] and distinct[j]] == sorted(expected)
    assert not {i for i, _ in ours} & set(range(40, 60))
    distance = cdist(points, points)
    assert all(distance[i, j] > 0 for i, j in ours)


@pytest.mark.parametrize("copies", [14, 40])
def test_copies_of_points_have_the_nearest_others_in_order(rng, copies):
    """Nearly all candidates of a spot are copies of itself, and then of the next."""
    points = rng.permutation(np.repeat(rng.normal(size=(25, 3)), copies, axis=0)).astype(np.float32)
    points = np.concatenate([points, rng.normal(size=(50, 3)).astype(np.float32)])
    distance = cdist(points.astype(float), points.astype(float))
    distance[distance == 0] = np.inf
    expected = np.argsort(distance, axis=1, kind="stable")[:, :5]
    found = mining.nearest_spots(points, 5)
    copied = np.isin(np.arange(len(points)), np.arange(25 * copies))
    np.testing.assert_array_equal(found[copied], expected[copied])


def test_fewer_distinct_points_than_neighbours(rng):
    points = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    assert mining.nearest_spots(points, 5).tolist() == [[3, 4, 5, -1, -1]] * 3 + [[0, 1, 2, -1, -1]] * 3


def test_negatives_are_uniform_among_the_far_spots(rng):
    points = rng.normal(size=(60, 3)).astype(np.float32)
    anchors = np.full(30_000, 11)
    negatives = mining.far_spots(points, anchors, 0.5, rng)
    farthest = np.argsort(cdist(points[[11]], points)[0])[-29:]  # floor((60 - 1) * 0.5)
    assert set(negatives) == set(farthest)
    assert chisquare(np.bincount(negatives, minlength=60)[farthest]).pvalue > 1e-4


def test_negatives_with_a_sampled_bound_have_the_right_rank(rng, monkeypatch):
    monkeypatch.setattr(mining, "SAMPLE", 512)
    points = rng.normal(size=(4000, 5)).astype(np.float32)
    triplets = mining.mine_triplets(points, 3, 0.4, rng)
    distance = cdist(points[triplets[0]], points)
    ranks = (distance < distance[np.arange(len(distance)), triplets[2]][:, None]).mean(axis=1)
    assert ranks.min() > 0.6 - 0.08
    assert ranks.mean() == pytest.approx(0.8, abs=0.02)


def test_a_tiny_far_fraction_still_ends(rng):
    points = rng.normal(size=(3000, 4)).astype(np.float32)
    triplets = mining.mine_triplets(points, 2, 1e-6, rng)
    distance = cdist(points[triplets[0]], points)
    ranks = (distance < distance[np.arange(len(distance)), triplets[2]][:, None]).mean(axis=1)
    assert ranks.min() > 0.98


def test_approximate_search_finds_nearly_all(rng, monkeypatch):
    points = rng.normal(size=(6000, 8)).astype(np.float32)
    exact = mining.nearest_spots(points, 3)
    monkeypatch.setattr(nearest, "EXACT_LIMIT", 1000)
    monkeypatch.setattr(nearest, "POINTS_PER_LIST", 60)
    monkeypatch.setattr(nearest, "LISTS_PROBED", 10)
    approximate = mining.nearest_spots(points, 3)
    assert (approximate == exact).mean() > 0.9
    np.testing.assert_array_equal(approximate, mining.nearest_spots(points, 3))


def test_subset_only(rng):
    features = rng.normal(size=(200, 4)).astype(np.float32)
    subset = np.flatnonzero(rng.random(200) < 0.5)
    triplets = mining.mine_triplets(features, 3, 0.6, rng, subset)
    assert triplets.shape[1] > 20
    assert np.isin(triplets, subset).all()
    pairs = [tuple(subset[list(pair)]) for pair in brute_force_pairs(features[subset], 3)]
    assert list(zip(triplets[0], triplets[1], strict=True)) == pairs


@pytest.mark.parametrize("n_spots", [0, 1, 2, 3, 5])
def test_few_spots(rng, n_spots):
    triplets = mining.mine_triplets(rng.normal(size=(n_spots, 3)).astype(np.float32), 3, 0.6, rng)
    assert triplets.shape[0] == 3
    assert (triplets[0] != triplets[1]).all()
    assert (triplets[0] != triplets[2]).all()


def test_same_seed_same_triplets(rng):
    features = rng.normal(size=(500, 5)).astype(np.float32)
    first, second = (mining.mine_triplets(features, 3, 0.6, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
