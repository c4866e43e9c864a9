"""Numbering, number of domains, refinement and the resolution search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.communities import resolution_for
from spatialweave.domains.labels import number_by_size, refine


def test_numbering_by_hand():
    assert number_by_size(np.array([7, 7, 2, 2, 2, 9])).tolist() == [2, 2, 1, 1, 1, 3]
    # Equal sizes: the one that comes first.
    assert number_by_size(np.array([5, 1, 1, 5, 3])).tolist() == [1, 2, 2, 1, 3]


@settings(deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.permutations(range(11)))
def test_numbering_does_not_depend_on_names(labels, names):
    labels = np.array(labels)
    found = number_by_size(labels)
    np.testing.assert_array_equal(found, number_by_size(np.array(names)[labels + 5]))
    assert (np.diff(np.bincount(found)[1:]) <= 0).all()
    assert len(set(zip(labels.tolist(), found.tolist(), strict=True))) == len(set(labels.tolist()))


def line(n: int) -> sparse.csr_matrix:
    """Spots in a row, each joined to the next."""
    return sparse.csr_matrix(sparse.diags([np.ones(n - 1), np.ones(n - 1)], [1, -1]))


def test_refinement_by_hand():
    # A lone 2 amid 1s joins them; a pair of 2s holds, for one of two neighbours is no majority.
    assert refine(np.array([1, 1, 2, 1, 1, 2, 2]), line(7), 1).tolist() == [1, 1, 1, 1, 1, 2, 2]
    assert refine(np.array([1, 2, 3]), line(3), 1).tolist() == [2, 2, 2]
    assert refine(np.array([4, 5]), sparse.csr_matrix((2, 2)), 3).tolist() == [4, 5]
    assert refine(np.array([1, 1, 2, 1]), line(4), 0).tolist() == [1, 1, 2, 1]


def test_refinement_repeats():
    # Each round eats one spot of the comb from its end.
    once = refine(np.array([1, 1, 2, 1, 2, 1, 2, 2]), line(8), 1)
    assert once.tolist() == [1, 1, 1, 2, 1, 2, 2, 2]
    assert refine(np.array([1, 1, 2, 1, 2, 1, 2, 2]), line(8), 3).tolist() == refine(once, line(8), 2).tolist()


def steps(edges: dict[float, int]):
    """A stand-in for a community search: so many domains from this resolution on."""

    def partition(resolution: float) -> np.ndarray:
        return np.arange(max(count for edge, count in edges.items() if resolution >= edge))

    return partition


def test_bisection_finds_a_narrow_window():
    resolution, labels, tried = resolution_for(steps({0.0: 3, 2.7: 6, 2.75: 9}), 6)
    assert len(labels) == 6 and 2.7 <= resolution < 2.75 and tried < 20


@pytest.mark.parametrize(("requested", "nearest"), [(5, 4), (6, 7), (2, 4), (60, 7)])
def test_bisection_gives_the_nearest_when_out_of_reach(requested, nearest):
    assert len(resolution_for(steps({0.0: 4, 1.3: 7}), requested)[1]) == nearest


def test_communities_do_not_disturb_the_process_generator(clouds):
    import random

    from spatialweave.domains.communities import communities

    values, cloud = clouds(200, 4, 3, 8.0)
    random.seed(1)
    expected = random.random()
    random.seed(1)
    labels, _ = communities(values, 3, "leiden", seed=0)
    assert random.random() == expected
    assert adjusted_rand_score(cloud, labels) == 1.0
