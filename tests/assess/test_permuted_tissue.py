"""Whether a tissue has domains: found where there are some, and not where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from spatialweave.assess.hidden_spots import ALL
from spatialweave.assess.permuted_tissue import PERMUTATIONS, p_value, permuted_tissue

from .tissue import dataset, grid, noisy, quadrants


def test_p_value_by_hand() -> None:
    """Two of four draws are as high: 3 of 5 with the value itself."""
    assert p_value(2.0, np.array([1.0, 2.0, 3.0, 0.0])) == pytest.approx(3 / 5)
    assert p_value(9.0, np.zeros(39)) == 1 / 40


def test_domains_are_found_and_lost_once_the_spots_are_permuted() -> None:
    points = grid(20, 20)
    values = noisy(quadrants(points), 0.5, 3)
    found = permuted_tissue(dataset(points, rna=values), 4, 0)
    assert found.p(ALL) == 1 / (1 + PERMUTATIONS)
    assert found.found["rna"] > 2 * found.permuted["rna"].max()
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
    assert first.found == again.found and (first.permuted["rna"] == again.permuted["rna"]).all()
    monkeypatch.setattr("spatialweave.assess.permuted_tissue.SPOTS", 100)
    part = permuted_tissue(data, 4, 7)
    assert part.n_spots == 100 and part.p(ALL) < 0.05


def test_permutations_stay_within_sections_and_move_modalities_together() -> None:
    """With one spot per section and modality, nothing can be permuted: every permutation is the tissue itself."""
    points = grid(5, 5)
    sections = np.array([f"s{i}" for i in range(25)])
    found = permuted_tissue(dataset(points, sections, rna=noisy(quadrants(points), 1.0, 0)), 2, 0)
    assert np.allclose(found.permuted["rna"], found.found["rna"])


def test_missing_spots_are_permuted_with_the_rest() -> None:
    points = grid(15, 15)
    true = quadrants(points)
    absent = np.random.default_rng(5).random(len(points)) < 0.3
    adt = np.where(absent[:, None], np.nan, noisy(true, 1.0, 1))
    found = permuted_tissue(dataset(points, rna=noisy(true, 0.0, 0), adt=adt), 4, 0)
    assert found.p("adt") < 0.05 < found.p("rna")
