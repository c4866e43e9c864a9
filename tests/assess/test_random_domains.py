"""Random domains: as many, large and smooth as given ones, and a fair null for what domains explain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest

from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.permuted_tissue import p_value
from spatialweave.assess.random_domains import RandomDomains, Tissue
from spatialweave.assess.runs import random_values

from .tissue import dataset, grid, noisy, quadrants

ONE = np.full(30 * 30, "one")


def smooth_domains(width: int, length: float, n_domains: int, seed: int) -> np.ndarray:
    """The largest of smoothed noise fields, by another smoother than the one tested."""
    rng = np.random.default_rng(seed)
    fields = [gaussian_filter(rng.normal(size=(width, width)), length) for _ in range(n_domains)]
    return np.argmax(fields, axis=0).ravel()


@pytest.mark.parametrize(("length", "exchanged"), [(1.5, 0.0), (3.0, 0.0), (3.0, 0.3)])
def test_sizes_are_exact_and_smoothness_is_that_of_the_given_domains(length: float, exchanged: float) -> None:
    rng = np.random.default_rng(0)
    tissue = Tissue.of(grid(30, 30), ONE, 0)
    domains = smooth_domains(30, length, 5, 1)
    moved = np.flatnonzero(rng.random(900) < exchanged)
    domains[moved] = domains[rng.permutation(moved)]
    like = RandomDomains.like(tissue, domains, 0)
    assert like.exchanged == pytest.approx(exchanged, abs=0.15)
    waves = like.waves(rng)
    draws = [like.draw(waves, rng) for _ in range(20)]
    for draw in draws:
        assert np.bincount(draw).tolist() == np.bincount(domains).tolist()
    mean = np.mean([tissue.together(draw) for draw in draws], axis=0)
    assert mean == pytest.approx(tissue.together(domains), abs=0.12)
    # Nothing of the given domains is left in them.
    alike = [np.mean(draw == domains) for draw in draws]
    assert np.mean(alike) == pytest.approx(np.sum((np.bincount(domains) / 900) ** 2), abs=0.08)


def test_pairs_are_at_their_distance_and_of_one_section() -> None:
    points = np.concatenate([grid(20, 20), 7.0 * grid(15, 15)])
    sections = np.repeat(["a", "b"], [400, 225])
    tissue = Tissue.of(points, sections, 3)
    assert tissue.extent == 19.0
    for lag, (a, b) in zip((1.0, 2.0, 4.0, 8.0), tissue.pairs, strict=False):
        assert (sections[a] == sections[b]).all()
        distance = np.linalg.norm(tissue.points[a] - tissue.points[b], axis=1)
        assert np.abs(distance - lag).max() < 0.75


def test_same_seed_same_domains() -> None:
    tissue = Tissue.of(grid(30, 30), ONE, 0)
    like = RandomDomains.like(tissue, quadrants(grid(30, 30)), 4)
    first, again = (like.draw(like.waves(rng), rng) for rng in (np.random.default_rng(2), np.random.default_rng(2)))
    assert (first == again).all()
    assert RandomDomains.like(tissue, quadrants(grid(30, 30)), 4).length == like.length


def test_p_values_are_uniform_for_domains_that_know_nothing_of_the_molecules() -> None:
    """Expression is smooth, domains are drawn without it: their p values are uniform; those of true domains are not."""
    points = grid(30, 30)
    rng = np.random.default_rng(8)
    values = np.stack([gaussian_filter(rng.normal(size=(30, 30)), 2.0).ravel() for _ in range(4)], axis=1)
    values += 0.5 * values.std() * rng.normal(size=values.shape)
    hidden, tissue = HiddenSpots.of(dataset(points, rna=values)), Tissue.of(points, ONE, 0)
    found = []
    for seed in range(60):
        domains = smooth_domains(30, 2.0, 4, 100 + seed)
        like = RandomDomains.like(tissue, domains, seed)
        draws = np.random.default_rng(seed)
        waves = like.waves(draws)
        null = np.array([hidden.explained(like.draw(waves, draws))["rna"].value for _ in range(49)])
        found.append(p_value(hidden.explained(domains)["rna"].value, null))
    # On a scale of 50 steps: the middle of the step.
    assert kstest(np.array(found) - 0.01, "uniform").pvalue > 0.01
    assert 0.0 <= np.mean(np.array(found) <= 0.1) <= 0.25


def test_sizes_are_exact_in_every_section() -> None:
    points, sections = np.tile(grid(20, 20), (2, 1)), np.repeat(["a", "b"], 400)
    domains = np.concatenate([quadrants(grid(20, 20)), np.where(np.arange(400) < 150, 5, 0)])
    tissue, rng = Tissue.of(points, sections, 0), np.random.default_rng(0)
    like = RandomDomains.like(tissue, domains, 0)
    draw = like.draw(like.waves(rng), rng)
    assert np.bincount(draw[:400], minlength=5).tolist() == [100, 100, 100, 100, 0]
    assert np.bincount(draw[400:], minlength=5).tolist() == [250, 0, 0, 0, 150]


def test_domains_that_correspond_across_sections_have_no_advantage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four equal sections with the same smooth expression, and in all of them the same domains, drawn without it.

    If they agree by chance they do so in all sections: the p values are those of one section, so 5% are at most 0.05
    (of 40, at most 6 with a probability of 0.99). True domains stay far above.
    """
    monkeypatch.setattr("spatialweave.assess.runs.DRAWS", 19)
    points, sections = np.tile(grid(15, 15), (4, 1)), np.repeat(list("abcd"), 225)
    tissue, rng = Tissue.of(points, sections, 0), np.random.default_rng(3)

    def p_of(domains: np.ndarray, values: np.ndarray, seed: int) -> float:
        like = RandomDomains.like(tissue, np.tile(domains, 4), seed)
        values = np.tile(values, (4, 1)) + 0.3 * values.std() * rng.normal(size=(900, 4))
        hidden = HiddenSpots.of(dataset(points, sections, rna=values))
        return p_value(hidden.explained(np.tile(domains, 4))["rna"].value, random_values(hidden, like, seed)["rna"])

    found = []
    for seed in range(40):
        values = np.stack([gaussian_filter(rng.normal(size=(15, 15)), 3.0).ravel() for _ in range(4)], axis=1)
        found.append(p_of(smooth_domains(15, 3.0, 4, 100 + seed), values, seed))
    assert np.sum(np.array(found) <= 0.05) <= 6
    true = smooth_domains(15, 3.0, 4, 5)
    assert p_of(true, noisy(true, 0.5, 1, 4), 0) == 0.05


def test_true_domains_are_far_above_random_ones() -> None:
    points = grid(30, 30)
    true = smooth_domains(30, 3.0, 4, 5)
    hidden, tissue = HiddenSpots.of(dataset(points, rna=noisy(true, 0.7, 1))), Tissue.of(points, ONE, 0)
    like = RandomDomains.like(tissue, true, 0)
    rng = np.random.default_rng(0)
    waves = like.waves(rng)
    null = np.array([hidden.explained(like.draw(waves, rng))["rna"].value for _ in range(19)])
    assert p_value(hidden.explained(true)["rna"].value, null) == 0.05


@pytest.mark.parametrize("n_spots", [3, 8])
def test_a_handful_of_spots_and_one_domain_are_no_error(n_spots: int) -> None:
    points = np.random.default_rng(0).normal(size=(n_spots, 2))
    tissue = Tissue.of(points, np.full(n_spots, "a"), 0)
    for domains in (np.zeros(n_spots, dtype=int), np.arange(n_spots) % 2):
        like = RandomDomains.like(tissue, domains, 0)
        rng = np.random.default_rng(0)
        assert sorted(like.draw(like.waves(rng), rng)) == sorted(domains)
