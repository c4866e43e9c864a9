"""Sums over blocks by hand, and the bootstrap's sampling error against a known one."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.blocks.ratios import (
    N_BLOCKS,
    N_RESAMPLES,
    BlockRatios,
    block_numbers,
    confidence,
    draws,
    joined,
)


def mean_of(values: np.ndarray) -> BlockRatios:
    """The mean of one value per block."""
    return BlockRatios(values[None], np.ones((1, N_BLOCKS)), np.ones(1))


def test_value_by_hand():
    """(1 + 3) / (2 + 2) and, with weight 0.5, (2 + 2) / (1 + 1): 1 + 1 = 2."""
    score = BlockRatios(np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([[2.0, 2.0], [1.0, 1.0]]), np.array([1.0, 0.5]))
    assert score.value == 2.0
    # The second block twice: 7 / 6 + 0.5 * 6 / 3.
    assert score.values(np.array([[1.0, 2.0]])) == pytest.approx([7 / 6 + 1.0])
    assert joined([(2.0, score), (1.0, score)]).value == 6.0


def test_blocks_of_two_scores():
    values = np.arange(25.0)
    inside = np.arange(N_BLOCKS) < 5
    assert mean_of(values).in_blocks(inside, mean_of(0 * values)).value == pytest.approx((0 + 1 + 2 + 3 + 4) / 25)


def test_block_numbers_by_hand():
    section = np.array([[0.0, 0.0], [5.0, 10.0]])
    points = np.array([[0.0, 0.0], [1.5, 0.0], [0.0, 2.5], [5.0, 10.0], [-9.0, 99.0]])
    assert block_numbers(points, section).tolist() == [0, 1, 5, 24, 20]


def test_draws_are_the_same_every_time_and_of_occupied_blocks():
    occupied = np.arange(N_BLOCKS) % 3 > 0
    times = draws(occupied)
    np.testing.assert_array_equal(times, draws(occupied))
    assert times.shape == (N_RESAMPLES, N_BLOCKS) and (times[:, ~occupied] == 0).all()
    assert (times.sum(axis=1) == occupied.sum()).all()


def test_draws_leave_other_random_numbers_alone():
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    draws(np.ones(N_BLOCKS, dtype=bool))
    assert np.random.random() == expected  # noqa: NPY002


def test_the_spread_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=N_BLOCKS)
    spread = mean_of(values).values(draws(np.ones(N_BLOCKS, dtype=bool))).std()
    assert spread == pytest.approx(values.std() / np.sqrt(N_BLOCKS), rel=0.1)


def test_confidence_is_that_of_the_difference_and_not_of_its_size():
    """A difference of 0.1 in every block is sure; the same mean from one block in 25 is not; equal scores are even."""
    times, base = draws(np.ones(N_BLOCKS, dtype=bool)), np.random.default_rng(0).normal(size=N_BLOCKS)
    assert confidence(mean_of(base + 0.1), mean_of(base), times) == 1.0
    assert confidence(mean_of(base), mean_of(base), times) == 0.5
    single = np.where(np.arange(N_BLOCKS) == 3, 2.5 + 24 * 0.5, -0.5)
    assert single.mean() == pytest.approx(0.1)
    assert confidence(mean_of(base + single), mean_of(base), times) < 0.8
