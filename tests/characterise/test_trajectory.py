"""PAGA and diffusion pseudotime along trajectories that are known."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy
from scipy.stats import spearmanr
from sklearn.metrics import pairwise_distances

from spatialweave.characterise import trajectory
from spatialweave.characterise.trajectory import embedding_graph, paga_connectivities, pseudotime
from spatialweave.io.notices import InputWarning


def horseshoe(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points along three quarters of a circle in five dimensions, whose ends are nearer than its middle; and where."""
    rng = np.random.default_rng(seed)
    along = rng.random(n)
    angle = 1.5 * np.pi * along
    points = np.zeros((n, 5))
    points[:, :2] = 10 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (points + rng.normal(scale=0.3, size=points.shape)).astype(np.float32), along


def test_pseudotime_follows_a_curve_from_the_root() -> None:
    embedding, along = horseshoe(1500)
    codes = (along * 5).astype(np.int64)
    graph = embedding_graph(embedding, seed=1)
    for root, truth in ((0, along), (4, 1 - along)):
        found = pseudotime(graph, embedding, codes, root)
        assert found is not None and found.root == root
        assert spearmanr(found.values, truth).statistic > 0.995
        assert found.values.min() == 0 and found.values.max() == 1
    # From the middle both ways.
    middle = pseudotime(graph, embedding, codes, 2)
    assert middle is not None and abs(spearmanr(middle.values, along).statistic) < 0.9


def test_it_is_scanpys_where_no_eigenvalue_is_near_one() -> None:
    rng = np.random.default_rng(0)
    embedding = np.concatenate([rng.normal(size=(200, 4)), rng.normal(size=(100, 4)) + 2]).astype(np.float32)
    codes = np.repeat([0, 1], [200, 100])
    graph = embedding_graph(embedding, seed=0)
    found = pseudotime(graph, embedding, codes, 0)
    assert found is not None
    data = graph.data
    scanpy.tl.diffmap(data, n_comps=10, random_state=0)
    assert data.uns["diffmap_evals"][1] < 0.99
    data.uns["iroot"] = int(np.argmin(found.values))
    scanpy.tl.dpt(data, n_dcs=10)
    np.testing.assert_allclose(found.values, data.obs["dpt_pseudotime"], rtol=1e-3, atol=1e-3)


def test_the_root_is_a_tip_where_none_is_given() -> None:
    embedding, along = horseshoe(1500)
    codes = np.array([3, 1, 0, 2, 4])[(along * 5).astype(np.int64)]
    found = pseudotime(embedding_graph(embedding, seed=1), embedding, codes)
    assert found is not None and found.root in (3, 4)
    assert abs(spearmanr(found.values, along).statistic) > 0.99


def test_spots_outside_the_subset_have_that_of_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajectory, "GRAPH_SPOTS", 800)
    monkeypatch.setattr(trajectory, "LENDERS", 400)
    embedding, along = horseshoe(4000)
    codes = (along * 5).astype(np.int64)
    graph = embedding_graph(embedding, seed=1)
    assert len(graph.rows) == 800
    found = pseudotime(graph, embedding, codes, 0)
    assert found is not None and np.isfinite(found.values).all()
    outside = np.setdiff1d(np.arange(4000), graph.rows)
    assert spearmanr(found.values[outside], along[outside]).statistic > 0.99
    again = pseudotime(embedding_graph(embedding, seed=1), embedding, codes, 0)
    assert again is not None
    np.testing.assert_array_equal(found.values, again.values)


def test_what_nothing_joins_to_the_root_has_no_pseudotime() -> None:
    """A second cloud far away; the default root is in the larger piece, whatever the other looks like."""
    embedding, along = horseshoe(600)
    apart = embedding[:100] * 0.01 + 1000
    points, codes = np.concatenate([embedding, apart]), np.repeat([0, 1, 2], [300, 300, 100])
    codes[:600] = along > 0.5
    graph = embedding_graph(points, seed=0)
    found = pseudotime(graph, points, codes)
    assert found is not None and found.root in (0, 1)
    assert np.isnan(found.values[600:]).all() and np.isfinite(found.values[:600]).all()
    with pytest.warns(InputWarning, match="domain 3 is not connected"):
        assert pseudotime(graph, points, codes, 2) is None


def test_nor_has_it_outside_the_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajectory, "GRAPH_SPOTS", 400)
    monkeypatch.setattr(trajectory, "LENDERS", 300)
    embedding, along = horseshoe(600)
    points = np.concatenate([embedding, embedding[:300] * 0.01 + 1000])
    found = pseudotime(
        embedding_graph(points, seed=0), points, np.concatenate([along > 0.5, np.full(300, 2)]).astype(int)
    )
    assert found is not None
    assert np.isnan(found.values[600:]).all() and np.isfinite(found.values[:600]).all()


def test_without_enough_spots_or_domains_there_is_none() -> None:
    embedding, along = horseshoe(60)
    assert pseudotime(embedding_graph(embedding[:40], 0), embedding[:40], (along[:40] > 0.5).astype(int)) is None
    assert pseudotime(embedding_graph(embedding, 0), embedding, np.zeros(60, dtype=int)) is None
    assert paga_connectivities(embedding_graph(embedding[:2], 0), np.array([0, 1]), 2).tolist() == [[0, 0], [0, 0]]


def test_a_root_that_does_not_exist_is_noticed() -> None:
    embedding, along = horseshoe(200)
    with pytest.warns(InputWarning, match="there is no domain 7"):
        assert pseudotime(embedding_graph(embedding, 0), embedding, (along > 0.5).astype(int), 6) is not None


def test_paga_joins_what_is_near_in_the_embedding() -> None:
    """Three clouds on a line; the first two overlap. Domain 1 has no spots."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 2, 3], 80)
    embedding = rng.normal(size=(240, 3)) + np.array([0.0, 1.5, 30.0])[np.repeat([0, 1, 2], 80)][:, None]
    found = paga_connectivities(embedding_graph(embedding, 0), codes, 4)
    assert found[0, 2] == found[2, 0] > 0.2 and found[0, 3] == found[2, 3] == 0 and not found[1].any()
    np.testing.assert_array_equal(found, paga_connectivities(embedding_graph(embedding, 0), codes, 4))
    assert pairwise_distances(embedding[:80], embedding[160:]).min() > 10
