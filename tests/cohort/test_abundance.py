"""Abundance of domains under conditions, on simulated cohorts whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, t, ttest_ind

from spatialweave.cohort.abundance import (
    abundance_effects,
    differential_abundance,
    in_all_samples,
    size_factors,
    sizes_of,
)
from spatialweave.cohort.linear import mean_effect, rate_effect
from spatialweave.cohort.samples import Remark, read_samples


def changes(cohort, condition: dict[str, str] | None = None) -> pd.DataFrame:
    samples = cohort.samples(condition)
    return pd.DataFrame(differential_abundance(samples, sizes_of(samples, cohort.domains))[0]).set_index("domain")


def test_one_changed_domain_is_found_and_no_other(cohort) -> None:
    rng = np.random.default_rng(0)
    found = [changes(cohort(rng, ratio=3.0))["p_adjusted"] < 0.05 for _ in range(20)]
    assert sum(one["3"] for one in found) >= 18
    # Others, whose fractions all become smaller, at the rate that 5% allow.
    assert sum(one.drop("3").any() for one in found) <= 3


def test_the_change_is_that_of_the_abundance(cohort) -> None:
    rng = np.random.default_rng(1)
    found = [changes(cohort(rng, ratio=3.0)) for _ in range(20)]
    ratios = pd.concat([one["log2_ratio"] for one in found], axis=1).mean(axis=1)
    assert ratios["3"] == pytest.approx(np.log2(3), abs=0.15)
    np.testing.assert_allclose(ratios.drop("3"), 0, atol=0.1)
    assert found[0].loc["3", ["donors", "donors_reference"]].tolist() == [4, 4]


def test_permuted_conditions_find_nothing(cohort) -> None:
    """0 findings in 19 of 20 permutations of the conditions of a cohort with a changed domain."""
    rng = np.random.default_rng(2)
    one = cohort(rng, ratio=3.0)
    names = list(one.condition)
    findings = 0
    for _ in range(20):
        shuffled = dict(zip(names, rng.permutation(list(one.condition.values())), strict=True))
        findings += bool((changes(one, shuffled)["p_adjusted"] < 0.05).any())
    assert findings <= 1


def test_p_values_of_unchanged_domains_are_not_too_small(cohort) -> None:
    rng = np.random.default_rng(3)
    p = np.concatenate([changes(cohort(rng))["p"] for _ in range(40)])
    assert kstest(p, "uniform", alternative="greater").pvalue > 0.01


def test_a_domain_without_spots_in_the_samples_compared_is_named() -> None:
    """Domain 2 is only in the donor that has one of the two conditions, whom the paired comparison leaves out."""
    donor = {f"s{i}": f"d{i // 2}" for i in range(6)} | {"s6": "d3"}
    condition = {f"s{i}": "ab"[i % 2] for i in range(7)}
    sections = pd.Series(np.repeat(list(donor), 20))
    samples = read_samples("x", sections, donor, condition)
    domains = pd.Series(np.where(sections == "s6", 2, np.tile([1, 3], 70)))
    rows, untested = differential_abundance(samples, sizes_of(samples, domains))
    assert np.isnan(pd.DataFrame(rows).set_index("domain")["p"][2])
    assert untested == [Remark("b", "no sample that is compared has a spot of it", (2,))]


def test_a_domain_that_a_condition_lacks(cohort) -> None:
    one = cohort(np.random.default_rng(4))
    one.sizes[:4, 2] = 0
    one.sizes[4:, 2] = 80
    row = changes(type(one)(one.sizes)).loc["3"]
    assert row["fraction_reference"] == 0 and 5 < row["log2_ratio"] < 12 and row["p_adjusted"] < 0.05


def test_size_factors_do_not_follow_a_domain_that_grows() -> None:
    counts = np.array([[100, 200, 300, 400], [100, 200, 300, 4000], [50, 100, 150, 200]])
    factors = size_factors(counts, in_all_samples(counts))
    np.testing.assert_allclose(factors / factors[0], [1, 1, 0.5])


@pytest.mark.parametrize("absent", [0, 3, 4, 6])
def test_domains_that_no_compared_sample_has_leave_the_sizes_as_they_are(absent: int) -> None:
    # Four times the spots in half of the samples, and no domain changes.
    rng = np.random.default_rng(6)
    sizes = np.repeat([500, 2000], 4)
    counts = np.column_stack([rng.poisson(fraction * sizes) for fraction in (0.5, 0.3, 0.2)] + [0 * sizes] * absent)
    design = np.column_stack([np.repeat([0.0, 1.0], 4), np.ones(8)])
    factors = size_factors(counts, in_all_samples(counts))
    np.testing.assert_allclose(factors[4:].mean() / factors[:4].mean(), 4, rtol=0.1)
    effects, corrected = abundance_effects(counts, design)
    assert np.nanmin(corrected) > 0.2
    np.testing.assert_allclose([effect.value for effect in effects[:3]], 0, atol=0.15)


def test_domains_of_single_donors_do_not_make_others_change() -> None:
    rng = np.random.default_rng(7)
    design = np.column_stack([np.repeat([0.0, 1.0], 4), np.ones(8)])
    findings, ratios = 0, []
    for _ in range(20):
        fractions = rng.dirichlet(150 * np.array([0.4, 0.3, 0.2, 0.1]), size=8)
        counts = rng.poisson(fractions * np.repeat([500, 2000], 4)[:, None])
        single = np.zeros((8, 5), dtype=int)
        single[rng.integers(8, size=5), np.arange(5)] = 60
        effects, corrected = abundance_effects(np.hstack([counts, single]), design)
        findings += bool((corrected[:4] < 0.05).any())
        ratios.append(np.mean([effect.value for effect in effects[:4]]))
    assert findings <= 2
    assert abs(np.mean(ratios)) < 0.1


def test_without_domains_in_all_samples_the_size_is_the_number_of_spots() -> None:
    counts = np.array([[10, 0, 30], [0, 20, 60], [40, 40, 80]])
    assert not in_all_samples(counts).any()
    factors = size_factors(counts, in_all_samples(counts))
    np.testing.assert_allclose(factors / factors[0], [1, 2, 4])


def test_the_mean_effect_is_a_t_test() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=9)
    design = np.column_stack([np.repeat([0.0, 1.0], [4, 5]), np.ones(9)])
    effect, truth = mean_effect(values, design, np.zeros(9)), ttest_ind(values[4:], values[:4])
    assert effect.p == pytest.approx(truth.pvalue)
    interval = truth.confidence_interval()
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("design", [np.ones((3, 2)), np.eye(3)[:, :2][:2], np.zeros((0, 2))])
def test_what_cannot_be_estimated_is_nothing(design: np.ndarray) -> None:
    assert np.isnan(mean_effect(np.arange(len(design)), design, np.ones(len(design)))).all()
    assert np.isnan(rate_effect(np.arange(len(design)), np.ones(len(design)), design)).all()


def test_paired_donors_are_compared_with_themselves(cohort) -> None:
    """Donors differ far more than the conditions within each."""
    rng = np.random.default_rng(6)
    base = rng.dirichlet(np.full(6, 3.0), 5)
    sizes = np.array([(4000 * row).astype(int) for row in np.vstack([base, base])])
    sizes[5:, 2] = sizes[5:, 2] * 1.3 + rng.integers(-9, 9, 5)
    one = type(cohort(rng))(sizes)
    apart = changes(one).loc["3", "p"]
    one.donor = {f"s{i}": f"d{i % 5}" for i in range(10)}
    paired = changes(one).loc["3"]
    assert paired["p"] < 0.001 < apart and paired["log2_ratio"] == pytest.approx(np.log2(1.3), abs=0.1)


def test_a_donor_with_one_condition_does_not_undo_the_pairing(cohort) -> None:
    """Its comparison is that of the others, to the last digit."""
    rng = np.random.default_rng(6)
    base = rng.dirichlet(np.full(6, 3.0), 6)
    sizes = np.array([(4000 * row).astype(int) for row in np.vstack([base[:5], base[:5], base[5:]])])
    sizes[5:10, 2] = sizes[5:10, 2] * 1.3 + rng.integers(-9, 9, 5)

    def found(n_sections: int) -> pd.DataFrame:
        one = type(cohort(rng))(sizes[:n_sections])
        one.donor = {f"s{i}": f"d{i % 5 if i < 10 else 5}" for i in range(n_sections)}
        return changes(one, {f"s{i}": "b" if 5 <= i < 10 else "a" for i in range(n_sections)})

    pd.testing.assert_frame_equal(found(11), found(10))
    assert found(11).loc["3", "p"] < 0.001


@pytest.mark.parametrize("n", [100, 7])
def test_samples_without_any_difference_have_an_effect_of_none(n: int) -> None:
    """A fit without residual error; its dispersion is 1, so the interval is that of Poisson counts, by t."""
    design = np.column_stack([np.repeat([0.0, 1.0], 4), np.ones(8)])
    effects, corrected = abundance_effects(np.full((8, 4), n), design)
    # The variance of the log of a sum of four counts is one over the sum.
    half = t.ppf(0.975, 6) * np.sqrt(2 / (4 * (n + 0.5)))
    for effect in effects:
        assert effect == pytest.approx((0, -half, half, 1), abs=1e-6)
    np.testing.assert_allclose(corrected, 1)


def test_the_dispersion_is_that_of_the_residuals() -> None:
    counts, sizes = np.array([40, 90, 60, 130, 50, 170]), np.ones(6)
    design = np.column_stack([np.repeat([0.0, 1.0], 3), np.ones(6)])
    effect = rate_effect(counts, sizes, design)
    # By hand: fitted values are the means of the two groups.
    means = np.repeat((counts + 0.5).reshape(2, 3).mean(axis=1), 3)
    dispersion = ((counts + 0.5 - means) ** 2 / means).sum() / 4
    error = np.sqrt(dispersion * (1 / (3 * means[0]) + 1 / (3 * means[5])))
    value = np.log(means[5] / means[0])
    assert effect.value == pytest.approx(value) and effect.high == pytest.approx(value + t.ppf(0.975, 4) * error)
