"""Pre-matching of simulated sections of cells: left where they lie, found where they were moved, or not settled."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA

from spatialweave import simulate
from spatialweave.alignment import transforms
from spatialweave.alignment.prematch import Registration, SectionFeatures, prematch
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.io.notices import InputWarning


def pair(seed: int, rotation: float = 0.0, shift: tuple[float, float] = (0.0, 0.0), bend: float = 0.0):
    """Both sections, their labels, and the transform that an alignment should find."""
    spec = simulate.SERIES["cells_pair"]
    first, second = spec.sections
    moved = replace(second, rotation=rotation, shift=shift, bend=bend)
    sections = simulate.simulate_series(replace(spec, sections=(first, moved)), seed)
    data = [part["rna"] for part in sections.values()]
    counts = np.vstack([one.X.toarray() for one in data])
    depth = counts.sum(axis=1, keepdims=True)
    latents = PCA(30, random_state=0).fit_transform(np.log1p(counts / np.maximum(depth, 1) * np.median(depth)))
    halves = np.split(latents.astype(np.float32), [data[0].n_obs])
    parts = [
        SectionFeatures(np.asarray(one.obsm["spatial"]), {"rna": (half, True)})
        for one, half in zip(data, halves, strict=True)
    ]
    labels = [one.obs["label"].to_numpy() for one in data]
    return parts, labels, simulate.between(spec.tissue, first, moved)


def register(fixed: SectionFeatures, moving: SectionFeatures) -> Registration:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        return prematch(fixed, moving, PrematchSettings())


def agreement(parts: list[SectionFeatures], labels: list[np.ndarray], matrix: np.ndarray) -> float:
    """Fraction of moving cells whose nearest fixed cell has the same label."""
    _, nearest = cKDTree(parts[0].points).query(transforms.apply(matrix, parts[1].points))
    return float((labels[0][nearest] == labels[1]).mean())


@pytest.mark.parametrize(("seed", "bend"), [(0, 0.0), (3, 0.0), (4, 0.0), (2, 1.0)])
def test_sections_that_lie_registered_stay(seed, bend):
    """Searches for the best cross-prediction alone end up to two spacings away, or upside down, on these seeds."""
    parts, labels, _ = pair(seed, bend=bend)
    found = register(*parts)
    assert agreement(parts, labels, found.matrix) >= agreement(parts, labels, np.eye(3)) - 0.01
    assert found.method == "identity" and np.array_equal(found.matrix, np.eye(3))
    assert found.record["settled"] and found.record["confidence_over_identity"] is None


@pytest.mark.parametrize(
    ("rotation", "shift"), [(25.0, (6.0, -9.0)), (180.0, (0.0, 0.0)), (0.0, (0.0, 3.0)), (0.0, (1e4, -2e3))]
)
def test_moved_sections_are_found(rotation, shift):
    """Turned, upside down, three spacings across the layers, and on another part of the slide."""
    parts, labels, truth = pair(1, rotation, shift)
    found = register(*parts)
    off = transforms.apply(found.matrix, parts[1].points) - transforms.apply(truth, parts[1].points)
    assert np.linalg.norm(off, axis=1).mean() < 0.5
    assert agreement(parts, labels, found.matrix) >= agreement(parts, labels, truth) - 0.01
    assert found.record["settled"] and found.record["confidence_over_identity"] >= 0.95


def test_features_without_tissue_do_not_settle():
    """Latents of shuffled cells: the outline, a rectangle, fits upside down as well."""
    parts, _, _ = pair(0)
    order = np.random.default_rng(0).permutation(len(parts[1].points))
    shuffled = SectionFeatures(parts[1].points, {"rna": (parts[1].features["rna"][0][order], True)})
    with pytest.warns(InputWarning) as said:
        found = prematch(parts[0], shuffled, PrematchSettings())
    assert any("is not settled by shape" in str(one.message) for one in said)
    assert not found.record["settled"] and 0.05 < found.record["confidence"] < 0.95


def test_the_same_every_time_whatever_was_drawn_before():
    parts, _, _ = pair(1, 25.0, (6.0, -9.0))
    first = register(*parts)
    np.random.seed(7)  # noqa: NPY002
    second = register(*parts)
    assert np.array_equal(first.matrix, second.matrix) and first.record == second.record
