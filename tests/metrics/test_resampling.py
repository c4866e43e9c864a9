"""Resampled agreement with labels, against scikit-learn and simulated tissues whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import norm
from sklearn import metrics

from spatialweave.metrics import resampling
from spatialweave.metrics.agreement import jaccard
from spatialweave.metrics.intervals import Runs, difference, mean_interval

ONE_SECTION = np.zeros(1, dtype=int)


def test_blocks_are_compact_of_equal_size_and_within_sections() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((1000, 2)) * [400.0, 100.0]
    sections = np.repeat(["b", "a"], [750, 250])
    blocks = resampling.spatial_blocks(points, sections)
    assert set(blocks) == set(range(resampling.N_BLOCKS))
    # 12 and 4 blocks of 62 or 63 spots.
    assert set(np.bincount(blocks)) <= {62, 63}
    assert {*blocks[:750]} & {*blocks[750:]} == set()
    # Of the 400 x 100 of the first, a block has about a twelfth: none is as long as a third.
    assert max(np.ptp(points[blocks == block], axis=0).max() for block in range(12)) < 134


def test_few_spots_are_a_block_each() -> None:
    assert sorted(resampling.spatial_blocks(np.eye(2)[[0, 1, 0]], np.array(["s", "s", "t"]))) == [0, 1, 2]


@pytest.mark.parametrize("most_cells", [1, 10**6])
def test_every_metric_is_that_of_scikit_learn_on_the_spots_drawn(
    most_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "MOST_CELLS", most_cells)
    rng = np.random.default_rng(1)
    labels, domains = rng.integers(0, 3, 200), rng.integers(1, 5, 200)
    domains[labels == 0] = 2
    blocks = np.repeat(np.arange(10), 20)
    drawn = resampling.resampled_blocks(10, seed=3, n_resamples=4)
    assert (drawn.sum(axis=1) == 10).all()
    found = resampling.resampled_agreement(labels, domains, blocks, drawn)
    assert set(found) == set(resampling.RESAMPLED)
    for index, times in enumerate(drawn.astype(int)):
        spots = np.repeat(np.arange(200), times[blocks])
        truth, guess = labels[spots], domains[spots]
        homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(truth, guess)
        expected = {
            "ari": metrics.adjusted_rand_score(truth, guess),
            "nmi": metrics.normalized_mutual_info_score(truth, guess),
            "fowlkes_mallows": metrics.fowlkes_mallows_score(truth, guess),
            "jaccard": jaccard(truth, guess),
            "mutual_information": metrics.mutual_info_score(truth, guess),
            "homogeneity": homogeneity,
            "completeness": completeness,
            "v_measure": v_measure,
        }
        assert {name: values[index] for name, values in found.items()} == pytest.approx(expected)


def test_one_label_and_one_domain_agree() -> None:
    found = resampling.resampled_agreement(np.zeros(4), np.ones(4), np.arange(4), np.ones((1, 4)))
    assert (found["ari"][0], found["nmi"][0]) == (1.0, 1.0)


def test_resamples_follow_the_seed() -> None:
    one, same, other = (resampling.resampled_blocks(16, seed, 50) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


SIDE, RATE = 32, 0.2


def tissue(rng: np.random.Generator, n_seeds: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Five layers, and domains that are wrong in patches: one half of what decides them is common to all seeds."""
    labels = np.repeat(np.arange(SIDE) * 5 // SIDE, SIDE)

    def field() -> np.ndarray:
        values = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.0, mode="wrap")
        return np.asarray(values / values.std())

    common = field()
    fields = [(common + field()) / np.sqrt(2) for _ in range(n_seeds)]
    return labels, [np.where(one.ravel() > norm.isf(RATE), (labels + 1) % 5, labels) for one in fields]


def runs_of(labels: np.ndarray, domains: list[np.ndarray], blocks: np.ndarray, drawn: np.ndarray) -> Runs:
    values = np.array([metrics.adjusted_rand_score(labels, one) for one in domains])
    return Runs(
        values, np.stack([resampling.resampled_agreement(labels, one, blocks, drawn)["ari"] for one in domains])
    )


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_intervals_cover_the_truth_and_equal_methods_are_not_told_apart(n_seeds: int) -> None:
    """200 tissues with two methods of one truth: 95% of the intervals hold the mean over all tissues, and 95% of those
    of the difference hold 0. Four standard errors of such a fraction are 0.06."""
    rng = np.random.default_rng(5)
    points = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2).astype(float)
    blocks = resampling.spatial_blocks(points, np.zeros(SIDE**2, dtype=int))
    estimates, apart = [], []
    for repeat in range(200):
        drawn = resampling.resampled_blocks(resampling.N_BLOCKS, repeat, 200)
        one, other = (runs_of(*tissue(rng, n_seeds), blocks, drawn) for _ in range(2))
        estimates.append(mean_interval(one, resampling.N_BLOCKS))
        apart.append(difference(one, other, resampling.N_BLOCKS).distinguishable)
    truth = np.mean([found.value for found in estimates])
    assert 0.89 <= np.mean([found.low <= truth <= found.high for found in estimates]) <= 1.0
    assert np.mean(apart) <= 0.11
    # The intervals are no wider than they need to be: half of one is some two standard deviations of the scores.
    spread = np.std([found.value for found in estimates])
    assert 1.5 < np.mean([found.high - found.value for found in estimates]) / spread < 4


def test_a_true_difference_is_found() -> None:
    rng = np.random.default_rng(6)
    labels, (poor,) = tissue(rng, 1)
    good = np.where(rng.random(len(labels)) < 0.3, labels, poor)
    points = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1).reshape(-1, 2).astype(float)
    blocks = resampling.spatial_blocks(points, np.zeros(SIDE**2, dtype=int))
    drawn = resampling.resampled_blocks(resampling.N_BLOCKS, 0)
    found = difference(*(runs_of(labels, [one], blocks, drawn) for one in (good, poor)), resampling.N_BLOCKS)
    assert found.distinguishable
    assert found.value > 0
