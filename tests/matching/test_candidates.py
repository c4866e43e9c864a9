"""Candidate pairs against the full matrices of distances and cosines."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import cosine_similarity

from spatialweave.errors import InputError
from spatialweave.matching import candidates, spot_pairs
from spatialweave.matching.candidates import find_candidates


def two_sections(rng, n_a=150, n_b=130, dims=8):
    return (
        rng.normal(size=(n_a, dims)).astype(np.float32),
        rng.normal(size=(n_b, dims)).astype(np.float32),
        12.0 * rng.random((n_a, 2)),
        12.0 * rng.random((n_b, 2)),
    )


def as_set(found):
    return set(zip(found.a.tolist(), found.b.tolist(), strict=True))


def test_pairs_within_the_radius_with_their_cosine_and_distance(rng):
    e_a, e_b, p_a, p_b = two_sections(rng)
    found = find_candidates(e_a, e_b, p_a, p_b, 2.0, cap=1000)
    distance, cosine = cdist(p_a, p_b), cosine_similarity(e_a, e_b)
    expected = np.argwhere(distance <= 2.0)
    np.testing.assert_array_equal(np.column_stack([found.a, found.b]), expected)
    np.testing.assert_allclose(found.distance, distance[found.a, found.b], atol=1e-12)
    np.testing.assert_allclose(found.cosine, cosine[found.a, found.b], atol=1e-6)
    assert (found.n_a, found.n_b) == (150, 130)


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_the_cap_keeps_the_best_of_either_spot(rng, penalty):
    e_a, e_b, p_a, p_b = two_sections(rng)
    found = find_candidates(e_a, e_b, p_a, p_b, 3.0, cap=4, penalty=penalty)
    distance = cdist(p_a, p_b)
    rank = np.where(distance <= 3.0, cosine_similarity(e_a, e_b) - penalty * distance**2, -np.inf)
    kept = np.zeros(rank.shape, dtype=bool)
    np.put_along_axis(kept, np.argsort(-rank, axis=1)[:, :4], True, axis=1)
    columns = np.zeros(rank.shape, dtype=bool)
    np.put_along_axis(columns, np.argsort(-rank, axis=0)[:4], True, axis=0)
    expected = np.argwhere((kept | columns) & np.isfinite(rank))
    np.testing.assert_array_equal(np.column_stack([found.a, found.b]), expected)
    assert len(found) < np.isfinite(rank).sum()


def test_blocks_do_not_show(rng, monkeypatch):
    sides = two_sections(rng)
    whole = find_candidates(*sides, 2.5, cap=5)
    monkeypatch.setattr(spot_pairs, "PAIRS_AT_ONCE", 40)
    blocks = find_candidates(*sides, 2.5, cap=5)
    for name in ("a", "b", "cosine", "distance"):
        np.testing.assert_array_equal(getattr(blocks, name), getattr(whole, name))


@pytest.mark.parametrize("cap", [3, 1000])
def test_swapping_and_reordering_keep_the_pairs(rng, cap):
    e_a, e_b, p_a, p_b = two_sections(rng)
    found = as_set(find_candidates(e_a, e_b, p_a, p_b, 2.5, cap=cap))
    assert as_set(find_candidates(e_b, e_a, p_b, p_a, 2.5, cap=cap)) == {(b, a) for a, b in found}
    order = rng.permutation(len(e_a))
    reordered = find_candidates(e_a[order], e_b, p_a[order], p_b, 2.5, cap=cap)
    assert {(int(order[a]), b) for a, b in as_set(reordered)} == found


def test_a_spot_on_the_radius_counts(rng):
    grid = np.stack(np.meshgrid(np.arange(9), np.arange(9)), axis=-1).reshape(-1, 2).astype(float)
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    embedding = rng.normal(size=(81, 3))
    for points in (grid, 1e4 + 0.1 * grid @ turn.T):
        unit = np.linalg.norm(points[1] - points[0])
        assert np.bincount(find_candidates(embedding, embedding, points, points, 3.0 * unit).a)[40] == 29


def test_all_zero_rows_have_cosine_0_and_sizes_do_not_matter(rng):
    e_a, e_b, p_a, p_b = two_sections(rng)
    e_a[:5] = 0
    plain = find_candidates(e_a, e_b, p_a, p_b, 3.0)
    assert (plain.cosine[plain.a < 5] == 0).all()
    scaled = find_candidates(e_a * np.float32(1e-30), e_b * np.float32(1e30), p_a, p_b, 3.0)
    np.testing.assert_allclose(scaled.cosine, plain.cosine, atol=1e-6)


def test_duplicates_single_spots_and_nothing(rng):
    e_a, e_b, p_a, p_b = two_sections(rng, 20, 30)
    p_a[:], p_b[:] = 1.0, 1.0
    assert len(find_candidates(e_a, e_b, p_a, p_b, 1.0)) == 600
    one = find_candidates(e_a[:1], e_b[:1], p_a[:1], p_b[:1], 1.0)
    assert as_set(one) == {(0, 0)}
    for far in (find_candidates(e_a, e_b, p_a, p_b + 9, 1.0), find_candidates(e_a[:0], e_b, p_a[:0], p_b, 1.0)):
        assert len(far) == 0
        assert far.a.dtype == far.b.dtype == np.int64


@pytest.mark.parametrize("side", [0, 1, 2, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(rng, side, value):
    sides = list(two_sections(rng))
    sides[side][7, 1] = value
    with pytest.raises(InputError, match=r"spot 8: its (embedding is|coordinates are) not finite"):
        find_candidates(*sides, 2.0)


def test_shapes_and_options_are_checked(rng, monkeypatch):
    e_a, e_b, p_a, p_b = two_sections(rng)
    with pytest.raises(InputError, match="8 and 5 dimensions"):
        find_candidates(e_a, e_b[:, :5], p_a, p_b, 2.0)
    with pytest.raises(InputError, match="second section"):
        find_candidates(e_a, e_b[:9], p_a, p_b, 2.0)
    with pytest.raises(InputError, match="spots x 2"):
        find_candidates(e_a, e_b, p_a[:, :1], p_b, 2.0)
    for radius in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="radius"):
            find_candidates(e_a, e_b, p_a, p_b, radius)
    with pytest.raises(InputError, match="cap"):
        find_candidates(e_a, e_b, p_a, p_b, 1.0, cap=0)
    monkeypatch.setattr(spot_pairs, "MAX_MEAN_PAIRS", 20)
    with pytest.raises(InputError, match="smaller radius"):
        find_candidates(e_a, e_b, p_a, p_b, 20.0)


def test_spacing_is_that_of_the_coarser_section():
    grid = np.stack(np.meshgrid(np.arange(9), np.arange(9)), axis=-1).reshape(-1, 2).astype(float)
    assert candidates.shared_spacing(grid, 0.7 * grid) == pytest.approx(1.0)
    assert candidates.shared_spacing(0.5 * grid, 2.0 * grid) == pytest.approx(2.0)
    assert candidates.shared_spacing(grid[:1], grid[:1]) == 1.0


def test_memory_follows_the_pairs_not_the_spots_squared(rng):
    n = 20_000
    points = np.sqrt(n) * rng.random((n, 2))
    embedding = rng.normal(size=(n, 16)).astype(np.float32)
    tracemalloc.start()
    found = find_candidates(embedding, embedding, points, points, 2.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) > 10 * n
    assert peak < 150e6  # a byte per pair of spots would be 400e6
