"""The consensus of partitions: by hand, against a dense decomposition, and on noisy copies of known domains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.consensus import (
    Consensus,
    consensus,
    has_majority,
    memberships,
    plurality,
    spectral_embedding,
)
from spatialweave.errors import InputError


def noisy(truth: np.ndarray, wrong: float, seed: int) -> np.ndarray:
    """A run: the truth with a fraction of the spots in domains drawn at random, its domains renumbered."""
    rng = np.random.default_rng(seed)
    n_domains = truth.max() + 1
    labels = np.where(rng.random(len(truth)) < wrong, rng.integers(0, n_domains, len(truth)), truth)
    return rng.permutation(n_domains)[labels]


def test_runs_that_agree_up_to_their_numbers() -> None:
    first = np.array([0, 0, 0, 1, 1, 2])
    found = consensus([first, np.array([7, 7, 7, 3, 3, 5]), np.array([1, 1, 1, 0, 0, 2])], 3, seed=0)
    assert found.labels.tolist() == [1, 1, 1, 2, 2, 3]
    assert found.matched.tolist() == [[1] * 3] * 3 + [[2] * 3] * 2 + [[3] * 3]
    assert found.confidence == pytest.approx(1)
    assert found.agreement == pytest.approx(1)
    assert found.entropy == pytest.approx(0)
    assert found.runner_up.tolist() == [0] * 6


def test_one_doubtful_spot_by_hand() -> None:
    """Spots 0-3 and 5-7 are clear; run three places spot 4 with the second group."""
    a, b = np.array([0, 0, 0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    found = consensus([a, a, b], 2, seed=0)
    assert found.labels.tolist() == [1, 1, 1, 1, 1, 2, 2, 2]
    # Two runs agree on spot 4. The third's second domain holds one spot of domain 1 and three of domain 2.
    assert found.agreement == pytest.approx([1, 1, 1, 1, 2 / 3, 1, 1, 1])
    doubt = (1 + 1 + 1 / 4) / 3
    clear = (1 + 1 + 3 / 4) / 3
    assert found.confidence == pytest.approx([1, 1, 1, 1, doubt, clear, clear, clear])
    assert found.support[4] == pytest.approx([doubt, 1 - doubt])
    assert found.entropy[4] == pytest.approx(-(doubt * np.log2(doubt) + (1 - doubt) * np.log2(1 - doubt)))
    assert found.runner_up.tolist() == [0, 0, 0, 0, 2, 1, 1, 1]


def test_a_run_with_more_domains_has_one_without_a_counterpart() -> None:
    two, three = np.repeat([0, 1], 6), np.repeat([0, 1, 2], [6, 4, 2])
    found = consensus([two, two, three], 2, seed=0)
    assert found.labels.tolist() == [1] * 6 + [2] * 6
    assert found.matched[:, 2].tolist() == [1] * 6 + [2] * 4 + [0] * 2


def test_embedding_is_the_dense_decomposition() -> None:
    codes = [np.random.default_rng(seed).integers(0, 4, 60) for seed in range(3)]
    members = memberships(codes)
    dense = np.concatenate([np.eye(4)[own] for own in codes], axis=1)
    assert np.array_equal(members.toarray(), dense)
    left = np.linalg.svd(dense / np.sqrt(dense.sum(axis=0)), full_matrices=False)[0][:, :5]
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    found = spectral_embedding(members, 5)
    # Singular vectors are known up to their sign.
    assert np.abs((found * left).sum(axis=0) / (found**2).sum(axis=0)) == pytest.approx(np.ones(5))


def test_directions_of_rounding_are_left_out() -> None:
    codes = [np.repeat([0, 1, 2], 5)] * 2
    assert spectral_embedding(memberships(codes), 6).shape == (15, 3)
    # Runs that tell two groups apart give two domains, whatever is asked.
    two = np.repeat([0, 1], 5)
    assert set(consensus([two, 1 - two, two], 4, seed=0).labels) == {1, 2}


@pytest.mark.parametrize("seed", range(3))
def test_better_than_its_best_run_and_sure_where_it_is_right(seed: int) -> None:
    truth = np.random.default_rng(seed).integers(0, 6, 1500)
    runs = [noisy(truth, 0.4, 100 * seed + k) for k in range(9)]
    found = consensus(runs, 6, seed=0)
    assert adjusted_rand_score(truth, found.labels) > max(adjusted_rand_score(truth, run) for run in runs) + 0.2
    sure = found.confidence > np.median(found.confidence)
    halves = [adjusted_rand_score(truth[half], found.labels[half]) for half in (sure, ~sure)]
    assert halves[0] > halves[1] + 0.05


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(3, 5), st.integers(1, 6), st.integers(0, 10**6))
def test_invariants(n_spots: int, n_runs: int, n_domains: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs = [rng.integers(0, rng.integers(1, 7), n_spots) for _ in range(n_runs)]
    n_domains = min(n_domains, n_spots)
    found = consensus(runs, n_domains, seed=0)
    sizes = np.bincount(found.labels)[1:]
    assert len(sizes) <= n_domains and sizes.min() >= 1 and (np.diff(sizes) <= 0).all()
    assert found.support.sum(axis=1) == pytest.approx(1)
    for values in (found.confidence, found.agreement, found.entropy):
        assert values.min() >= -1e-12 and values.max() <= 1 + 1e-12
    assert (found.runner_up != found.labels).all() and found.runner_up.max() <= len(sizes)
    assert found.matched.min() >= 0 and found.matched.max() <= len(sizes)


def test_domains_of_very_different_sizes_are_those_of_the_vote() -> None:
    """Where the runs' independent mistakes are as many as the spots of small domains, k-means misses these."""
    truth = np.repeat(np.arange(6), [3000, 300, 200, 100, 50, 30])
    runs = [noisy(truth, 0.1, seed) for seed in range(5)]
    found = consensus(runs, 6, seed=0)
    assert found.by_vote
    # Four of five runs are right at nearly every spot.
    assert adjusted_rand_score(truth, found.labels) > 0.99
    assert np.bincount(found.labels)[1:].tolist() == sorted(np.bincount(found.labels)[1:], reverse=True)
    assert not consensus([noisy(np.arange(600) % 6, 0.1, seed) for seed in range(5)], 6, seed=0).by_vote


def test_plurality_by_hand() -> None:
    """The second run names the domains otherwise; of the third, domain 2 has no counterpart."""
    runs = [np.array([0, 0, 0, 1, 1, 1]), np.array([1, 1, 0, 0, 0, 0]), np.array([0, 0, 0, 1, 1, 2])]
    assert plurality(runs, 0).tolist() == plurality(runs, 1).tolist() == [1, 1, 1, 2, 2, 2]
    # Of two runs the reference decides; domains are numbered by their size.
    assert plurality(runs[:2], 0).tolist() == [1, 1, 1, 2, 2, 2]
    assert plurality(runs[:2], 1).tolist() == [2, 2, 1, 1, 1, 1]


def test_variants_of_a_method_have_no_majority_by_themselves() -> None:
    runs = ["smart.seed0", "smart_paper.seed0", "smart_released.seed0"]
    assert not has_majority(runs)
    assert not has_majority([*runs, "spamo.seed0", "spamo_paper.seed1"])
    # SMART-MS is a method of its own.
    assert has_majority([*runs, "spamo.seed0", "smart_ms.seed0"])
    assert has_majority(["mofa.seed0", "wnn.seed0", "banksy.seed0"])


def test_numbers_of_domains_and_the_order_of_clear_runs_do_not_matter() -> None:
    truth = np.random.default_rng(1).integers(0, 4, 400)
    runs = [noisy(truth, 0.15, k) for k in range(5)]
    first = consensus(runs, 4, seed=0)
    renumbered = [np.random.default_rng(k).permutation(4)[run] for k, run in enumerate(runs)][::-1]
    second = consensus(renumbered, 4, seed=0)
    assert np.array_equal(first.labels, second.labels)
    assert second.support == pytest.approx(first.support)


def test_same_seed_same_result() -> None:
    runs = [np.random.default_rng(k).integers(0, 5, 300) for k in range(4)]
    one, two = consensus(runs, 5, seed=3), consensus(runs, 5, seed=3)
    for name in Consensus.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize(
    ("runs", "n_domains", "message"),
    [
        ([np.array([0, 1])] * 2, 2, "2 runs are given; expected three runs or more"),
        ([np.array([0, 1])] * 3, 3, "3 domains are requested and there are 2 spots"),
    ],
)
def test_refusals(runs: list[np.ndarray], n_domains: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        consensus(runs, n_domains, seed=0)
