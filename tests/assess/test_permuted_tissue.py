"""Whether a tissue has domains: found where there are some, and not where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import kstest

from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.permuted_tissue import PERMUTATIONS, PermutedTissue, p_value, permuted_tissue, smoothness
from spatialweave.domains.initial_partitions import kmeans_partition
from spatialweave.graphs.smoothing import smoothed
from spatialweave.io.dataset import Dataset
from spatialweave.io.result_tables import ALL

from .tissue import dataset, grid, noisy, quadrants


def test_p_value_by_hand() -> None:
    """Two of four draws are as high: 3 of 5 with the value itself."""
    assert p_value(2.0, np.array([1.0, 2.0, 3.0, 0.0])) == pytest.approx(3 / 5)
    assert p_value(9.0, np.zeros(39)) == 1 / 40


def test_smoothness_by_hand() -> None:
    """Of a chain of four spots in two domains of two, 4 of 6 directed pairs are together, by chance a half would be."""
    chain = sparse.diags([1.0, 1.0], [-1, 1], shape=(4, 4), format="csr")
    assert smoothness(np.array([7, 7, 9, 9]), chain) == pytest.approx((4 / 6 - 1 / 2) / (1 - 1 / 2))
    assert smoothness(np.zeros(4, dtype=int), chain) == 0.0
    assert smoothness(np.arange(4), sparse.csr_matrix((4, 4))) == 0.0


def test_large_domains_of_weak_signal_hold_although_rough_noise_explains_more() -> None:
    points = grid(60, 60)
    true = quadrants(points)
    data = dataset(points, rna=noisy(true, 0.1, 3))
    hidden, permuted = HiddenSpots.of(data), permuted_tissue(data, 4, 0)
    explained, smooth = hidden.explained(true)[ALL].value, smoothness(true, hidden.neighbours)
    assert explained < permuted.averaged[0].permuted[ALL].min()
    assert permuted.p_of_run(ALL, explained, 0.0) == 1.0
    assert permuted.p_of_run(ALL, explained, smooth) == permuted.p(ALL) == 1 / (1 + PERMUTATIONS)
    assert permuted.clearest.rounds > 2
    assert permuted.clearest.standardised(ALL)[0] > 2 * permuted.averaged[0].standardised(ALL)[0]


@pytest.fixture(scope="module")
def noise() -> list[tuple[Dataset, PermutedTissue]]:
    """Tissues without domains, of six seeds, each with its permuted tissue."""
    points = grid(25, 25)
    tissues = [dataset(points, rna=noisy(quadrants(points), 0.0, seed)) for seed in range(6)]
    return [(data, permuted_tissue(data, 4, 0)) for data in tissues]


@pytest.mark.parametrize("rounds", [2, 4, 12, 32])
def test_domains_of_noise_do_not_hold_however_smooth_they_are(
    noise: list[tuple[Dataset, PermutedTissue]], rounds: int
) -> None:
    found = []
    for seed, (data, permuted) in enumerate(noise):
        hidden = HiddenSpots.of(data)
        embedding = smoothed(data.modalities, hidden.neighbours, rounds).astype(np.float64)
        domains = kmeans_partition(embedding, 4, seed, n_init=1)
        explained = hidden.explained(domains)[ALL].value
        found.append(permuted.p_of_run(ALL, explained, smoothness(domains, hidden.neighbours)))
    # Uniform p values: of six, three are below 0.05 in two of a thousand cases.
    assert sum(p <= 0.05 for p in found) < 3


def test_domains_are_found_and_lost_once_the_spots_are_permuted() -> None:
    points = grid(20, 20)
    values = noisy(quadrants(points), 0.5, 3)
    found = permuted_tissue(dataset(points, rna=values), 4, 0)
    assert found.p(ALL) == 1 / (1 + PERMUTATIONS)
    assert found.averaged[0].found["rna"] > 2 * found.averaged[0].permuted["rna"].max()
    order = np.random.default_rng(1).permutation(len(points))
    assert permuted_tissue(dataset(points, rna=values[order]), 4, 0).p(ALL) > 0.05


def test_p_values_of_tissues_without_domains_are_uniform() -> None:
    points = grid(12, 12)
    values = [np.random.default_rng(seed).standard_normal((144, 4)) for seed in range(40)]
    found = [permuted_tissue(dataset(points, rna=own), 3, 0).p(ALL) for own in values]
    assert kstest(np.array(found) - 0.0125, "uniform").pvalue > 0.01


def test_same_seed_same_result_and_a_subset_of_many_spots(monkeypatch: pytest.MonkeyPatch) -> None:
    points = grid(15, 15)
    data = dataset(points, rna=noisy(quadrants(points), 1.0, 3))
    first, again = permuted_tissue(data, 4, 7), permuted_tissue(data, 4, 7)
    for one, other in zip(first.averaged, again.averaged, strict=True):
        assert one.found == other.found and (one.permuted["rna"] == other.permuted["rna"]).all()
    monkeypatch.setattr("spatialweave.assess.permuted_tissue.SPOTS", 100)
    part = permuted_tissue(data, 4, 7)
    assert part.n_spots == 100 and part.p(ALL) < 0.05


def test_where_a_modality_was_measured_is_not_permuted() -> None:
    """Of each section, one spot has both modalities and one has RNA alone: nothing can be permuted."""
    points = grid(10, 5)
    sections = np.array([f"s{i // 2}" for i in range(50)])
    absent = (np.arange(50) % 2 == 0)[:, None]
    adt = np.where(absent, np.nan, noisy(quadrants(points), 1.0, 1))
    found = permuted_tissue(dataset(points, sections, rna=noisy(quadrants(points), 1.0, 0), adt=adt), 2, 0)
    for one in found.averaged:
        assert np.allclose(one.permuted["rna"], one.found["rna"])
    assert found.p(ALL) == found.p("rna") == found.p("adt") == 1.0


def test_no_domains_are_found_where_noise_has_a_gap_in_one_piece() -> None:
    points = grid(16, 16)
    gap = (points[:, 0] >= 4)[:, None]
    found = []
    for seed in range(4):
        rna, adt = np.random.default_rng(seed).standard_normal((2, len(points), 8))
        found.append(permuted_tissue(dataset(points, rna=rna, adt=np.where(gap, np.nan, adt)), 5, seed).p("rna"))
    # Uniform p values: of four, two are 0.05 or less in 14 of a thousand cases.
    assert sum(p <= 0.05 for p in found) < 2


def test_permutations_stay_within_sections_and_move_modalities_together() -> None:
    """With one spot per section and modality, nothing can be permuted: every permutation is the tissue itself."""
    points = grid(5, 5)
    sections = np.array([f"s{i}" for i in range(25)])
    found = permuted_tissue(dataset(points, sections, rna=noisy(quadrants(points), 1.0, 0)), 2, 0)
    for one in found.averaged:
        assert np.allclose(one.permuted["rna"], one.found["rna"])
    assert found.p(ALL) == 1.0


def test_domains_are_found_in_a_modality_that_some_spots_lack() -> None:
    points = grid(15, 15)
    true = quadrants(points)
    absent = np.random.default_rng(5).random(len(points)) < 0.3
    adt = np.where(absent[:, None], np.nan, noisy(true, 1.0, 1))
    found = permuted_tissue(dataset(points, rna=noisy(true, 0.0, 0), adt=adt), 4, 0)
    assert found.p("adt") < 0.05 < found.p("rna")
