"""The layout inferred from coordinates: lattices rotated, shifted, with spots missing and displaced."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialweave.io.layout import infer_layout


def lattice(kind: str, n: int) -> np.ndarray:
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    if kind == "square":
        return np.column_stack([i.ravel(), j.ravel()]).astype(float)
    return np.column_stack([(i + 0.5 * (j % 2)).ravel(), (j * np.sqrt(3) / 2).ravel()])


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["square", "hexagonal"]),
    angle=st.floats(0, 2 * np.pi),
    keep=st.floats(0.4, 1.0),
    scale=st.sampled_from([1e-3, 1.0, 137.0, 1e5]),
    jitter=st.floats(0, 0.06),
    seed=st.integers(0, 10_000),
)
def test_lattices(kind: str, angle: float, keep: float, scale: float, jitter: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = lattice(kind, 25)
    points = points[rng.random(len(points)) < keep]
    points = points + rng.normal(0, jitter, points.shape)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert infer_layout(scale * points @ turn + 1000 * scale) == kind


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(100, 2000))
def test_scattered_cells(seed: int, n: int) -> None:
    assert infer_layout(np.random.default_rng(seed).random((n, 2))) == "cells"


@pytest.mark.parametrize("n", [0, 1, 2, 8])
def test_too_few_spots_are_cells(n: int) -> None:
    assert infer_layout(np.random.default_rng(0).random((n, 2))) == "cells"


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
def test_a_lattice_of_nine_spots_is_enough(kind: str) -> None:
    assert infer_layout(lattice(kind, 3)) == kind


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
def test_spots_a_tenth_of_the_spacing_off_are_still_on_their_lattice(kind: str) -> None:
    for seed in range(5):
        points = lattice(kind, 30)
        assert infer_layout(points + np.random.default_rng(seed).normal(0, 0.1, points.shape)) == kind


def test_rows_and_columns_of_unequal_spacing_are_square() -> None:
    assert infer_layout(lattice("square", 20) * [1.0, 1.3]) == "square"
    assert infer_layout(lattice("square", 20) * [1.0, 2.5]) == "square"


def test_repeated_points_and_large_sections() -> None:
    points = lattice("hexagonal", 200)
    assert infer_layout(np.vstack([points, points[:50]])) == "hexagonal"


def test_real_sections(shared_data) -> None:
    import anndata

    expected = {
        "dbitseq_mouse_embryo/rna": "square",
        "dlpfc_visium/151507_rna": "hexagonal",
        "dlpfc_visium/151508_rna": "hexagonal",
        "starmap_mpfc/BZ5_rna": "cells",
        "mob_st/rna": "square",
        "stahl_breast_paste/slice1_rna": "square",
    }
    for name, layout in expected.items():
        data = anndata.read_h5ad(shared_data / f"{name}.h5ad", backed="r")
        assert infer_layout(data.obsm["spatial"]) == layout, name
