"""Matches against simulated truth, dense references and invariants."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import cosine_similarity

from spatialweave.errors import InputError
from spatialweave.matching.candidates import CandidatePairs
from spatialweave.matching.match import dustbin_score, match, match_nearest, transport_plan
from spatialweave.matching.settings import PUBLISHED, RELEASED, RULES, MatchSettings, rules_of

CASES = {
    "same lattice": {},
    "half a spot off": {"offset": (0.5, 0.5)},
    "lattice turned": {"lattice": "slide"},
    "finer second section": {"spacing": 0.7},
    "coarser second section": {"spacing": 1 / 0.7},
}


def accepted(matches):
    return set(zip(matches.a[matches.accepted].tolist(), matches.b[matches.accepted].tolist(), strict=True))


def grid(n, spacing=1.0):
    return spacing * np.stack(np.meshgrid(np.arange(n), np.arange(n)), axis=-1).reshape(-1, 2).astype(float)


def noisy_points(rng, n=20, noise=0.3):
    """Two sections of a grid with a smooth embedding, measured twice, the second a little off and in another order."""
    points = grid(n)
    waves = rng.normal(size=(2, 12))
    truth = np.sin(points @ waves + rng.uniform(0, 6, 12))
    order = rng.permutation(len(points))
    e_a = truth + noise * rng.normal(size=truth.shape)
    e_b = (truth + noise * rng.normal(size=truth.shape))[order]
    return e_a, e_b, points, (points + rng.normal(0, 0.05, points.shape) + 0.2)[order]


@pytest.mark.parametrize("pattern", ["blocks", "layers"])
@pytest.mark.parametrize("case", CASES)
def test_pairs_are_right_and_spots_without_a_match_stay_alone(aligned_pair, quality, pattern, case):
    pair = aligned_pair(pattern, **CASES[case])
    matches = match(pair.embedding_a, pair.embedding_b, pair.points_a, pair.points_b)
    judged = quality(pair, matches.a[matches.accepted], matches.b[matches.accepted])
    assert judged.right >= 0.95
    assert judged.found >= 0.80
    assert judged.wrongly_accepted <= 0.05


def test_without_position_or_dustbin_the_same_pair_fails(aligned_pair, quality):
    """The published settings, where neighbours of a domain cannot be distinguished: what the defaults are for."""
    pair = aligned_pair("blocks")
    matches = match(pair.embedding_a, pair.embedding_b, pair.points_a, pair.points_b, PUBLISHED)
    judged = quality(pair, matches.a[matches.accepted], matches.b[matches.accepted])
    assert judged.right < 0.6
    assert matches.accepted.all()


def test_other_tissue_at_the_same_point_goes_to_the_dustbin(rng):
    e_a, e_b, p_a, p_b = noisy_points(rng)
    foreign = np.linalg.norm(p_b - 8.0, axis=1) < 4.0
    e_b[foreign] = rng.normal(size=(int(foreign.sum()), e_b.shape[1]))
    matches = match(e_a, e_b, p_a, p_b)
    taken = np.isin(np.arange(len(p_b)), matches.b[matches.accepted])
    assert taken[foreign].mean() < 0.05
    assert taken[~foreign].mean() > 0.85
    assert matches.dustbin_b[foreign].mean() > 0.9 > 0.2 > matches.dustbin_b[~foreign].mean()
    never = match(e_a, e_b, p_a, p_b, MatchSettings(reject=False))
    assert np.isin(np.flatnonzero(foreign), never.b[never.accepted]).mean() > 0.3


def test_the_dustbins_mass_counts_only_what_pairs_do_not_hold(rng):
    e_a, e_b, p_a, p_b = noisy_points(rng)
    matches = match(e_a, e_b, p_a, p_b, MatchSettings(top=64, reject=False, tolerance=1e-6, max_sweeps=3000))
    held = np.bincount(matches.a, matches.score, len(p_a))
    np.testing.assert_allclose(held + matches.dustbin_a, 1.0, atol=1e-2)
    assert ((matches.score >= 0) & (matches.score <= 1.001)).all()


def test_counterparts_are_all_that_a_spot_shares_its_mass_with(rng):
    e_a, e_b, p_a, p_b = noisy_points(rng)
    settings = MatchSettings(top=64, reject=False, tolerance=1e-6, max_sweeps=3000)
    plan, matches = transport_plan(e_a, e_b, p_a, p_b, settings), match(e_a, e_b, p_a, p_b, settings)
    np.testing.assert_array_equal(plan[matches.a, matches.b].A1, matches.score)
    np.testing.assert_allclose(plan.sum(axis=1).A1 + matches.dustbin_a, 1.0, atol=1e-3)
    np.testing.assert_allclose(plan.sum(axis=0).A1 + matches.dustbin_b, 1.0, atol=1e-3)
    swapped = transport_plan(e_b, e_a, p_b, p_a, settings)
    np.testing.assert_allclose(swapped.T.toarray(), plan.toarray(), atol=1e-3)
    assert transport_plan(e_a, e_b, p_a, p_b + 1000, settings).nnz == 0


def published_reference(e_a, e_b, p_a, p_b, settings, radius):
    """The published layer, dense: scores, the dustbin's constant or lower median, Sinkhorn, mutual best."""
    near = cdist(p_a, p_b) <= radius
    scores = np.where(near, (cosine_similarity(e_a, e_b) + 1) / (2 * settings.temperature), 0.0)
    inside = np.sort(scores[near])
    n_a, n_b = scores.shape
    dustbin = inside[(len(inside) - 1) // 2] if settings.dustbin == "median" else settings.bin_score
    matrix = np.pad(scores, ((0, 1), (0, 1)), constant_values=dustbin) / settings.epsilon
    rows, columns = np.append(np.ones(n_a), n_b), np.append(np.ones(n_b), n_a)
    kernel = np.exp(matrix)
    v = np.ones(n_b + 1)
    for _ in range(2000):
        u = rows / (kernel @ v)
        v = columns / (u @ kernel)
    plan = (u[:, None] * kernel * v)[:-1, :-1]
    best_a, best_b = plan.argmax(axis=1), plan.argmax(axis=0)
    return {(i, int(j)) for i, j in enumerate(best_a) if best_b[j] == i and near[i, j]}


@pytest.mark.parametrize("rules", [replace(PUBLISHED, enough=0), replace(PUBLISHED, enough=0, bin_score=7), RELEASED])
def test_published_settings_equal_the_dense_published_layer(rng, rules):
    e_a, e_b, p_a, p_b = noisy_points(rng, n=14, noise=0.8)
    p_b = p_b + np.array([2.5, 0.0])  # some spots of either section have no candidate
    settings = replace(rules, tolerance=1e-9, max_sweeps=3000, radius=5.0)
    matches = match(e_a, e_b, p_a, p_b, settings)
    expected = published_reference(e_a, e_b, p_a, p_b, settings, matches.record["radius"])
    assert accepted(matches) == expected
    assert len(expected) > 50


def test_dustbin_score_by_hand():
    """Best scores of spots with a candidate: 5, 9, 20 and 1, 9, 20; their median is 9, the median deviation 6."""
    a, b = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])
    candidates = CandidatePairs(a, b, np.zeros(4, dtype=np.float32), np.zeros(4), 4, 3)
    scores = np.array([1.0, 5.0, 9.0, 20.0])
    auto = MatchSettings(dustbin="auto", epsilon=0.1)
    assert dustbin_score(candidates, scores, auto) == pytest.approx(9 - 2.5 * 1.4826 * 6, abs=1e-3)
    assert dustbin_score(candidates, scores, replace(auto, epsilon=30.0)) == pytest.approx(9 - 30)
    # The lower of the two middle scores.
    assert dustbin_score(candidates, scores, replace(auto, dustbin="median")) == 5


@pytest.mark.parametrize("top", [1, 2, 4])
def test_mutual_top_pairs_equal_brute_force(rng, top):
    e_a, e_b, p_a, p_b = noisy_points(rng, n=10, noise=1.0)
    every = match(e_a, e_b, p_a, p_b, MatchSettings(top=200, cap=200, reject=False))
    mass = np.zeros((100, 100))
    mass[every.a, every.b] = every.score
    first_a, first_b = np.argsort(-mass, axis=1)[:, :top], np.argsort(-mass, axis=0)[:top].T
    expected = {(i, int(j)) for i in range(100) for j in first_a[i] if i in first_b[j] and mass[i, j] > 1e-7}
    matches = match(e_a, e_b, p_a, p_b, MatchSettings(top=top, cap=200))
    real = matches.score > 1e-7  # the rest is as good as nothing, in any order
    assert set(zip(matches.a[real].tolist(), matches.b[real].tolist(), strict=True)) == expected
    beats = (matches.score > matches.dustbin_a[matches.a]) & (matches.score > matches.dustbin_b[matches.b])
    np.testing.assert_array_equal(matches.accepted, beats)
    assert matches.accepted.sum() > 0


def test_few_pairs_are_made_more_by_the_second_third_best(rng):
    """Mutual best only where these are enough; else the fewest of the best that give enough, at most `top`."""
    sections = noisy_points(rng, n=10, noise=1.0)
    counts = [len(match(*sections, replace(PUBLISHED, top=top, enough=None)).a) for top in range(1, 8)]
    assert counts[0] < counts[1] < counts[2] < counts[6]
    for enough, top, expected in (
        (0.0, 7, 1),
        (counts[0] / 100, 7, 1),
        ((counts[0] + 1) / 100, 7, 2),
        (100, 7, 7),
        (100, 3, 3),
    ):
        found = match(*sections, replace(PUBLISHED, top=top, enough=enough))
        assert (len(found.a), found.record["top"]) == (counts[expected - 1], expected)


def test_rules_come_back_from_a_training_record():
    assert rules_of({}) == RULES["default"]
    for rules in RULES.values():
        assert rules_of(json.loads(json.dumps({"matching": rules.record()}))) == rules
    assert len({repr(rules) for rules in RULES.values()}) == 3
    with pytest.raises(InputError, match=r"training record, matching.*radius"):
        rules_of({"matching": {"pairs": {"radius": -1}}})


@pytest.mark.parametrize("settings", [MatchSettings(), MatchSettings(top=2, cap=6), PUBLISHED, RELEASED])
def test_swap_order_and_coordinate_system_do_not_matter(rng, settings):
    e_a, e_b, p_a, p_b = noisy_points(rng)
    e_b, p_b = e_b[:300], p_b[:300]
    matches = match(e_a, e_b, p_a, p_b, settings)
    pairs = accepted(matches)
    assert len(pairs) > 50
    assert accepted(match(e_b, e_a, p_b, p_a, settings)) == {(b, a) for a, b in pairs}
    order = rng.permutation(len(e_a))
    reordered = match(e_a[order], e_b, p_a[order], p_b, settings)
    assert {(int(order[a]), b) for a, b in accepted(reordered)} == pairs
    turn = 7.0 * np.array([[np.cos(2.0), -np.sin(2.0)], [np.sin(2.0), np.cos(2.0)]])
    moved = match(e_a, e_b, p_a @ turn.T + [1e4, -300.0], p_b @ turn.T + [1e4, -300.0], settings)
    assert accepted(moved) == pairs
    np.testing.assert_allclose(moved.distance, 7.0 * matches.distance, atol=1e-7)
    again = match(e_a, e_b, p_a, p_b, settings)
    np.testing.assert_array_equal(again.score, matches.score)


def test_a_spot_without_measurement_is_not_matched(rng):
    e_a, e_b, p_a, p_b = noisy_points(rng)
    e_a[::10] = 0
    matches = match(e_a, e_b, p_a, p_b)
    taken = np.isin(np.arange(len(p_a)), matches.a[matches.accepted])
    assert not taken[::10].any()
    assert taken.mean() > 0.75


def test_nothing_one_spot_and_one_point(rng):
    e_a, e_b, p_a, p_b = noisy_points(rng, n=6)
    apart = match(e_a, e_b, p_a, p_b + 50.0)
    assert len(apart.a) == 0
    assert (apart.dustbin_a == 1).all() and (apart.dustbin_b == 1).all()
    assert len(match(e_a[:0], e_b, p_a[:0], p_b).a) == 0
    one = match(e_a[:1], e_a[:1], p_a[:1], p_a[:1])
    assert accepted(one) == {(0, 0)}
    # All spots at one point: the embeddings alone decide.
    heap = match(e_a, e_a, np.ones((36, 2)), np.ones((36, 2)), MatchSettings(temperature=0.02))
    assert accepted(heap) == {(i, i) for i in range(36)}


def test_identical_embeddings_on_lattices_half_a_spot_apart_still_pair_up():
    points = grid(12)
    matches = match(np.ones((144, 3)), np.ones((144, 3)), points, points + 0.5, MatchSettings(reject=False))
    assert len(matches.a) > 0.8 * 144


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("radius", 0.0),
        ("temperature", -1.0),
        ("epsilon", np.nan),
        ("top", 0),
        ("spatial_weight", -0.1),
        ("dustbin", "mean"),
        ("outside", "some"),
        ("cap", 0),
        ("tolerance", 0.0),
        ("max_sweeps", 0),
    ],
)
def test_settings_out_of_range_are_named(rng, setting, value):
    with pytest.raises(InputError, match=setting):
        match(*noisy_points(rng, n=5), MatchSettings(**{setting: value}))


def test_values_that_are_not_finite_are_refused(rng):
    e_a, e_b, p_a, p_b = noisy_points(rng, n=5)
    e_b[3] = np.nan
    with pytest.raises(InputError, match="second section, spot 4: its embedding is not finite"):
        match(e_a, e_b, p_a, p_b)
    p_a[2, 0] = np.inf
    with pytest.raises(InputError, match="first section, spot 3: its coordinates are not finite"):
        match_nearest(p_a, p_b, 3.0)


@pytest.mark.parametrize("radius", [0.4, 3.0])
def test_nearest_only_equals_brute_force(rng, radius):
    p_a, p_b = 10 * rng.random((120, 2)), 10 * rng.random((90, 2))
    matches = match_nearest(p_a, p_b, radius)
    distance = cdist(p_a, p_b)
    units = matches.record["radius"]
    best_a, best_b = distance.argmin(axis=1), distance.argmin(axis=0)
    expected = {(i, int(j)) for i, j in enumerate(best_a) if best_b[j] == i and distance[i, j] <= units}
    assert accepted(matches) == expected
    np.testing.assert_allclose(matches.distance, distance[matches.a, matches.b], atol=1e-12)
    assert accepted(match_nearest(p_b, p_a, radius)) == {(b, a) for a, b in expected}


def test_nearest_only_on_lattices_with_ties_and_without_neighbours():
    points = grid(10)
    shifted = match_nearest(points, points + 0.5, 2.0)
    assert len(shifted.a) >= 81  # all but the border, although every spot has four equally near
    assert len(set(shifted.a.tolist())) == len(shifted.a) == len(set(shifted.b.tolist()))
    assert len(match_nearest(points, points + 99.0, 2.0).a) == 0
    assert len(match_nearest(points[:0], points, 2.0).a) == 0
