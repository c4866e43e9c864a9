"""The UMAP of an embedding, against scikit-learn and dense distances."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from spatialweave.results import projection


def test_umap_is_deterministic_and_keeps_clusters_apart() -> None:
    rng = np.random.default_rng(0)
    cluster = np.repeat([0, 1], 40)
    points = rng.normal(size=(80, 6)) + 20 * cluster[:, None]
    first, again, other = (projection.project(points, seed) for seed in (0, 0, 1))
    assert first is not None and again is not None and other is not None
    assert (first == again).all() and (first != other).any()
    centres = np.array([first[cluster == k].mean(axis=0) for k in range(2)])
    nearest = np.argmin(np.linalg.norm(first[:, None] - centres[None], axis=2), axis=1)
    assert (nearest == cluster).all()


def test_umap_keeps_neighbourhoods() -> None:
    rng = np.random.default_rng(1)
    along, across = rng.uniform(0, 3 * np.pi, 400), rng.uniform(0, 4, 400)
    sheet = np.column_stack([along * np.cos(along), across, along * np.sin(along), np.zeros(400)])
    projected = projection.project(sheet + rng.normal(scale=0.05, size=sheet.shape))
    assert projected is not None and projected.dtype == np.float32
    assert trustworthiness(sheet, projected, n_neighbors=10) > 0.95


@pytest.mark.parametrize(("n_spots", "n_dims"), [(4, 3), (5, 1), (15, 2), (16, 2)])
def test_umap_of_few_spots_or_dimensions(n_spots: int, n_dims: int) -> None:
    projected = projection.project(np.random.default_rng(2).normal(size=(n_spots, n_dims)))
    assert projected is not None
    assert projected.shape == (n_spots, 2) and np.isfinite(projected).all()


def test_no_umap_without_neighbourhoods() -> None:
    assert projection.project(np.zeros((50, 3))) is None
    assert projection.project(np.eye(3)) is None
    assert projection.project(np.array([[0.0], [1], [2], [np.nan]])) is None


def test_nearest_points_leave_out_the_point_itself() -> None:
    # Three points coincide, so that a point is not always the first of its own neighbours.
    points = np.random.default_rng(3).normal(size=(30, 4)).astype(np.float32)
    points[[7, 19]] = points[2]
    indices, distances = projection._nearest(points, 6)
    dense = np.linalg.norm(points[:, None].astype(float) - points[None], axis=2)
    np.testing.assert_allclose(distances, np.sort(dense + np.diag(np.full(30, np.inf)), axis=1)[:, :6], atol=1e-3)
    np.testing.assert_allclose(distances, np.take_along_axis(dense, indices, axis=1), atol=1e-3)
    assert (indices != np.arange(30)[:, None]).all()


def test_umap_starts_from_the_principal_components() -> None:
    points = np.random.default_rng(4).normal(size=(60, 5)) * [1, 5, 2, 1, 1]
    start = projection._start(points.astype(np.float32), 0)
    expected = PCA(2).fit_transform(points)
    expected *= 10 / np.abs(expected).max()
    signs = np.sign((start * expected).sum(axis=0))
    np.testing.assert_allclose(start * signs, expected, atol=1e-3)


@pytest.mark.parametrize(("n_spots", "n_runs", "expected"), [(1296, 10, 1296), (50_000, 1, 20_000), (50_000, 10, 6000)])
def test_umap_subset_is_bounded(n_spots: int, n_runs: int, expected: int) -> None:
    chosen = projection.choose_spots(n_spots, n_runs)
    assert len(chosen) == expected == len(np.unique(chosen))
