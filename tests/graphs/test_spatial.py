"""Spatial graphs against scikit-learn, squidpy, torch_geometric, scipy and hand-made lattices."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay
from sklearn.neighbors import kneighbors_graph, radius_neighbors_graph

from spatialweave.errors import InputError
from spatialweave.graphs import spatial
from spatialweave.graphs.matrices import edges
from spatialweave.io.notices import InputWarning


def grid(side: int) -> np.ndarray:
    """side x side points one apart, row by row."""
    return np.stack(np.meshgrid(np.arange(float(side)), np.arange(float(side))), -1).reshape(-1, 2)


def one_section(points: np.ndarray) -> np.ndarray:
    return np.zeros(len(points), dtype=int)


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).random((300, 2)) * 50


def test_knn_equals_scikit_learn(points):
    found = spatial.knn(points, one_section(points), 6)
    truth = kneighbors_graph(points, 6, mode="distance")
    np.testing.assert_allclose(found.toarray(), truth.toarray())
    assert found.has_sorted_indices


def test_one_neighbour_is_the_nearest(points):
    truth = kneighbors_graph(points, 1, mode="distance")
    np.testing.assert_allclose(spatial.knn(points, one_section(points), 1).toarray(), truth.toarray())


def test_spacing_by_hand():
    assert spatial.spacing(np.array([[0.0, 0.0], [3.0, 4.0]])) == 5.0
    assert spatial.spacing(np.array([[1.0, 2.0], [1.0, 2.0]])) == 0.0
    # Nearest others: 1, 1, 2, 4; a repeated spot counts once.
    assert spatial.spacing(np.array([[0.0, 0], [1, 0], [3, 0], [7, 0], [7, 0]])) == 1.5


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_ties_do_not_depend_on_the_unit_of_the_coordinates(unit):
    """The last digits of a lattice's distances differ in any unit; ties are ties nevertheless."""
    plain = spatial.knn(grid(9), one_section(grid(9)), 4)
    found = spatial.knn((grid(9) + 1 / 3) * unit * np.pi, one_section(grid(9)), 4)
    np.testing.assert_array_equal(found.indices, plain.indices)


def test_radius_equals_scikit_learn(points):
    found = spatial.radius(points, one_section(points), 2.5)
    truth = radius_neighbors_graph(points, 2.5 * spatial.spacing(points), mode="distance")
    np.testing.assert_allclose(found.toarray(), truth.toarray())


def test_radius_includes_spots_on_it():
    degree = np.diff(spatial.radius(grid(5) * 0.1, one_section(grid(5)), 1.0).indptr)
    assert np.bincount(degree).tolist() == [0, 0, 4, 12, 9]


def test_radius_too_large():
    points = np.random.default_rng(0).random((1200, 2))
    with pytest.raises(InputError, match=r"1199 neighbours per spot.*smaller radius"):
        spatial.radius(points, one_section(points), 900.0)


def test_delaunay_equals_scipy(points, monkeypatch):
    monkeypatch.setattr(spatial, "LONG_EDGE", np.inf)
    starts, targets = Delaunay(points).vertex_neighbor_vertices
    found = spatial.delaunay(points, one_section(points))
    for spot in range(len(points)):
        assert set(found[spot].indices) == set(targets[starts[spot] : starts[spot + 1]])


def test_delaunay_cuts_bridges():
    """Two clouds far apart: the triangulation joins them, the graph does not."""
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.random((60, 2)), rng.random((60, 2)) + np.array([30, 0])])
    i, j = edges(spatial.delaunay(points, one_section(points)))
    assert ((i < 60) == (j < 60)).all()


@pytest.mark.parametrize(("gap", "joined"), [(2.5, True), (3.6, False)])
def test_delaunay_cuts_edges_of_more_than_three_median_edges(gap, joined):
    points = np.concatenate([grid(5), grid(5) + np.array([4 + gap, 0.0])])
    points += np.random.default_rng(0).normal(0, 0.01, points.shape)
    i, j = edges(spatial.delaunay(points, one_section(points)))
    assert ((i < 25) != (j < 25)).any() == joined


def test_delaunay_joins_duplicates_to_the_first_at_their_coordinates():
    points = np.concatenate([grid(3), [[1.0, 1.0], [1.0, 1.0]]])
    found = spatial.delaunay(points, one_section(points))
    assert found[9].indices.tolist() == [4] and found[10].indices.tolist() == [4]
    assert found[9].data.tolist() == [0.0]


def test_delaunay_of_a_line():
    points = np.column_stack([np.arange(5.0), np.zeros(5)])
    with pytest.warns(InputWarning, match="no triangulation"):
        found = spatial.delaunay(points, one_section(points))
    assert (found != found.T).nnz == 0
    # An end spot's two nearest are 1 and 2 away, and edges count both ways.
    assert found[2].indices.tolist() == [0, 1, 3, 4]


def test_squidpy_agrees(points):
    ad = pytest.importorskip("anndata")
    sq = pytest.importorskip("squidpy")
    data = ad.AnnData(obsm={"spatial": points})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.spatial_neighbors(data, n_neighs=8, coord_type="generic")
    truth = data.obsp["spatial_distances"]
    np.testing.assert_allclose(spatial.knn(points, one_section(points), 8).toarray(), truth.toarray())


def test_lattice_ties_by_hand():
    """A corner of a 3 x 3 lattice: two touching spots, one diagonal, then two at distance 2: lower x wins."""
    found = spatial.knn(grid(3), one_section(grid(3)), 4)
    # Spot 0 is (0, 0), 6 is (0, 2), 2 is (2, 0).
    assert found[0].indices.tolist() == [1, 3, 4, 6]
    # Spot 1 is (1, 0): three touching (0, 2, 4), then diagonals 3 (0, 1) and 5 (2, 1).
    assert found[1].indices.tolist() == [0, 2, 3, 4]
    assert np.bincount(np.diff(spatial.knn(grid(36), one_section(grid(36)), 4).indptr)).tolist() == [0] * 4 + [1296]


def test_hexagonal_interior_has_the_six_that_touch():
    rows, columns = np.divmod(np.arange(400), 20)
    points = np.column_stack([columns + 0.5 * (rows % 2), rows * np.sqrt(3) / 2]) * 137.0
    found = spatial.knn(points, one_section(points), 6)
    inner = (rows > 0) & (rows < 19) & (columns > 0) & (columns < 19)
    np.testing.assert_allclose(found[inner].data, 137.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.booleans())
def test_order_of_spots_does_not_matter(seed, k, lattice):
    rng = np.random.default_rng(seed)
    points = grid(6) if lattice else rng.random((36, 2))
    order = rng.permutation(36)
    plain = spatial.knn(points, one_section(points), k)
    shuffled = spatial.knn(points[order], one_section(points), k)
    np.testing.assert_array_equal(plain[order][:, order].toarray() > 0, shuffled.toarray() > 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 6.3), st.floats(-1e4, 1e4), st.sampled_from(["knn", "radius", "delaunay"]))
def test_rotation_and_shift_do_not_matter(seed, angle, shift, kind):
    points = np.random.default_rng(seed).random((40, 2)) * 10
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    build = {
        "knn": lambda p: spatial.knn(p, one_section(p), 5),
        "radius": lambda p: spatial.radius(p, one_section(p), 1.7),
        "delaunay": lambda p: spatial.delaunay(p, one_section(p)),
    }[kind]
    np.testing.assert_array_equal(build(points).toarray() > 0, build(points @ turn + shift).toarray() > 0)


@pytest.mark.parametrize("build", [lambda p, s: spatial.knn(p, s, 3), lambda p, s: spatial.radius(p, s, 1.5),
                                   spatial.delaunay])  # fmt: skip
def test_sections_never_touch(build):
    rng = np.random.default_rng(2)
    points, section = rng.random((90, 2)), rng.permutation(np.repeat(["a", "b", "c"], 30))
    whole = build(points, section)
    i, j = edges(whole)
    assert (section[i] == section[j]).all()
    for name in "abc":
        rows = section == name
        alone = build(points[rows], section[rows])
        np.testing.assert_allclose(whole[rows][:, rows].toarray(), alone.toarray())


def test_duplicates_are_neighbours_at_distance_zero():
    points = np.repeat([[0.0, 0.0], [5.0, 0.0]], 3, axis=0)
    found = spatial.knn(points, one_section(points), 2)
    assert found.nnz == 12 and not found.data.any()
    assert found[1].indices.tolist() == [0, 2]
    assert found[5].indices.tolist() == [3, 4]


def test_many_spots_at_one_point_still_have_k_others():
    points = np.zeros((3000, 2))
    found = spatial.knn(points, one_section(points), 4)
    i, j = edges(found)
    assert (np.diff(found.indptr) == 4).all() and (i != j).all()


def test_fewer_spots_than_neighbours():
    with pytest.warns(InputWarning, match="section 'x': 2 neighbours per spot instead of 6: it has 3 spots"):
        found = spatial.knn(np.array([[0.0, 0], [1, 0], [3, 0]]), np.array(["x"] * 3), 6)
    assert np.diff(found.indptr).tolist() == [2, 2, 2]
    with pytest.warns(InputWarning, match="2 neighbours per spot instead of 3"):
        assert spatial.knn(np.array([[0.0, 0], [1, 0], [3, 0]]), np.array(["x"] * 3), 3).nnz == 6
    with pytest.warns(InputWarning):
        assert spatial.knn(np.zeros((1, 2)), np.array(["x"]), 6).nnz == 0


def test_coordinates_that_are_not_finite():
    with pytest.raises(InputError, match="spot 2"):
        spatial.knn(np.array([[0.0, 0], [np.nan, 0], [3, 0]]), np.zeros(3), 1)


def test_reverse_degrees_on_the_square_lattice_stay_near_four():
    """The known facts of a 36 x 36 lattice with k = 4: 5184 edges; the interior is listed by four."""
    found = spatial.knn(grid(36), one_section(grid(36)), 4)
    listed = np.bincount(found.indices, minlength=1296).reshape(36, 36)
    assert found.nnz == 5184
    assert (listed[2:-2, 2:-2] == 4).all()
