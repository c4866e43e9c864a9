"""p values under the null: uniform for spots that had no part in finding the domains, far from it for all spots."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from spatialweave.blocks.ratios import block_numbers
from spatialweave.characterise.markers import marker_tests
from spatialweave.characterise.split import SplitSpots, split_spots
from spatialweave.io.dataset import Modality
from spatialweave.simulate.presets import PRESETS
from spatialweave.simulate.tissue import CountModel, simulate

from .tissue import Tissue, tissue

DEMO = replace(PRESETS["demo"], modalities={name: PRESETS["demo"].modalities[name] for name in ("rna", "adt")})


def p_values(toy: Tissue, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of all features in all domains of the control: from all spots, and from those that have no part."""
    codes = toy.control(5)
    # Domains of noise are not found again; their p values are looked at all the same.
    split = replace(split_spots(toy.dataset, codes, 5, seed), found_again=np.ones(5))
    naive, honest = [], []
    for table in toy.tables:
        (found,) = marker_tests(table, toy.rows, codes, 5, split)
        naive.append(found.p.ravel())
        honest.append(found.p_split.ravel())
    return np.concatenate(naive), np.concatenate(honest)


def permuted(seed: int) -> Tissue:
    """Overdispersed counts with real domains, whose spots are permuted: no Poisson noise, and no place matters."""
    return tissue(simulate(DEMO, seed), np.random.default_rng(seed).permutation(DEMO.rows * DEMO.cols))


def poisson(seed: int) -> Tissue:
    """Nothing but Poisson noise."""
    model = CountModel(400, mean=2.0, dispersion=1e6, marker_fraction=0.0)
    return tissue(simulate(replace(DEMO, signal=0.0, depth_sd=0.0, modalities={"rna": model}), seed))


@pytest.mark.parametrize("null", [permuted, poisson])
def test_uniform_under_the_null(null) -> None:
    naive, honest = (
        np.concatenate(found) for found in zip(*(p_values(null(seed), seed) for seed in (1, 2)), strict=True)
    )
    # Features of one spot share its domain and depth, so that the p values are not independent: hence a margin on the
    # distance itself, and not a p value of it.
    assert stats.kstest(honest, "uniform").statistic < 0.025
    assert abs((honest < 0.05).mean() - 0.05) < 0.01 and (honest < 0.001).mean() < 0.003
    assert stats.kstest(naive, "uniform").statistic > 0.03 and (naive < 0.001).mean() > 0.003


def test_tested_spots_have_no_part_in_where_the_domains_are() -> None:
    """Whatever they measure, the domains around them stay the same."""
    toy = tissue(simulate(DEMO, 3))
    before = split_spots(toy.dataset, toy.truth, 5, 0)
    tested = before.codes >= 0
    assert tested.mean() == pytest.approx(2 / 3, abs=0.01)
    noise = np.random.default_rng(0).normal(size=(int(tested.sum()), 20)).astype(np.float32)
    modalities = []
    for modality in toy.dataset.modalities:
        latent = modality.latent.copy()
        latent[tested] = noise
        modalities.append(Modality(modality.name, latent, modality.present))
    after = split_spots(replace(toy.dataset, modalities=modalities), toy.truth, 5, 0)
    np.testing.assert_array_equal(before.codes, after.codes)


def test_domains_of_a_block_do_not_say_where_they_are_in_it() -> None:
    """Domains that are noise in one block only leave the domains found in that block as they are."""
    toy = tissue(simulate(DEMO, 3))
    blocks = block_numbers(toy.dataset.coordinates, toy.dataset.coordinates)
    before = split_spots(toy.dataset, toy.truth, 5, 0).codes
    inside = blocks == 12
    changed = np.where(inside, np.random.default_rng(0).integers(0, 5, len(inside)), toy.truth)
    after = split_spots(toy.dataset, changed, 5, 0).codes
    # Spots at the block's edge have neighbours in other blocks, whose discriminants have seen the noise.
    assert (before[inside] == after[inside]).mean() > 0.95 and (before[inside] != changed[inside]).mean() > 0.5


def test_real_domains_are_found_again_under_their_own_numbers() -> None:
    toy = tissue(simulate(PRESETS["test"], 1))
    found = split_spots(toy.dataset, toy.truth, 4, 0)
    assert found.found_again.mean() > 0.6
    tested = found.codes >= 0
    assert (found.codes[tested] == toy.truth[tested]).mean() > 0.7
    # Domain 0 by hand.
    own, other = toy.truth[tested] == 0, found.codes[tested] == 0
    assert found.found_again[0] == pytest.approx((own & other).sum() / (own | other).sum())


def test_domains_that_mean_nothing_are_not_found_again() -> None:
    toy = tissue(simulate(PRESETS["test"], 1))
    random = np.random.default_rng(0).integers(0, 4, toy.dataset.n_spots)
    assert split_spots(toy.dataset, random, 4, 0).found_again.max() < 0.3
    # One domain is everywhere, whatever was measured.
    assert split_spots(toy.dataset, np.zeros_like(random), 1, 0).found_again.tolist() == [1.0]


def test_the_seed_draws_the_spots() -> None:
    toy = tissue(simulate(PRESETS["test"], 1))
    halves = [split_spots(toy.dataset, toy.truth, 4, seed).codes for seed in (0, 0, 1)]
    np.testing.assert_array_equal(halves[0], halves[1])
    assert (halves[0] != halves[2]).any()


def test_a_domain_that_is_not_found_again_has_no_markers() -> None:
    toy = tissue(simulate(PRESETS["test"], 1))
    split = split_spots(toy.dataset, toy.truth, 4, 0)
    lost = SplitSpots(split.codes, np.array([0.9, 0.4, 0.9, 0.9]))
    found = marker_tests(toy.tables[0], toy.rows, toy.truth, 4, lost)[0]
    assert np.isnan(found.p_split).all(axis=1).tolist() == [False, True, False, False]
    # Its p values remain to rank features, but decide nothing.
    assert np.isfinite(found.p).all() and (found.p_adjusted[1] < 1e-6).any()
    assert found.is_marker.any(axis=1).tolist() == [True, False, True, True]
    assert found.tested(lost.found_again) == ["test spots", "not found again", "test spots", "test spots"]


def test_noise_has_no_markers() -> None:
    """Counts that depend on nothing but the depth of the spot: the control's domains are not found again."""
    rng = np.random.default_rng(0)
    depth = np.exp(rng.normal(0, 0.5, (900, 1)))
    counts = sparse.csr_matrix(rng.poisson(rng.gamma(1, 1, 100) * depth).astype(np.float32))
    data = anndata.AnnData(counts, pd.DataFrame({"label": "x"}, index=[f"b{spot}" for spot in range(900)]))
    data.obsm["spatial"] = np.array([(spot % 30, spot // 30) for spot in range(900)], dtype=float)
    toy = tissue({"rna": data})
    codes = toy.control(5)
    split = split_spots(toy.dataset, codes, 5, 0)
    found = marker_tests(toy.tables[0], toy.rows, codes, 5, split)[0]
    # On the spots that found the domains, many are called.
    assert split.found_again.max() < 0.5 and (found.p_adjusted <= 0.05).sum() > 10
    assert not found.is_marker.any()
