"""What a modality adds: nothing where it is noise, its own structure where it has some, more where both are weak."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from spatialweave.assess.cross_prediction import cross_prediction, turned
from spatialweave.assess.dataset import run_rows
from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.modality_value import ModalityValues, best_jaccard, modality_values, over_parts
from spatialweave.assess.permuted_tissue import Averaged, PermutedTissue, permuted_tissue
from spatialweave.assess.verdict import ADDS, HARMS, NOTHING, TRADES, kind_of
from spatialweave.io.dataset import Dataset

from .tissue import dataset, grid, noisy, quadrants

POINTS = grid(24, 24)
TRUE = quadrants(POINTS)


NAMES = ("rna", "adt")

SIGNAL = PermutedTissue([Averaged(2, dict.fromkeys(NAMES, 1.0), dict.fromkeys(NAMES, np.zeros(39)), 0.5)], len(POINTS))
"""In which every modality stands out, so that its gain alone decides."""


def value(data: Dataset, number: int = 4, seed: int = 0) -> ModalityValues:
    found = modality_values(data, HiddenSpots.of(data), SIGNAL, number, seed)
    assert found is not None
    return found


def test_best_jaccard_by_hand() -> None:
    """Domain 0, of four spots, shares 3 with one of 3: 3 / 4; domain 1, of two, both with one of 3: 2 / 3."""
    domains, others = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 1])
    assert best_jaccard(domains, others).tolist() == [3 / 4, 2 / 3]
    assert best_jaccard(domains, domains).tolist() == [1.0, 1.0]


def test_noise_adds_nothing_and_is_predicted_by_nothing() -> None:
    data = dataset(POINTS, rna=noisy(TRUE, 1.0, 0), adt=noisy(TRUE, 0.0, 1))
    rna, adt = value(data).modalities
    assert kind_of(adt) == NOTHING
    assert kind_of(rna) == ADDS and rna.gain["rna"].above_zero
    assert adt.predicted is not None and not adt.predicted.by_others.above_zero
    assert rna.stability["alone"] == adt.stability["without"]


def test_noise_of_many_dimensions_adds_nothing_to_a_weak_modality() -> None:
    """The domains predict spots of which they have seen nothing."""
    found = [
        value(dataset(POINTS, rna=noisy(TRUE, 0.2, seed, 20), adt=noisy(TRUE, 0.0, 100 + seed, 20)), 6, seed)
        for seed in (0, 1)
    ]
    assert [kind_of(one.modalities[1]) in (NOTHING, HARMS) for one in found] == [True, True]


def test_noise_has_nothing_to_lose() -> None:
    """Domains found in noise explain some of that same noise, which any other modality would seem to take away."""
    for seed in (0, 1):
        data = dataset(POINTS, rna=noisy(TRUE, 0.0, seed, 10), adt=noisy(TRUE, 1.0, 100 + seed, 10))
        rna, adt = value(data, 4, seed).modalities
        assert (kind_of(rna), kind_of(adt)) == (NOTHING, ADDS)
        assert adt.gain_others.value == pytest.approx(0.0, abs=0.01)


def test_the_others_lose_what_strong_domains_of_another_kind_hide() -> None:
    """RNA has quadrants, protein four stripes that are three times as clear: with four domains only these are found."""
    data = dataset(POINTS, rna=noisy(TRUE, 0.5, 0, 10), adt=noisy((POINTS[:, 0] // 6).astype(int), 1.5, 1, 10))
    assert kind_of(value(data).modalities[1]) == TRADES


def test_a_modality_that_is_silent_in_the_tissue_does_not_help() -> None:
    data = dataset(POINTS, rna=noisy(TRUE, 0.0, 0, 10), adt=noisy(TRUE, 1.0, 1000, 10))
    found = modality_values(data, HiddenSpots.of(data), permuted_tissue(data, 4, 0), 4, 0)
    assert found is not None
    rna, adt = found.modalities
    assert rna.p > 0.05 and not rna.helps and found.only_with(rna) == []
    assert kind_of(adt) == ADDS


def test_a_weak_modality_with_domains_of_its_own_still_adds() -> None:
    """RNA divides the tissue into left and right, protein into top and bottom, both in noise of 20 dimensions."""
    left, bottom = POINTS[:, 0] < 12, POINTS[:, 1] < 12
    data = dataset(POINTS, rna=noisy(left.astype(int), 0.5, 0, 20), adt=noisy(bottom.astype(int), 0.5, 1, 20))
    found = modality_values(data, HiddenSpots.of(data), permuted_tissue(data, 4, 0), 4, 0)
    assert found is not None
    assert all(one.p == 1 / 40 and kind_of(one) == ADDS for one in found.modalities)


def test_a_domain_that_one_modality_cannot_see_needs_the_other() -> None:
    """RNA divides the tissue into left and right, protein the right half into top and bottom."""
    left, bottom = POINTS[:, 0] < 12, POINTS[:, 1] < 12
    data = dataset(POINTS, rna=noisy(left.astype(int), 2.0, 0), adt=noisy((~left & bottom).astype(int), 2.0, 1))
    found = value(data, 3)
    adt = found.modalities[1]
    assert adt.gain["adt"].above_zero and kind_of(adt) == ADDS
    assert found.only_with(adt) and set(found.only_with(adt)) <= {1, 2, 3}
    assert all(one.value > 0.9 for one in found.again)
    assert sum(found.sizes) == len(POINTS)


def test_domains_of_a_run_are_found_with_the_modalities_that_they_need() -> None:
    """As above: the control finds the left half without protein, and the quarters with it only."""
    left, bottom = POINTS[:, 0] < 12, POINTS[:, 1] < 12
    data = dataset(POINTS, rna=noisy(left.astype(int), 2.0, 0), adt=noisy((~left & bottom).astype(int), 2.0, 1))
    values = value(data, 3)
    domains = np.where(left, 2, np.where(bottom, 4, 1))
    found = {
        (modality, of): (statistic, mean)
        for _, modality, statistic, of, mean, _, _ in run_rows("d", values, {("m", 3): domains}, np.arange(len(POINTS)))
    }
    # Number 3 has no spots, so that there is nothing to find.
    assert {of for _, of in found} == {"m.seed3:1", "m.seed3:2", "m.seed3:4"}
    assert {statistic for (modality, _), (statistic, _) in found.items() if modality == "all"} == {"run_found"}
    assert {statistic for (modality, _), (statistic, _) in found.items() if modality != "all"} == {"run_found_without"}
    assert all(found["all", of][1] > 0.9 for of in ("m.seed3:1", "m.seed3:2", "m.seed3:4"))
    assert found["adt", "m.seed3:4"][1] < 0.6 < 0.8 < found["rna", "m.seed3:4"][1]


def test_two_weak_modalities_help_each_other() -> None:
    fine = (POINTS // 8).astype(int) @ [1, 3]
    data = dataset(POINTS, rna=noisy(fine, 0.45, 0), adt=noisy(fine, 0.45, 1))
    for one in value(data, 9).modalities:
        assert one.gain[one.name].above_zero
        assert one.stability["all"].value > one.stability["without"].value


def test_a_copy_is_predicted_as_well_as_it_predicts_itself_and_what_is_turned_is_not() -> None:
    structure = noisy(TRUE, 1.0, 0)
    rng = np.random.default_rng(3)
    data = dataset(POINTS, rna=structure, adt=structure + 0.1 * rng.normal(size=structure.shape))
    found = cross_prediction(data, HiddenSpots.of(data), "adt", 0)
    assert found is not None
    assert found.p == 1 / 40 and found.by_others.value > 0.4
    assert found.by_itself.low <= found.by_itself.value <= found.by_itself.high


def test_turned_tissue_by_hand() -> None:
    """On a ring of spots every turn is a permutation up to the rounding to the nearest spot."""
    angle = np.arange(90) * 4 * np.pi / 180
    data = dataset(np.column_stack([np.cos(angle), np.sin(angle)]), rna=np.random.default_rng(0).normal(size=(90, 2)))
    source = turned(data, np.random.default_rng(1))
    assert len(set(source.tolist())) == 90
    steps = set(((source - np.arange(90)) % 90).tolist()), set(((source + np.arange(90)) % 90).tolist())
    assert min(map(len, steps)) == 1
    assert not (source == np.arange(90)).all()


def test_one_modality_has_no_others_and_apart_ones_predict_nothing() -> None:
    data = dataset(POINTS, rna=noisy(TRUE, 1.0, 0))
    assert modality_values(data, HiddenSpots.of(data), SIGNAL, 4, 0) is None
    apart = (np.arange(len(POINTS)) % 2 == 0)[:, None]
    both = dataset(
        POINTS, rna=np.where(apart, np.nan, noisy(TRUE, 1.0, 0)), adt=np.where(apart, noisy(TRUE, 1.0, 1), np.nan)
    )
    assert [one.predicted for one in value(both).modalities] == [None, None]


@pytest.mark.parametrize("n_spots", [4, 12])
def test_a_handful_of_spots_is_no_error(n_spots: int) -> None:
    rng = np.random.default_rng(0)
    data = dataset(rng.normal(size=(n_spots, 2)), rna=rng.normal(size=(n_spots, 3)), adt=rng.normal(size=(n_spots, 2)))
    found = value(data, 3)
    assert len(found.modalities) == 2


def test_intervals_cover_blocks_and_parts_by_hand() -> None:
    """Two parts with 0 and 1: their mean has a standard error of 0.5, if it is the same in all draws of blocks."""
    quantile = t.ppf(1 - 0.05 / 4, 4)
    found = over_parts(np.array([[0.0] * 11, [1.0] * 11]), 5)
    assert (found.value, found.high) == pytest.approx((0.5, 0.5 + quantile * 0.5))
    # In draws with a standard deviation of 0.3, of five blocks, of which two intervals hold simultaneously.
    draws = np.concatenate([[0.0], np.tile([-0.3, 0.3], 5)])
    assert over_parts(np.array([draws, draws]), 5).high == pytest.approx(quantile * 0.3 * np.sqrt(5 / 4))
    both = over_parts(np.array([draws, draws + 1]), 5)
    assert both.high - both.value == pytest.approx(quantile * np.hypot(0.5, 0.3 * np.sqrt(5 / 4)))


def test_same_seed_same_values() -> None:
    data = dataset(POINTS, rna=noisy(TRUE, 0.5, 0), adt=noisy(TRUE, 0.5, 1))
    assert value(data) == value(data)
