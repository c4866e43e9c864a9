"""Whether spots are more alike at corresponding places: right, wrong and useless alignments of known domains."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.matching.elsewhere import FEWEST, more_alike_here

PLACES = np.stack(np.indices((30, 30)), axis=-1).reshape(-1, 2).astype(float)
STRIPES = (PLACES[:, 0] // 5).astype(int)
RADIUS = 2.0


def alike(
    domain_a: np.ndarray, domain_b: np.ndarray, noise: float = 0.3, radius: float = RADIUS, points: np.ndarray = PLACES
) -> float:
    rng = np.random.default_rng(0)
    centres = 3 * np.eye(8)
    sections = [centres[domain] + noise * rng.normal(size=(len(domain), 8)) for domain in (domain_a, domain_b)]
    return more_alike_here(*sections, PLACES, points, radius, rng)


def test_stripes_without_noise_by_hand() -> None:
    """Here, the spot at the same place, is always of the same stripe; elsewhere is a tie where it is of it, too."""
    distance = np.linalg.norm(PLACES[:, None] - PLACES[None], axis=2)
    same = (STRIPES[:, None] == STRIPES[None])[distance > 1.0].mean()
    assert alike(STRIPES, STRIPES, noise=0.0, radius=0.5) == pytest.approx(1 - 0.5 * same, abs=0.02)


def test_places_without_the_spots_domain_are_worse_than_elsewhere() -> None:
    """Turned by 180 degrees, all stripes lie on others."""
    assert alike(STRIPES, STRIPES) > 0.85
    assert alike(STRIPES, STRIPES, points=PLACES[::-1]) < 0.5


def test_unrelated_domains_are_chance() -> None:
    assert alike(STRIPES, np.random.default_rng(2).permutation(STRIPES)) == pytest.approx(0.5, abs=0.06)


def test_one_domain_says_nothing() -> None:
    same = np.zeros(900, dtype=int)
    assert alike(same, same) == pytest.approx(0.5, abs=0.06)


def test_too_few_spots_are_unknown() -> None:
    few = PLACES[: FEWEST - 1]
    vectors = np.ones((len(few), 2))
    assert np.isnan(more_alike_here(vectors, vectors, few, few, RADIUS, np.random.default_rng(0)))


def test_sections_apart_are_unknown() -> None:
    vectors = np.random.default_rng(0).normal(size=(900, 4))
    assert np.isnan(more_alike_here(vectors, vectors, PLACES, PLACES + 1000, RADIUS, np.random.default_rng(0)))
