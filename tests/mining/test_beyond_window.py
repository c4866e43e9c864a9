"""Mutual nearest neighbours beyond the window against brute-force searches."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from spatialweave.mining.beyond_window import distant_mutual, mine_distant_triplets, within


def path_graph(n_spots: int) -> sparse.csr_matrix:
    """Spots in a row, each beside the next."""
    return sparse.diags([1.0, 1.0], [-1, 1], shape=(n_spots, n_spots), format="csr")


def test_distant_triplets_match_a_brute_force_search() -> None:
    rng = np.random.default_rng(3)
    features, close, n_nearest = rng.normal(size=(50, 3)).astype(np.float32), within(path_graph(50), 3), 2
    anchors, positives, negatives = mine_distant_triplets(features, close, n_nearest, 0.5, rng, np.arange(50))
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)
    apart = np.abs(np.arange(50)[:, None] - np.arange(50)[None]) > 3
    nearest = np.argsort(np.where(apart, distance, np.inf), axis=1)[:, :n_nearest]
    expected = {(i, j) for i in range(50) for j in nearest[i] if i in nearest[j]}
    assert set(zip(anchors.tolist(), positives.tolist(), strict=True)) == expected
    assert (distance[anchors, negatives] >= np.median(distance[anchors], axis=1) * 0.99).all()


def test_window_is_the_number_of_steps() -> None:
    assert sorted(within(path_graph(9), 2)[4].indices.tolist()) == [2, 3, 4, 5, 6]


def test_long_range_neighbours_match_a_brute_force_search() -> None:
    rng = np.random.default_rng(3)
    embedding = rng.normal(size=(60, 5)).astype(np.float32)
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    found = distant_mutual(unit, 4, within(path_graph(60), 3))
    apart = np.abs(np.arange(60)[:, None] - np.arange(60)) > 3
    best = np.argsort(np.where(apart, -(unit @ unit.T), np.inf), axis=1)[:, :4]
    expected = {(i, j) for i in range(60) for j in best[i] if i in best[j]}
    assert set(zip(*found.nonzero(), strict=True)) == expected and len(expected) > 20
