"""Pre-matching of pairs of sections whose true coordinates are known."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

from spatialweave.alignment import transforms
from spatialweave.alignment.prematch import Registration, SectionFeatures, prematch
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning

SIZE = 24.0
TURN = transforms.rigid(np.radians(40.0), (40.0, -7.0))


def lattice(spacing: float = 1.0, hexagonal: bool = False) -> np.ndarray:
    step = spacing * (np.sqrt(3) / 2 if hexagonal else 1.0)
    row, column = (part.ravel() for part in np.indices((int(SIZE / step), int(SIZE / spacing))))
    return np.column_stack([spacing * (column + 0.5 * (row % 2) * hexagonal), step * row])


def signals(coordinates: np.ndarray) -> np.ndarray:
    """Three patterns of domains with sharp borders, none of them symmetric (n x 3)."""
    x, y = (coordinates / SIZE).T
    disc = (x - 0.3) ** 2 + (y - 0.65) ** 2 < 0.06
    band = np.abs(y - 0.25 - 0.15 * np.sin(7.0 * x)) < 0.1
    return np.column_stack([disc, band, x + 0.4 * y > 0.85]).astype(float)


def latents(coordinates: np.ndarray, modality: str, seed: int | list[int]) -> np.ndarray:
    """Ten dimensions: a modality's own mixture of the signals in noise."""
    mixture = np.random.default_rng([*modality.encode()]).normal(size=(3, 10))
    noise = np.random.default_rng([*np.atleast_1d(seed), *modality.encode()]).normal(size=(len(coordinates), 10))
    return (signals(coordinates) @ mixture + 0.8 * noise).astype(np.float32)


def pair(
    truth: np.ndarray, spacing: float = 1.0, hexagonal: bool = False, modality: str = "rna", cut: float = 0.15
) -> tuple[SectionFeatures, SectionFeatures, np.ndarray]:
    """Fixed section; moving section, placed by `truth`, with an edge cut off and fresh noise; its true coordinates."""
    still = lattice(hexagonal=hexagonal)
    true = lattice(spacing, hexagonal) + 0.2
    true = true[true[:, 0] >= cut * SIZE]
    fixed = SectionFeatures(still, {"rna": (latents(still, "rna", 1), True)})
    return fixed, SectionFeatures(transforms.apply(truth, true), {modality: (latents(true, modality, 2), True)}), true


def register(fixed: SectionFeatures, moving: SectionFeatures, **settings: Any) -> Registration:
    return prematch(fixed, moving, PrematchSettings(**settings))


def residual(found: Registration, moving: SectionFeatures, true: np.ndarray) -> float:
    return float(np.linalg.norm(transforms.apply(found.matrix, moving.points) - true, axis=1).mean())


@pytest.mark.parametrize("degrees", [0, 45, 90, 135, 180, 270])
def test_any_angle_with_a_missing_edge(degrees):
    """The outline is a square: only the tissue determines the angle."""
    fixed, moving, true = pair(transforms.rigid(np.radians(degrees), (31.0, -12.0)))
    found = register(fixed, moving)
    assert residual(found, moving, true) < 0.3
    assert found.method in ("evidence", "icp") and found.record["settled"]
    assert found.record["runner_up"] < 0.85 * found.score
    assert found.record["overlap"] > 0.95


@pytest.mark.parametrize(
    ("simulated", "settings"),
    [
        ({"hexagonal": True}, {}),
        ({"spacing": 0.7}, {}),
        ({"spacing": 1.6}, {}),
        ({"modality": "adt"}, {}),
        ({"factor": 2.0}, {"scale": True}),
        ({"factor": 0.01, "spacing": 0.8}, {"scale": True}),
        ({"reflect": True}, {"reflection": True}),
    ],
)
def test_lattices_modalities_scale_and_reflection(simulated, settings):
    factor, reflect = simulated.pop("factor", 1.0), simulated.pop("reflect", False)
    fixed, moving, true = pair(transforms.rigid(2.0, (5.0, 9.0), factor, reflect), **simulated)
    found = register(fixed, moving, **settings)
    assert residual(found, moving, true) < 0.5
    _, _, scale, reflected = transforms.decompose(found.matrix)
    assert reflected is reflect and scale == pytest.approx(1.0 / factor, rel=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_a_free_scale_does_not_shrink_either_section(seed):
    """Cross-prediction by the spots of one section alone makes it smaller, since uncovered spots cost nothing."""
    still, moved = lattice(), lattice() + 0.2
    sections = [
        SectionFeatures(transforms.apply(matrix, true), {"rna": (latents(true, "rna", [seed, number]), True)})
        for number, (true, matrix) in enumerate(((still, np.eye(3)), (moved, TURN)))
    ]
    there, back = (register(*order, scale=True) for order in (sections, sections[::-1]))
    scales = [transforms.decompose(one.matrix)[2] for one in (there, back)]
    assert scales == pytest.approx([1.0, 1.0], abs=0.04)
    assert residual(there, sections[1], moved) < 0.7


def test_never_mirrors_or_rescales_by_default():
    fixed, moving, _ = pair(transforms.rigid(1.0, (0.0, 0.0), 1.1, reflect=True))
    _, _, scale, reflected = transforms.decompose(register(fixed, moving).matrix)
    assert not reflected and scale == pytest.approx(1.0)


def test_moving_both_sections_moves_the_result():
    """The coordinate system does not matter: G on both sides turns T into G T G^-1."""
    fixed, moving, _ = pair(transforms.rigid(0.6, (3.0, 4.0)))
    change = transforms.rigid(1.1, (1e4, -3e3))
    there = [SectionFeatures(transforms.apply(change, side.points), side.features) for side in (fixed, moving)]
    expected = transforms.apply(change @ register(fixed, moving).matrix, moving.points)
    found = transforms.apply(register(*there).matrix, there[1].points)
    assert np.linalg.norm(found - expected, axis=1).mean() < 0.25


def test_units_and_order_of_spots_do_not_matter():
    fixed, moving, _ = pair(transforms.rigid(0.6, (3.0, 4.0)))
    first = transforms.apply(register(fixed, moving).matrix, moving.points)
    scaled = [SectionFeatures(137.0 * side.points, side.features) for side in (fixed, moving)]
    np.testing.assert_allclose(transforms.apply(register(*scaled).matrix, scaled[1].points) / 137.0, first, atol=0.02)
    order = np.random.default_rng(0).permutation(len(moving.points))
    shuffled = SectionFeatures(moving.points[order], {"rna": (moving.features["rna"][0][order], True)})
    found = transforms.apply(register(fixed, shuffled).matrix, shuffled.points)
    np.testing.assert_allclose(found, first[order], atol=0.02)


def test_same_result_every_time():
    fixed, moving, _ = pair(transforms.rigid(0.6, (3.0, 4.0)))
    first, second = register(fixed, moving), register(fixed, moving)
    assert np.array_equal(first.matrix, second.matrix)
    assert json.loads(json.dumps(first.record)) == second.record


def test_batch_effects_and_absent_spots_do_not_matter():
    """Other units of the latents, an offset, and a modality that half the spots lack."""
    fixed, moving, true = pair(transforms.rigid(2.5, (3.0, 4.0)))
    values = 40.0 * moving.features["rna"][0] + 7.0
    present = np.random.default_rng(0).random(len(values)) < 0.5
    found = register(fixed, SectionFeatures(moving.points, {"rna": (np.where(present[:, None], values, 0.0), present)}))
    assert residual(found, moving, true) < 0.5


@pytest.mark.parametrize("method", ["icp", "ndt"])
def test_coordinates_alone_on_an_outline_without_symmetry(method):
    fixed, moving, _ = pair(transforms.rigid(2.5, (3.0, 4.0)), cut=0.0)

    def tissue(coordinates: np.ndarray) -> np.ndarray:
        x, y = (coordinates / SIZE).T
        return (y > 0.9 * (x - 0.35) ** 2 + 0.05) & (y < 0.75 + 0.3 * x**2) & (x + y > 0.4)

    still, true = fixed.points[tissue(fixed.points)], lattice() + 0.2
    moved, true = moving.points[tissue(true)], true[tissue(true)]
    found = register(SectionFeatures(still, {}), SectionFeatures(moved, {}), method=method)
    assert residual(found, SectionFeatures(moved, {}), true) < 1.0
    assert found.method == method and found.record["decided_by"] == "shape"


def test_square_without_features_is_not_settled():
    fixed, moving, _ = pair(transforms.rigid(0.0, (3.0, 4.0)))
    with pytest.warns(InputWarning, match="not settled by shape"):
        found = register(SectionFeatures(fixed.points, {}), SectionFeatures(moving.points, {}))
    assert not found.record["settled"] and found.record["confidence"] < 0.95


def test_none_leaves_coordinates_alone():
    fixed, moving, _ = pair(transforms.rigid(1.0, (3.0, 4.0)))
    found = register(fixed, moving, method="none")
    assert np.array_equal(found.matrix, np.eye(3)) and found.method == "none"


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((2, 2)), "at least 3 spots"),
        (np.ones((9, 2)), "have the same coordinates"),
        (np.full((9, 2), np.nan), "no finite coordinates"),
        (np.zeros((9, 3)), "coordinates of the shape"),
    ],
)
def test_refused(points, message):
    with pytest.raises(InputError, match=message):
        register(SectionFeatures(lattice(), {}), SectionFeatures(points, {}))


def test_latents_of_another_number_of_spots_are_refused():
    with pytest.raises(InputError, match="modality 'rna'"):
        register(SectionFeatures(lattice(), {"rna": (np.zeros((3, 2)), True)}), SectionFeatures(lattice(), {}))


def test_spots_on_a_line_and_at_equal_coordinates():
    line = np.column_stack([np.arange(30.0), 2.0 * np.arange(30.0)])
    with pytest.warns(InputWarning, match="on one line"):
        found = register(SectionFeatures(line, {}), SectionFeatures(line + 7.0, {}))
    placed = transforms.apply(found.matrix, line + 7.0)
    np.testing.assert_allclose(np.sort(placed, axis=0), line, atol=1e-3)
    twice = np.vstack([lattice(), lattice()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        found = register(SectionFeatures(twice, {}), SectionFeatures(twice + 7.0, {}))
    placed = transforms.apply(found.matrix, twice + 7.0)
    np.testing.assert_allclose(np.sort(placed, axis=0), np.sort(twice, axis=0), atol=0.05)


@pytest.mark.parametrize("factor", [0.5, 10.0])
def test_coordinates_in_other_units_are_noticed(factor):
    fixed, moving, _ = pair(np.eye(3))
    other = SectionFeatures(factor * moving.points, moving.features)
    with pytest.warns(
        InputWarning, match=f"its spots {factor:.3g} times as far apart; if the units of coordinates differ"
    ):
        register(fixed, other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register(fixed, moving)
        found = register(fixed, other, scale=True)
    assert transforms.decompose(found.matrix)[2] == pytest.approx(1 / factor, rel=0.05)


def test_a_section_within_one_spot_of_the_other_is_refused():
    fixed, moving, _ = pair(np.eye(3))
    for one, other, where in ((fixed, moving, "moving"), (moving, fixed, "fixed")):
        small = SectionFeatures(other.points / 1000, other.features)
        order = (one, small) if where == "moving" else (small, one)
        with pytest.raises(InputError, match=f"{where} section: all of it is within 1 spots .* give --align_scale"):
            register(*order)


def test_spots_far_from_the_tissue_are_named():
    fixed, moving, _ = pair(np.eye(3))
    moving.points[5] = 1e6, -2e6
    with pytest.raises(InputError, match=r"moving section: its 480 spots are scattered .* at x 1e\+06, y -2e\+06"):
        register(fixed, moving)


def test_many_spots_are_pooled(monkeypatch):
    """With pooling to a fifth of the spots the result is still right to a fraction of a spot."""
    monkeypatch.setattr("spatialweave.alignment.prepared_section.MOST_SPOTS", 500)
    fixed, moving, true = pair(transforms.rigid(2.0, (3.0, 4.0)), spacing=0.5)
    assert residual(register(fixed, moving), moving, true) < 0.7
