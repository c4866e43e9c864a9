"""The whole-section mapping against the full matrices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import cosine_similarity

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.matching import spot_pairs
from spatialweave.matching.whole_section import MappingSettings, SectionMapping, map_section


def two_sections(rng, n_a=300, n_b=250):
    return rng.normal(size=(n_a, 5)), rng.normal(size=(n_b, 5)), 15 * rng.random((n_a, 2)), 15 * rng.random((n_b, 2))


def mapped(sections, rng, **settings) -> SectionMapping:
    return map_section(*sections, MappingSettings(**settings), rng)


def mapped_fraction(mapping: SectionMapping) -> float:
    return float((mapping.target >= 0).mean())


def matrices(sections, radius):
    e_a, e_b, p_a, p_b = sections
    spacing = max(np.median(np.sort(cdist(p, p), axis=1)[:, 1]) for p in (p_a, p_b))
    distance = cdist(p_a, p_b) / spacing
    return np.where(distance <= radius, cosine_similarity(e_a, e_b), -np.inf), distance


@pytest.mark.parametrize("null", ["section", "radius"])
@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_the_best_target_above_the_threshold(rng, monkeypatch, null, penalty):
    monkeypatch.setattr(spot_pairs, "PAIRS_AT_ONCE", 500)
    sections = two_sections(rng)
    mapping = mapped(sections, rng, percentile=90, null=null, penalty=penalty)
    cosine, distance = matrices(sections, 3.0)
    value = np.where(cosine >= mapping.threshold, cosine - penalty * distance**2, -np.inf)
    expected = np.where(np.isfinite(value.max(axis=1)), value.argmax(axis=1), -1)
    np.testing.assert_array_equal(mapping.target, expected)
    has_target = expected >= 0
    best = np.where(has_target, cosine[np.arange(300), expected], cosine.max(axis=1))
    near = np.isfinite(cosine.max(axis=1))
    np.testing.assert_allclose(mapping.score[near], best[near], atol=1e-6)
    assert np.isnan(mapping.score[~near]).all()
    assert mapped_fraction(mapping) == has_target.mean()
    assert 0.1 < mapped_fraction(mapping) < 0.95
    assert len(np.unique(expected[has_target])) < has_target.sum()


def test_the_null_of_the_radius_is_that_of_near_pairs(rng):
    sections = two_sections(rng)
    cosine, _ = matrices(sections, 4.0)
    # One draw per spot, each with its candidates at equal odds.
    weight = np.isfinite(cosine) / np.maximum(np.isfinite(cosine).sum(axis=1, keepdims=True), 1)
    values = np.sort(cosine[np.isfinite(cosine)])
    fraction = np.cumsum(weight[np.isfinite(cosine)][np.argsort(cosine[np.isfinite(cosine)])])
    expected = values[np.searchsorted(fraction / fraction[-1], [0.25, 0.5, 0.75])]
    draws = [np.random.default_rng(seed) for seed in range(20)]
    drawn = [
        np.mean(
            [mapped(sections, draw, radius=4.0, percentile=p, null="radius", penalty=0.0).threshold for draw in draws]
        )
        for p in (25, 50, 75)
    ]
    np.testing.assert_allclose(drawn, expected, atol=0.03)


def test_the_null_of_the_section_is_that_of_far_pairs(rng):
    e_a, e_b, p_a, p_b = two_sections(rng)
    e_a, e_b = np.abs(e_a), np.abs(e_b)
    right_a, right_b = p_a[:, 0] > 7.5, p_b[:, 0] > 7.5
    e_a[right_a], e_b[right_b] = -e_a[right_a], -e_b[right_b]  # near pairs are similar, half of the far ones opposite
    cosine, distance = cosine_similarity(e_a, e_b), matrices((e_a, e_b, p_a, p_b), 3.0)[1]
    for percentile in (20, 80):
        expected = np.percentile(cosine[distance > 3.0], percentile)
        threshold = mapped((e_a, e_b, p_a, p_b), rng, percentile=percentile, n_null=20_000).threshold
        assert threshold == pytest.approx(expected, abs=0.03)


def test_a_simulated_tissue_is_mapped_to_the_right_coordinates(aligned_pair):
    pair = aligned_pair("blocks")
    sides = pair.embedding_a, pair.embedding_b, pair.points_a, pair.points_b
    rng = np.random.default_rng(0)
    ours = mapped(sides, rng)
    published = mapped(sides, rng, null="radius", penalty=0.0)
    for mapping in (ours, published):
        has_target = mapping.target >= 0
        same = pair.domain_a[has_target] == pair.domain_b[mapping.target[has_target]]
        assert same.mean() > 0.9
    has_match = cdist(pair.true_a, pair.true_b).min(axis=1) <= 1.0
    assert (ours.target >= 0)[has_match].mean() > 0.65 > (published.target >= 0)[has_match].mean()
    # Far from the other section there is nothing to map to.
    alone = cdist(pair.points_a, pair.points_b).min(axis=1) > 3.01
    assert alone.sum() > 20
    assert (ours.target[alone] == -1).all()


def test_the_same_draws_give_the_same_mapping_and_the_coordinate_system_does_not_matter(rng):
    e_a, e_b, p_a, p_b = two_sections(rng)
    first = mapped((e_a, e_b, p_a, p_b), np.random.default_rng(3))
    turn = 5.0 * np.array([[0.6, -0.8], [0.8, 0.6]])
    again = mapped((e_a, e_b, p_a @ turn.T + 100.0, p_b @ turn.T + 100.0), np.random.default_rng(3))
    np.testing.assert_array_equal(first.target, again.target)
    assert first.threshold == again.threshold


def test_percentiles_are_percent(rng):
    sections = two_sections(rng)
    with pytest.warns(InputWarning, match="0.95 is in percent.*did you mean 95"):
        low = mapped(sections, rng, percentile=0.95)
    assert mapped_fraction(low) > mapped_fraction(mapped(sections, rng, percentile=95))
    for wrong in (-1, 100.5, np.nan):
        with pytest.raises(InputError, match="percentile"):
            mapped(sections, rng, percentile=wrong)
    top = mapped(sections, rng, percentile=100, n_null=100_000, null="radius")
    assert mapped_fraction(top) < 1


@pytest.mark.parametrize(("setting", "value"), [("radius", 0.0), ("n_null", 0), ("null", "all"), ("penalty", -1.0)])
def test_other_settings_are_checked(rng, setting, value):
    with pytest.raises(InputError, match=setting):
        mapped(two_sections(rng), rng, **{setting: value})


@pytest.mark.parametrize("null", ["section", "radius"])
def test_nothing_and_one_spot(rng, null):
    e_a, e_b, p_a, p_b = two_sections(rng, 20, 20)
    apart = mapped((e_a, e_b, p_a, p_b + 1e4), rng, null=null)
    assert (apart.target == -1).all() and np.isnan(apart.score).all() and mapped_fraction(apart) == 0
    one = mapped((e_a[:1], e_a[:1], p_a[:1], p_a[:1]), rng, null=null)
    # Its one candidate is its null, too.
    assert one.target.tolist() == [0 if null == "radius" else -1] and np.isnan(one.threshold) == (null == "section")
    assert len(mapped((e_a[:0], e_b, p_a[:0], p_b), rng, null=null).target) == 0


def test_values_that_are_not_finite_are_refused(rng):
    e_a, e_b, p_a, p_b = two_sections(rng, 20, 20)
    e_a[3, 2] = np.nan
    with pytest.raises(InputError, match="first section, spot 4"):
        mapped((e_a, e_b, p_a, p_b), rng)
