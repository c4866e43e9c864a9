"""Latents of several sections corrected by Harmony: sections mix, domains stay apart, nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from spatialweave.preprocess.harmony import MIN_SPOTS, correct
from spatialweave.preprocess.recipe import SectionsSettings

SMART = SectionsSettings(harmony=True, theta=10, rounds=20)


def two_sections(
    n_spots: int = 400, shift: float = 5.0, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Latents, sections, domains and the latents without the batch effect: three domains, one shift per domain."""
    rng = np.random.default_rng(seed)
    domains = rng.integers(0, 3, 2 * n_spots)
    sections = np.repeat(["a", "b"], n_spots)
    pure = 3 * rng.normal(size=(3, 10))[domains] + rng.normal(size=(2 * n_spots, 10))
    effect = shift * (rng.normal(size=10) + 0.3 * rng.normal(size=(3, 10)))
    latent = pure + effect[domains] * (sections == "b")[:, None]
    return latent.astype(np.float32), sections, domains, pure


def mixing(latent: np.ndarray, sections: np.ndarray, k: int = 15) -> float:
    """Fraction of the nearest spots that are in other sections, over what chance gives: 0 = separate, 1 = mixed."""
    near = NearestNeighbors(n_neighbors=k + 1).fit(latent).kneighbors(latent, return_distance=False)[:, 1:]
    chance = np.mean([(sections != name).mean() for name in sections])
    return float((sections[near] != sections[:, None]).mean() / chance)


def right_partners(latent: np.ndarray, sections: np.ndarray, domains: np.ndarray) -> float:
    """Fraction of the spots whose nearest spot in the other sections is of their own domain."""
    right = 0
    for name in np.unique(sections):
        own = sections == name
        nearest = NearestNeighbors(n_neighbors=1).fit(latent[~own]).kneighbors(latent[own], return_distance=False)
        right += int((domains[~own][nearest[:, 0]] == domains[own]).sum())
    return right / len(sections)


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_sections_mix_and_domains_stay_apart(seed: int) -> None:
    latent, sections, domains, _ = two_sections(seed=seed)
    corrected, step, note = correct(latent, sections, SMART, seed=0)
    assert mixing(latent, sections) < 0.05 and mixing(corrected, sections) > 0.8
    assert note is None and step is not None
    assert (step["step"], step["sections"], step["theta"]) == ("harmony", 2, 10) and 1 <= step["rounds"] <= 20
    assert right_partners(latent, sections, domains) < 0.8 < 0.99 < right_partners(corrected, sections, domains)
    clusters = KMeans(3, n_init=5, random_state=0).fit_predict(corrected)
    assert adjusted_rand_score(domains, clusters) > 0.95
    assert corrected.dtype == np.float32 and corrected.shape == latent.shape


def test_without_a_batch_effect_little_moves() -> None:
    latent, sections, _, pure = two_sections(shift=0)
    corrected, _, _ = correct(latent, sections, SMART, seed=0)
    assert np.linalg.norm(corrected - pure) < 0.1 * np.linalg.norm(pure - pure.mean(axis=0))


def test_the_correction_is_that_of_the_known_effect() -> None:
    """Distances between spots of different sections become those that they had before the effect was added."""
    latent, sections, _, pure = two_sections()
    corrected, _, _ = correct(latent, sections, SMART, seed=0)

    def between(values: np.ndarray) -> np.ndarray:
        return np.linalg.norm(values[:400, None] - values[None, 400:], axis=2)

    error, before = (np.abs(between(v) - between(pure)).mean() for v in (corrected, latent))
    assert error < 0.2 * before


def test_same_seed_gives_the_same_bytes_and_the_order_of_names_does_not_matter() -> None:
    latent, sections, _, _ = two_sections()
    first, second = (correct(latent, sections, SMART, seed=3)[0] for _ in range(2))
    assert first.tobytes() == second.tobytes()
    renamed = correct(latent, np.where(sections == "a", "z", "b"), SMART, seed=3)[0]
    assert mixing(renamed, sections) > 0.8


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_any_seed_of_the_stage(seed: int) -> None:
    latent, sections, _, _ = two_sections(n_spots=60)
    assert correct(latent, sections, SMART, seed)[1] is not None


def test_input_is_left_alone() -> None:
    latent, sections, _, _ = two_sections(n_spots=50)
    before = latent.copy()
    correct(latent, sections, SMART, seed=0)
    np.testing.assert_array_equal(latent, before)


@pytest.mark.parametrize("sections", [["a"], ["a", "b"]])
def test_one_section_or_harmony_off_changes_nothing(sections: list[str]) -> None:
    latent = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    names = np.repeat(sections, 80 // len(sections))
    settings = SMART if len(sections) == 1 else SectionsSettings(harmony=False)
    corrected, step, note = correct(latent, names, settings, 0)
    assert corrected is latent and step is None and note is None


@pytest.mark.parametrize("n_spots", [1, 2, MIN_SPOTS - 1])
def test_a_tiny_section_is_skipped_with_a_note(n_spots: int) -> None:
    latent, sections, _, _ = two_sections(n_spots=60)
    rows = slice(0, 60 + n_spots)
    corrected, step, note = correct(latent[rows], sections[rows], SMART, 0)
    np.testing.assert_array_equal(corrected, latent[rows])
    assert step is None and note is not None and f"section 'b' has {n_spots} spots" in note


@pytest.mark.parametrize("n_dims", [1, 2, 60])
def test_the_smallest_sections_and_any_width(n_dims: int) -> None:
    """As many dimensions as spots too: spots and dimensions must not be taken for one another."""
    rng = np.random.default_rng(1)
    latent = rng.normal(size=(2 * MIN_SPOTS, n_dims)).astype(np.float32)
    corrected, step, _ = correct(latent, np.repeat(["a", "b"], MIN_SPOTS), SMART, 0)
    assert step is not None and np.isfinite(corrected).all() and corrected.shape == latent.shape


def test_spots_without_counts_stay_zero() -> None:
    latent, sections, _, _ = two_sections(n_spots=100)
    latent[[3, 150]] = 0
    corrected, _, _ = correct(latent, sections, SMART, 0)
    assert not corrected[[3, 150]].any()
    others = np.setdiff1d(np.arange(200), [3, 150])
    alone, _, _ = correct(latent[others], sections[others], SMART, 0)
    np.testing.assert_array_equal(corrected[others], alone)


@pytest.mark.parametrize("case", ["constant", "equal rows", "huge", "tiny", "very unequal"])
def test_odd_latents_stay_finite(case: str) -> None:
    latent, sections, _, _ = two_sections(n_spots=90)
    if case == "constant":
        latent[:] = 1
    elif case == "equal rows":
        latent[:] = latent[np.arange(len(latent)) % 3]
    elif case == "very unequal":
        sections = np.repeat(["a", "b"], [150, 30])
    else:
        latent *= 1e12 if case == "huge" else 1e-12
    corrected, _, _ = correct(latent, sections, SMART, 0)
    assert np.isfinite(corrected).all()
    assert np.abs(corrected).max() <= 10 * np.abs(latent).max()


def test_three_sections() -> None:
    latent, sections, domains, _ = two_sections(n_spots=300)
    sections = sections.copy()
    sections[450:] = "c"
    latent[450:] += 4
    corrected, step, _ = correct(latent, sections, SMART, 0)
    assert step is not None and step["sections"] == 3
    assert mixing(latent, sections) < 0.05 and mixing(corrected, sections) > 0.6
    assert right_partners(latent, sections, domains) < 0.95 < 0.99 < right_partners(corrected, sections, domains)
