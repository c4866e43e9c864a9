"""Simulated sections of cells: no lattice, gaps, blended layers, and labels of the sharp ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from spatialweave import simulate
from spatialweave.errors import InputError
from spatialweave.simulate import SERIES, CountModel, Tissue
from spatialweave.simulate.cells import LEAST_DISTANCE, cell_coordinates
from spatialweave.simulate.tissue import domain_shares

SIZE = np.array([30.0, 50.0])
LAYERS = Tissue(50, 30, "layers", 6, 1.0, {"rna": CountModel(60, mean=4.0, dispersion=2.0)}, blend=2.0)


def test_cells_keep_their_distance_and_leave_gaps() -> None:
    cells = cell_coordinates(SIZE, 1500, np.random.default_rng(0))
    assert cells.shape == (1500, 2) and (cells >= 0).all() and (cells <= SIZE).all()
    nearest = cKDTree(cells).query(cells, k=2)[0][:, 1]
    assert nearest.min() >= LEAST_DISTANCE and nearest.std() > 0.05
    # Where a cell could still lie: a lattice of this density would leave nowhere as far as 0.71 from its spots.
    corners = np.random.default_rng(1).uniform(1.0, SIZE - 1.0, (20_000, 2))
    assert cKDTree(cells).query(corners)[0].max() > 1.1
    # Cells are as dense everywhere.
    counts, *_ = np.histogram2d(*cells.T, bins=[3, 5], range=[[0, 30], [0, 50]])
    assert counts.min() > 80 and counts.max() < 120


def test_the_earlier_of_two_close_points_stays() -> None:
    """The rule one point at a time, on the same draws."""
    points = np.random.default_rng(3).uniform(0.0, 1.0, (6 * 60, 2)) * SIZE
    distance, kept = LEAST_DISTANCE * np.sqrt(SIZE.prod() / 60), []
    for point in points:
        if all(np.linalg.norm(point - other) > distance for other in kept):
            kept.append(point)
    np.testing.assert_array_equal(cell_coordinates(SIZE, 60, np.random.default_rng(3)), kept[:60])


def test_shares_blend_across_borders_and_nowhere_else() -> None:
    """Halfway at a border, whole in the middle of a layer, and one domain's where nothing blends."""
    depths = np.linspace(-0.5, 49.5, 5001)
    points = np.column_stack([np.full(5001, 7.0), depths])
    domains, shares = simulate.domains_at(LAYERS, points), domain_shares(LAYERS, points)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    border = np.flatnonzero(np.diff(domains) > 0)[0]
    first, second = domains[border], domains[border + 1]
    np.testing.assert_allclose(shares[border, [first, second]], 0.5, atol=0.01)
    assert (shares.argmax(axis=1) == domains).mean() > 0.98
    sharp = domain_shares(replace(LAYERS, blend=0.0), points)
    np.testing.assert_array_equal(sharp.argmax(axis=1), domains)
    assert set(np.unique(sharp)) == {0.0, 1.0}


def test_the_pair_of_cells_is_registered_and_unequal() -> None:
    spec = SERIES["cells_pair"]
    sections = simulate.simulate_series(spec, seed=1)
    first, second = (sections[name]["rna"] for name in ("section1", "section2"))
    assert (first.n_obs, second.n_obs) == (1525, 2042) and first.n_vars == 80
    for data in (first, second):
        np.testing.assert_array_equal(data.obsm["spatial"], data.obsm["spatial_true"])
        assert data.obs_names.is_unique and data.obs["label"].nunique() == 6
        assert data.X.nnz / np.prod(data.shape) < 0.35
    _, nearest = cKDTree(first.obsm["spatial"]).query(second.obsm["spatial"])
    assert (first.obs["label"].to_numpy()[nearest] == second.obs["label"].to_numpy()).mean() > 0.95
    np.testing.assert_allclose(simulate.between(spec.tissue, *spec.sections), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("change", [{"blend": -1.0}, {"pattern": "blocks", "n_domains": 5}])
def test_a_blend_that_makes_no_sense_is_refused(change: dict) -> None:
    with pytest.raises(InputError, match="blend"):
        simulate.simulate(replace(LAYERS, **change), seed=0)
