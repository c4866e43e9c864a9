"""Triplets across sections against a brute-force search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spatialweave.graphs import nearest
from spatialweave.mining.across_sections import cross_pairs, mine_cross_triplets


def brute_force(points: np.ndarray, sections: np.ndarray, n_nearest: int) -> set[tuple[int, int]]:
    """All (i, j) of different sections, each among the other's nearest in the other's section."""
    distance = cdist(points, points)

    def nearest(i: int, section: int) -> np.ndarray:
        own = np.flatnonzero(sections == section)
        return own[np.argsort(distance[i, own])[:n_nearest]]

    return {
        (i, int(j))
        for i in range(len(points))
        for section in set(sections.tolist()) - {int(sections[i])}
        for j in nearest(i, section)
        if i in nearest(j, int(sections[i]))
    }


@pytest.fixture
def scattered() -> tuple[np.ndarray, np.ndarray]:
    """Points of three sections of different sizes, in mixed order."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(90, 4)).astype(np.float32), rng.choice(3, size=90, p=[0.5, 0.3, 0.2])


@pytest.mark.parametrize("n_nearest", [1, 3])
def test_pairs_are_those_of_a_brute_force_search(scattered: tuple[np.ndarray, np.ndarray], n_nearest: int) -> None:
    points, sections = scattered
    pairs = list(zip(*(found.tolist() for found in cross_pairs(points, sections, n_nearest)), strict=True))
    assert len(pairs) == len(set(pairs)) > 40
    assert set(pairs) == brute_force(points, sections, n_nearest)


def test_published_anchors_are_the_half_from_the_lower_section(scattered: tuple[np.ndarray, np.ndarray]) -> None:
    points, sections = scattered
    everyone = np.arange(len(points))
    both, first = (
        mine_cross_triplets(points, sections, 2, 0.6, np.random.default_rng(0), everyone, side)
        for side in (True, False)
    )
    expected = brute_force(points, sections, 2)
    assert set(zip(both[0].tolist(), both[1].tolist(), strict=True)) == expected
    assert set(zip(first[0].tolist(), first[1].tolist(), strict=True)) == {
        (i, j) for i, j in expected if sections[i] < sections[j]
    }
    assert 2 * first.shape[1] == both.shape[1]


def test_no_positive_of_the_own_section_and_no_negative_of_another(scattered: tuple[np.ndarray, np.ndarray]) -> None:
    points, sections = scattered
    found = mine_cross_triplets(points, sections, 2, 0.5, np.random.default_rng(0), np.arange(90))
    assert (sections[found[0]] != sections[found[1]]).all()
    assert (sections[found[0]] == sections[found[2]]).all()
    distance = cdist(points, points)
    for anchor, _, negative in found.T:
        own = np.flatnonzero(sections == sections[anchor])
        n_far = int(0.5 * (len(own) - 1))
        assert distance[anchor, negative] >= np.sort(distance[anchor, own])[-n_far] - 1e-5


def test_names_and_order_of_sections_do_not_matter(scattered: tuple[np.ndarray, np.ndarray]) -> None:
    points, sections = scattered
    renamed = np.array([7, 2, 30])[sections]
    order = np.random.default_rng(2).permutation(90)
    expected = set(zip(*map(np.ndarray.tolist, cross_pairs(points, sections, 2)), strict=True))
    assert set(zip(*map(np.ndarray.tolist, cross_pairs(points, renamed, 2)), strict=True)) == expected
    first, second = cross_pairs(points[order], sections[order], 2)
    assert set(zip(order[first].tolist(), order[second].tolist(), strict=True)) == expected


def test_approximate_search_finds_nearly_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points, sections = rng.normal(size=(9000, 6)).astype(np.float32), np.arange(9000) % 2
    exact = set(zip(*map(np.ndarray.tolist, cross_pairs(points, sections, 2)), strict=True))
    monkeypatch.setattr(nearest, "EXACT_LIMIT", 1000)
    monkeypatch.setattr(nearest, "LISTS_PROBED", 4)
    found = set(zip(*map(np.ndarray.tolist, cross_pairs(points, sections, 2)), strict=True))
    assert found != exact and len(found & exact) > 0.97 * len(exact)


def test_sections_too_small_for_triplets_are_survived() -> None:
    points = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = mine_cross_triplets(points, np.array([0, 1, 1, 1]), 2, 0.6, np.random.default_rng(0), np.arange(4))
    # The only spot of section 0 has no negative; the others may have it as a positive.
    assert set(found[0].tolist()) <= {1, 2, 3} and set(found[1].tolist()) <= {0}
    assert mine_cross_triplets(points, np.zeros(4, int), 2, 0.6, np.random.default_rng(0), np.arange(4)).shape == (3, 0)
