"""The evidence for runs: good, bad, alike and alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import studentized_range
from sklearn.metrics import adjusted_rand_score

from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.intervals import Interval, behind
from spatialweave.assess.permuted_tissue import permuted_tissue
from spatialweave.assess.random_domains import Tissue
from spatialweave.assess.runs import DRAWS, RunEvidence, evidence
from spatialweave.io.dataset import Dataset
from spatialweave.io.result_tables import ALL

from .tissue import dataset, grid, noisy, quadrants

POINTS = grid(20, 20)
TRUE = quadrants(POINTS)


def judge(data: Dataset, runs: dict[tuple[str, int], np.ndarray], seed: int = 0) -> dict[str, RunEvidence]:
    tissue = Tissue.of(data.coordinates, data.obs["section"].to_numpy(), seed)
    halves = {run: [0.5, 0.9] for run in runs if run[0] == "true"}
    found = evidence(HiddenSpots.of(data), tissue, permuted_tissue(data, 4, seed), runs, halves, seed)
    return {f"{one.method}.{one.seed}": one for one in found}


@pytest.fixture(scope="module")
def runs() -> dict[tuple[str, int], np.ndarray]:
    nearly = TRUE.copy()
    nearly[:3] = 3
    other = (np.hypot(*(POINTS - 9.5).T) > 7).astype(int) + 2 * (POINTS[:, 0] + POINTS[:, 1] > 19)
    scattered = np.random.default_rng(0).integers(4, size=400)
    return {("true", 1): TRUE + 1, ("true", 2): nearly + 1, ("ring", 1): other + 1, ("scattered", 1): scattered + 1}


@pytest.fixture(scope="module")
def found(runs: dict[tuple[str, int], np.ndarray]) -> dict[str, RunEvidence]:
    return judge(dataset(POINTS, rna=noisy(TRUE, 1.0, 3), adt=noisy(TRUE, 0.5, 4)), runs)


def test_true_domains_are_supported_and_scattered_ones_are_not(found: dict[str, RunEvidence]) -> None:
    assert list(found) == ["true.1", "true.2", "ring.1", "scattered.1"]
    assert found["true.1"].supported and found["true.2"].supported
    assert found["true.1"].support["rna"].p_random == 1 / (1 + DRAWS)
    assert not found["scattered.1"].supported
    assert list(found["true.1"].support) == ["rna", "adt", ALL]


def test_runs_are_compared_with_supported_ones() -> None:
    """Thirty random pieces explain much of what is smooth, as any thirty do; the two halves are what there is."""
    rng = np.random.default_rng(2)
    fields = np.stack([gaussian_filter(rng.normal(size=(20, 20)), 2).ravel() for _ in range(6)], axis=1)
    right = POINTS[:, 0] > 9.5
    values = np.column_stack([1.6 * right, fields / fields.std(axis=0)])
    centres = rng.uniform(0, 20, (30, 2))
    pieces = np.square(POINTS[:, None] - centres).sum(axis=-1).argmin(axis=1)
    data = dataset(POINTS, rna=values + rng.normal(0, 0.3, values.shape))
    found = judge(data, {("halves", 1): right + 1, ("pieces", 1): pieces + 1})
    assert found["halves.1"].supported and not found["pieces.1"].supported
    assert found["pieces.1"].support[ALL].explained.value > found["halves.1"].support[ALL].explained.value
    assert found["halves.1"].behind.value == 0 < found["pieces.1"].behind.value


def test_runs_that_are_nearly_the_same_cannot_be_told_apart(found: dict[str, RunEvidence]) -> None:
    assert not found["true.1"].weaker and not found["true.2"].weaker
    assert max(found["true.1"].behind.value, found["true.2"].behind.value) == 0.0
    assert found["ring.1"].weaker and found["scattered.1"].weaker
    for one in found.values():
        assert one.behind.low <= one.behind.value <= one.behind.high
        explained = one.support[ALL].explained
        assert explained.low <= explained.value <= explained.high


def test_agreements_by_scikit_learn(found: dict[str, RunEvidence], runs: dict[tuple[str, int], np.ndarray]) -> None:
    others = [adjusted_rand_score(runs["true", 1], runs[run]) for run in runs if run != ("true", 1)]
    assert found["true.1"].agreement == pytest.approx(np.mean(others))
    assert found["true.1"].seeds == pytest.approx(adjusted_rand_score(runs["true", 1], runs["true", 2]))
    assert np.isnan(found["ring.1"].seeds) and found["ring.1"].halves is None
    assert found["true.2"].halves == Interval(0.7, 0.5, 0.9)


def test_one_run_alone_and_one_domain() -> None:
    data = dataset(POINTS, rna=noisy(TRUE, 1.0, 3))
    alone = judge(data, {("true", 1): TRUE})["true.1"]
    assert alone.supported and np.isnan(alone.agreement) and alone.behind == Interval(0.0, 0.0, 0.0)
    single = judge(data, {("whole", 1): np.ones(400, dtype=int)})["whole.1"]
    assert not single.supported and single.support[ALL].explained.value == 0.0 and np.isnan(single.support[ALL].z)


def test_same_seed_same_evidence(found: dict[str, RunEvidence], runs: dict[tuple[str, int], np.ndarray]) -> None:
    data = dataset(POINTS, rna=noisy(TRUE, 1.0, 3), adt=noisy(TRUE, 0.5, 4))
    again = judge(data, runs)
    assert [one.support for one in again.values()] == [one.support for one in found.values()]
    other = judge(data, runs, seed=1)
    assert other["true.1"].support["rna"].random_mean != found["true.1"].support["rna"].random_mean


def test_equal_runs_are_not_called_weaker() -> None:
    """Ten runs that explain the same in truth: the true halves, one of them divided at random once more.

    At most in 5% of the tissues one of them is called weaker: of 20, in at most 3 with a probability of 0.98. A run
    that misses the border by a quarter of the tissue is.
    """
    half = (POINTS[:, 0] > 9.5).astype(int)
    weaker = found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hidden = HiddenSpots.of(dataset(POINTS, rna=noisy(half, 0.5, seed, 10)))
        fields = [gaussian_filter(rng.normal(size=(20, 20)), 3).ravel() for _ in range(10)]
        runs = [np.where(half == 1, 1 + (field > np.median(field[half == 1])), 0) for field in fields]
        explained = [hidden.explained(run)[ALL] for run in [*runs, (POINTS[:, 0] > 14.5).astype(int)]]
        values = np.array([one.value for one in explained])
        drawn = np.array([one.values(hidden.draws().times) for one in explained])
        best = int(values[:10].argmax())
        weaker += any(one.below_zero for one in behind(values[:10], drawn[:10], best, 25))
        found += behind(values, drawn, best, 25)[10].below_zero
    assert weaker <= 3
    assert found >= 10


def test_intervals_that_hold_together_are_those_of_tukey() -> None:
    """Independent estimates with a standard deviation of 1: the quantile of the studentized range over sqrt(2)."""
    drawn = np.random.default_rng(0).normal(size=(5, 200_000))
    many = 10**9
    first, second, *_ = behind(np.array([3.0, 1.0, 0.0, 0.0, 0.0]), drawn, 0, many)
    assert first == Interval(0.0, 0.0, 0.0)
    assert second.value == -2.0
    assert second.high - second.value == pytest.approx(studentized_range.ppf(0.95, 5, np.inf), rel=0.02)


def test_intervals_by_hand() -> None:
    """Draws with a standard deviation of 2 of 5 blocks: 2 sqrt(5 / 4) times the quantile of t with 4 degrees, 2.776.

    With two tests, the quantile is that of 0.9875: 3.495.
    """
    drawn, error = np.array([1.0, 5.0, 1.0, 5.0]), 2 * np.sqrt(5 / 4)
    found = Interval.of_draws(5.0, drawn, 5)
    assert (found.value, found.low, found.high) == pytest.approx((5.0, 5 - 2.776 * error, 5 + 2.776 * error), abs=1e-3)
    assert Interval.around(0.0, 1.0, 5, 2).high == pytest.approx(3.495, abs=1e-3)
    assert Interval.of_repeats([1.0, 4.0, 1.0]) == Interval(2.0, 1.0, 4.0)
    assert Interval(1, 0.5, 2).above_zero and not Interval(1, 0, 2).above_zero and Interval(-1, -2, -0.5).below_zero
