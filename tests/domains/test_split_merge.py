"""Split and merge: merges by hand and against SciPy's Ward clustering, and known domains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.cluster import cluster
from spatialweave.domains.split_merge import merge_groups, split_merge

Clouds = Callable[..., tuple[np.ndarray, np.ndarray]]


def test_merges_by_hand() -> None:
    line = np.array([[0.0], [1.0], [10.0], [11.5]])
    sizes = np.array([1, 1, 9, 1])
    # 0 and 1 cost 1 / 2, 10 and 11.5 cost 1.5^2 * 9 / 10 = 2.0.
    assert merge_groups(line, sizes, 4).tolist() == [0, 1, 2, 3]
    assert merge_groups(line, sizes, 3).tolist() == [0, 0, 1, 2]
    assert merge_groups(line, sizes, 2).tolist() == [0, 0, 1, 1]
    assert merge_groups(line, sizes, 1).tolist() == [0, 0, 0, 0]
    # The nearer pair is the larger one: 3^2 * 100 / 20 = 45 against 4^2 * 10 / 11 = 14.5.
    assert merge_groups(np.array([[0.0], [3.0], [7.0]]), np.array([10, 10, 1]), 2).tolist() == [0, 1, 1]


@pytest.mark.parametrize("n_left", [1, 2, 5, 11])
def test_merging_groups_is_ward_on_their_spots(n_left: int) -> None:
    rng = np.random.default_rng(n_left)
    centres, sizes = rng.normal(size=(12, 3)), rng.integers(1, 9, 12)
    # Spots at the centre of their group are merged first, at no cost.
    spots = fcluster(linkage(np.repeat(centres, sizes, axis=0), "ward"), n_left, "maxclust")
    groups = spots[np.concatenate([[0], np.cumsum(sizes)[:-1]])]
    assert adjusted_rand_score(groups, merge_groups(centres, sizes, n_left)) == 1.0


def test_finds_clouds_of_unequal_size() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [900, 30, 30])
    values = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0]])[truth] + rng.normal(size=(960, 2))
    assert adjusted_rand_score(truth, cluster(values, 3, "split_merge", seed=1).labels) == 1.0


def test_gives_the_number_that_is_asked_for_and_the_same_each_time(clouds: Clouds) -> None:
    values, cloud = clouds(500, 6, 4, 4.0)
    for n_domains in (1, 2, 4, 9):
        found = cluster(values, n_domains, "split_merge", seed=3)
        assert found.n_domains == n_domains
        assert found.record == {"groups": 5 * n_domains}
        np.testing.assert_array_equal(found.labels, cluster(values, n_domains, "split_merge", seed=3).labels)
    assert adjusted_rand_score(cloud, cluster(values, 4, "split_merge", seed=3).labels) == 1.0


def test_few_spots_and_few_distinct_rows() -> None:
    assert split_merge(np.arange(3.0)[:, None], 3, seed=0)[1] == 3
    labels, groups = split_merge(np.repeat([[0.0], [1.0], [5.0]], 4, axis=0), 2, seed=0)
    # 0 and 1 are the nearest of the three values.
    assert groups == 3 and adjusted_rand_score([0] * 8 + [1] * 4, labels) == 1.0
    assert len(np.unique(split_merge(np.ones((6, 2)), 2, seed=0)[0])) == 1
