"""Fused Gromov-Wasserstein alignment of sections whose true transform is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spatialweave.alignment import fgw, transforms
from spatialweave.alignment.prematch import Registration, SectionFeatures, prematch
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.errors import InputError

TURN = transforms.rigid(np.radians(130), (40.0, -7.0))


def section(side: int, seed: int = 0, noise: float = 0.0) -> SectionFeatures:
    """A square of cells at irregular positions; its latents follow a disc, a band and a corner, none symmetric."""
    row, column = np.indices((side, side)).reshape(2, -1)
    points = np.column_stack([column, row]) + np.random.default_rng(0).uniform(-0.3, 0.3, (side**2, 2))
    x, y = (points / side).T
    signals = np.column_stack([(x - 0.3) ** 2 + (y - 0.6) ** 2 < 0.05, np.abs(y - 0.2) < 0.1, x + 0.4 * y > 0.9])
    mixture = np.random.default_rng(1).normal(size=(3, 6))
    latents = signals @ mixture + noise * np.random.default_rng([2, seed]).normal(size=(side**2, 6))
    return SectionFeatures(points, {"rna": (latents.astype(np.float32), True)})


def placed(original: SectionFeatures, matrix: np.ndarray) -> SectionFeatures:
    return SectionFeatures(transforms.apply(matrix, original.points), original.features)


def register(fixed: SectionFeatures, moving: SectionFeatures, **settings: Any) -> Registration:
    return prematch(fixed, moving, PrematchSettings(method="fgw", **settings))


def error(found: Registration, moving: SectionFeatures, true: np.ndarray) -> float:
    """Mean distance of moving spots from their true places, in spacings."""
    return float(np.linalg.norm(transforms.apply(found.matrix, moving.points) - true, axis=1).mean())


@pytest.mark.parametrize("degrees", [0, 45, 90, 180, 290])
def test_a_turned_copy_is_recovered(degrees: int) -> None:
    fixed = section(16)
    moving = placed(fixed, transforms.rigid(np.radians(degrees), (31.0, -12.0)))
    found = register(fixed, moving)
    assert error(found, moving, fixed.points) < 1e-6
    assert (found.method, found.score) == ("fgw", None)
    assert found.record["overlap"] == 1.0 and found.record["decided_by"] == "fgw"
    assert found.record["coupling"]["coupled_spots"] == [256, 256]
    assert found.record["coupling"]["cost"] == pytest.approx(0.0, abs=1e-9)


def test_noisy_features_are_enough() -> None:
    fixed, other = section(18, seed=1, noise=0.8), section(18, seed=2, noise=0.8)
    found = register(fixed, placed(other, TURN))
    # Within a spacing.
    assert error(found, placed(other, TURN), fixed.points) < 1.0


def test_reflection_and_scale_only_where_they_are_asked_for() -> None:
    fixed = section(14)
    turned_over = placed(fixed, transforms.rigid(0.4, (3.0, 1.0), reflect=True))
    assert error(register(fixed, turned_over, reflection=True), turned_over, fixed.points) < 1e-6
    assert error(register(fixed, turned_over), turned_over, fixed.points) > 2.0
    larger = placed(fixed, transforms.rigid(0.4, (3.0, 1.0), scale=2.5))
    assert error(register(fixed, larger, scale=True), larger, fixed.points) < 1e-6
    assert transforms.decompose(register(fixed, larger).matrix)[2] == pytest.approx(1.0)


def test_blurred_couplings_do_not_shrink_a_section() -> None:
    fixed, other = section(18, seed=1, noise=0.8), section(18, seed=2, noise=0.8)
    moving = placed(other, TURN @ transforms.rigid(0.0, (0.0, 0.0), 2.0))
    found = register(fixed, moving, scale=True)
    assert transforms.decompose(found.matrix)[2] == pytest.approx(0.5, rel=0.01)
    assert error(found, moving, fixed.points) < 1.0


def test_it_is_the_same_each_time_and_does_not_depend_on_units() -> None:
    fixed, moving = section(15, 1, 0.5), placed(section(15, 2, 0.5), TURN)
    first = register(fixed, moving)
    assert register(fixed, moving).matrix.tobytes() == first.matrix.tobytes()
    in_pixels = [placed(one, transforms.rigid(0.0, (0.0, 0.0), 50.0)) for one in (fixed, moving)]
    other = register(*in_pixels)
    np.testing.assert_allclose(other.matrix[:2, :2], first.matrix[:2, :2], atol=1e-9)
    np.testing.assert_allclose(other.matrix[:2, 2], 50 * first.matrix[:2, 2], rtol=1e-6)


def test_large_sections_are_pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fgw, "MOST_SPOTS", 300)
    fixed = section(34)
    moving = placed(fixed, TURN)
    found = register(fixed, moving)
    assert all(200 < n <= 300 for n in found.record["coupling"]["coupled_spots"])
    # A pooled spot stands for four: within its size.
    assert error(found, moving, fixed.points) < 1.0


def test_dissimilarities_by_hand() -> None:
    everywhere, some = np.array([True, True]), np.array([True, False])
    first = {"rna": (np.array([[0.0], [2.0]]), everywhere), "adt": (np.array([[1.0], [0.0]]), some)}
    second = {"rna": (np.array([[0.0], [0.0]]), some), "adt": (np.array([[4.0], [1.0]]), everywhere)}
    # RNA, second spot of the second section missing: 0 and 4 over their mean 2. Protein: 9 and 0 over 4.5.
    expected = [[(0 / 2 + 9 / 4.5) / 2, 0 / 4.5], [4 / 2, 1.0]]
    np.testing.assert_allclose(fgw._dissimilarities(first, second), expected)


def test_sections_without_a_modality_in_common_are_refused() -> None:
    fixed = section(6)
    latents, present = fixed.features["rna"]
    for features in ({"adt": (latents, present)}, {"rna": (latents[:, :1], present)}):
        with pytest.raises(InputError, match="no modality with the same number of latent dimensions in common"):
            register(fixed, SectionFeatures(fixed.points, features))
