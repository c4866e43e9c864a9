"""Intervals over seeds and spots, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.metrics.intervals import Runs, difference, family_level, mean_interval


def test_over_seeds_it_is_the_t_interval() -> None:
    """Two seeds: mean 0.5, standard error 0.1, t with one degree of freedom 12.7062."""
    found = mean_interval(Runs(np.array([0.4, 0.6])), blocks=0)
    assert (found.value, found.low, found.high, found.basis) == (
        pytest.approx(0.5),
        pytest.approx(0.5 - 1.27062, abs=1e-5),
        pytest.approx(0.5 + 1.27062, abs=1e-5),
        "seeds",
    )
    assert mean_interval(Runs(np.array([0.4, 0.6])), blocks=0, highest=1.0).high == 1.0


def test_one_seed_without_resamples_has_no_interval() -> None:
    found = mean_interval(Runs(np.array([0.4])), blocks=0)
    assert (found.value, found.basis, found.distinguishable) == (0.4, "none", False)
    assert np.isnan([found.low, found.high]).all()
    between = difference(Runs(np.array([0.4])), Runs(np.array([0.1, 0.1])), blocks=0)
    assert between.value == pytest.approx(0.3)
    assert not between.distinguishable


def test_over_spots_it_is_the_spread_of_the_resamples() -> None:
    """Four blocks: standard deviation of the resamples 0.1, times the root of 4 / 3; t with 3 degrees 3.18245."""
    resamples = np.array([[0.4, 0.6]]) + np.array([[0.02, 0.02]])
    resamples = 0.52 + 0.1 * (resamples - resamples.mean()) / resamples.std(ddof=1)
    found = mean_interval(Runs(np.array([0.5]), resamples), blocks=4)
    half = 3.18245 * 0.1 * (4 / 3) ** 0.5
    # At the score, not at the mean of the resamples.
    assert (found.low, found.high) == (pytest.approx(0.5 - half, abs=1e-5), pytest.approx(0.5 + half, abs=1e-5))
    assert found.basis == "spots"


def test_what_spots_contribute_is_counted_once() -> None:
    """Independent resamples of both seeds: all variance is of seeds, but never less than that of their mean's."""
    rng = np.random.default_rng(0)
    apart = rng.normal(size=(2, 100_000)) * 0.1
    alike = np.repeat(apart[:1], 2, axis=0)
    values = np.array([0.5, 0.7])
    # Standard error of the seeds 0.1; with independent resamples C = 0.
    assert mean_interval(Runs(values, apart), 10_000).high - 0.6 == pytest.approx(1.27062, rel=0.01)
    # With equal ones C = 0.01: SE^2 = 0.01 + 0.01, freedom (0.02)^2 / (0.01^2 / 1) = 4, t 2.77645.
    assert mean_interval(Runs(values, alike), 10_000).high - 0.6 == pytest.approx(2.77645 * 0.02**0.5, rel=0.01)
    # Seeds that happen to agree do not narrow it below the resamples of the mean.
    lucky = mean_interval(Runs(np.array([0.6, 0.6]), apart), 10_000)
    assert lucky.high - 0.6 == pytest.approx(1.96 * 0.1 / 2**0.5, rel=0.01)


def test_what_both_methods_owe_to_the_spots_cancels() -> None:
    spots = np.random.default_rng(0).normal(size=(1, 1000)) * 0.2
    one, other = Runs(np.array([0.52]), spots + 0.52), Runs(np.array([0.5]), spots + 0.5)
    assert mean_interval(one, 16).high > 0.8
    found = difference(one, other, 16)
    assert (found.low, found.high) == (pytest.approx(0.02), pytest.approx(0.02))
    assert found.distinguishable
    assert difference(other, one, 16).high < 0


def test_a_difference_covers_what_both_methods_cover() -> None:
    """One run, as of the consensus, against three seeds: over spots only, however many seeds the other has."""
    one, three = Runs(np.array([0.6]), np.full((1, 50), 0.6)), Runs(np.array([0.5, 0.5, 0.5]), np.full((3, 50), 0.5))
    assert difference(one, three, 16).basis == difference(three, one, 16).basis == "spots"
    # The spots of a method that was not resampled are unknown, and then its seeds count alone.
    unsampled = Runs(np.array([0.4, 0.6]))
    assert difference(three, unsampled, 16).basis == "seeds"
    found = difference(one, unsampled, 16)
    assert found.basis == "none" and np.isnan(found.low)


def test_rounding_is_no_difference() -> None:
    one, other = Runs(np.array([0.1 + 0.2, 0.3])), Runs(np.array([0.3, 0.3]))
    assert one.values.mean() != other.values.mean()
    assert not difference(one, other, 0).distinguishable


def test_comparisons_of_a_method_share_the_five_percent() -> None:
    assert [family_level(n) for n in (0, 1, 2, 5)] == pytest.approx([0.95, 0.95, 0.975, 0.99])
