"""Feature neighbours against scikit-learn and scipy; matrices against torch_geometric; statistics by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import kneighbors_graph

from spatialweave.errors import InputError
from spatialweave.graphs import features, nearest
from spatialweave.graphs.matrices import (
    from_edges,
    gcn_normalise,
    mutual_only,
    rank_within_spot,
    row_normalise,
    structure,
    symmetrise,
    with_self,
)
from spatialweave.graphs.statistics import statistics_of
from spatialweave.io.notices import InputWarning


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(250, 6))


@pytest.mark.parametrize("metric", ["euclidean", "correlation"])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_knn_equals_scikit_learn(values, metric, offset):
    moved = values + offset
    found = features.feature_knn(moved, 7, metric)
    truth = kneighbors_graph(moved, 7, mode="distance", metric=metric)
    np.testing.assert_allclose(found.toarray(), truth.toarray(), atol=1e-7)


@pytest.mark.parametrize("n_constant", [1, 40, 245, 250])
def test_constant_rows_are_neighbours_by_correlation_only_where_others_are_few(values, n_constant):
    """Their distance is 1, as far as that of two unrelated rows, although they are near all others in space."""
    values[:n_constant] = 3.0
    found = features.feature_knn(values, 7, "correlation")
    with np.errstate(invalid="ignore"):
        distance = 1 - np.nan_to_num(np.corrcoef(values))
    np.fill_diagonal(distance, np.inf)
    for row in range(n_constant, 250):
        assert np.sort(found[row].data) == pytest.approx(np.sort(distance[row])[:7], abs=1e-7)
    assert (found[:n_constant].data == 1.0).all() and found.nnz == 250 * 7


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_scale_does_not_matter(values, scale):
    """Also where float32 cannot hold the squares."""
    found, expected = features.feature_knn(values * scale, 7), features.feature_knn(values, 7)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.data, expected.data * scale)


def test_nearest_in_another_set_equals_scipy(values):
    queries = np.random.default_rng(1).normal(size=(40, 6))
    target, distance = features.nearest_in(queries, values, 5)
    full = cdist(queries, values)
    np.testing.assert_array_equal(target, np.argsort(full, axis=1)[:, :5])
    np.testing.assert_allclose(distance, np.sort(full, axis=1)[:, :5])
    assert features.nearest_in(queries, values[:3], 5)[0].shape == (40, 3)


def test_ties_go_to_the_earlier_spot():
    found = features.feature_knn(np.array([[0.0], [1.0], [-1.0], [1.0], [2.0]]), 2)
    assert found[0].indices.tolist() == [1, 2]
    assert found[1].indices.tolist() == [0, 3]
    assert found[1].data.tolist() == [1.0, 0.0]


def test_inverted_file_search_finds_nearly_all(monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 20))[rng.integers(0, 6, 6000)] * 2 + rng.normal(size=(6000, 20))
    exact = features.feature_knn(values, 10)
    monkeypatch.setattr(nearest, "EXACT_LIMIT", 1000)
    monkeypatch.setattr(nearest, "POINTS_PER_LIST", 60)
    found = features.feature_knn(values, 10)
    assert (np.diff(found.indptr) == 10).all()
    assert common_edges(exact, found) / exact.nnz > 0.98
    # Fewer lists looked into: the index is in use, and incomplete lists are completed.
    monkeypatch.setattr(nearest, "LISTS_PROBED", 1)
    hasty = features.feature_knn(values, 59)
    assert (np.diff(hasty.indptr) == 59).all()
    assert common_edges(exact, hasty) / exact.nnz < 0.98


def common_edges(a: sparse.csr_matrix, b: sparse.csr_matrix) -> int:
    """Edges that both graphs have."""
    return (a > 0).multiply(b > 0).nnz


def test_mutual_neighbours_by_definition(values):
    other = np.random.default_rng(2).normal(size=(80, 6))
    full = cdist(values, other)
    near_other = np.argsort(full, axis=1)[:, :4]
    near_values = np.argsort(full, axis=0)[:4].T
    truth = [(i, j) for i in range(250) for j in near_other[i] if i in near_values[j]]
    assert features.mutual_nearest_neighbours(values, other, 4).tolist() == sorted(map(list, truth))


def test_mutual_only_keeps_distances():
    directed = from_edges(np.array([0, 1, 1, 2]), np.array([1, 0, 2, 0]), np.array([0.0, 0.0, 3.0, 4.0]), 3)
    kept = mutual_only(directed)
    assert kept.nnz == 2 and kept.data.tolist() == [0.0, 0.0]


def test_refusals_and_small_sets(values):
    with pytest.raises(InputError, match="cosine"):
        features.feature_knn(values, 3, "cosine")
    values[4, 2] = np.nan
    with pytest.raises(InputError, match="row 5"):
        features.feature_knn(values, 3)
    with pytest.warns(InputWarning, match="2 neighbours per spot instead of 5"):
        assert features.feature_knn(np.arange(3.0)[:, None], 5).nnz == 6
    constant = features.feature_knn(np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), 2, "correlation")
    assert constant.toarray()[0].tolist() == [0.0, 1.0, 1.0]


def test_symmetrise_keeps_edges_of_length_zero():
    directed = from_edges(np.array([0, 2]), np.array([1, 1]), np.array([0.0, 5.0]), 3)
    assert symmetrise(directed).toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_normalisations_equal_torch_geometric(values):
    torch = pytest.importorskip("torch")
    gcn_norm = pytest.importorskip("torch_geometric.nn.conv.gcn_conv").gcn_norm
    graph = symmetrise(features.feature_knn(values, 5))
    i, j = graph.nonzero()
    edge_index = torch.tensor(np.stack([i, j]))
    index, weight = gcn_norm(edge_index, num_nodes=250)
    truth = sparse.coo_matrix((weight.numpy(), index.numpy()), shape=(250, 250)).toarray()
    np.testing.assert_allclose(gcn_normalise(graph).toarray(), truth, atol=1e-6)


def test_gcn_normalise_of_one_edge_and_an_isolated_spot():
    graph = sparse.csr_matrix(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(gcn_normalise(graph).toarray(), [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])


def test_row_normalise_averages_and_leaves_empty_rows():
    matrix = sparse.csr_matrix(np.array([[0.0, 1.0, 3.0], [0, 0, 0], [2, 0, 0]]))
    assert row_normalise(matrix).toarray().tolist() == [[0, 0.25, 0.75], [0, 0, 0], [1, 0, 0]]


def test_statistics_by_hand():
    # 0 -> 1 (length 1), 1 -> 0 (length 1), 2 -> 1 (length 4); spot 3 is alone.
    directed = from_edges(np.array([0, 1, 2]), np.array([1, 0, 1]), np.array([1.0, 1.0, 4.0]), 4)
    assert statistics_of(directed, symmetrise(directed)) == pytest.approx(
        {
            "spots": 4, "directed_edges": 3, "edges": 2, "degree_min": 0, "degree_median": 1.0, "degree_mean": 1.0,
            "degree_max": 2, "isolated_spots": 1, "components": 2, "largest_component_share": 0.75,
            "one_way_share": 1 / 3, "median_edge_length": 1.0,
        }
    )  # fmt: skip


def test_structure_keeps_stored_zeros_and_chosen_columns():
    matrix = sparse.csr_matrix((np.array([3.0, 0.0, -1.0]), np.array([1, 2, 0]), np.array([0, 2, 3, 3])), shape=(3, 3))
    assert structure(matrix).toarray().tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert structure(matrix, np.array([True, True, False])).toarray().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_with_self_is_the_union_and_the_diagonal():
    one = sparse.csr_matrix(np.array([[0, 5, 0], [0, 0, 0], [0, 0, 2.0]]))
    other = sparse.csr_matrix(np.array([[0, 1, 0], [0, 0, 0], [7.0, 0, 0]]))
    assert (with_self(one) != 0).toarray().tolist() == [[True, True, False], [False, True, False], [False, False, True]]
    both = with_self(one, other)
    assert (both != 0).toarray().tolist() == [[True, True, False], [False, True, False], [True, False, True]]
    assert (both.data > 0).all()


def test_nearest_equals_scipy_and_finds_the_query_itself(values):
    points = values.astype(np.float32)
    distance = cdist(points, points, "sqeuclidean")
    indices, squared = nearest.nearest(points, points, 6)
    np.testing.assert_array_equal(indices, np.argsort(distance, axis=1)[:, :6])
    np.testing.assert_allclose(squared, np.sort(distance, axis=1)[:, :6], atol=1e-4)
    assert (indices[:, 0] == np.arange(len(points))).all() and squared.min() >= 0


def test_rank_within_spot_by_hand() -> None:
    assert rank_within_spot(np.array([0, 0, 2, 3, 3, 3])).tolist() == [0, 1, 0, 0, 1, 2]
    assert rank_within_spot(np.array([], dtype=np.int64)).tolist() == []
