"""Shapes by geometry, neighbours by all permutations and by squidpy, and what spots are by hand."""

from __future__ import annotations

from itertools import permutations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.characterise.composition import composition
from spatialweave.characterise.neighbours import adjacency
from spatialweave.characterise.shapes import shapes, spot_areas
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.spatial import knn

SQUARE = np.stack(np.meshgrid(np.arange(60.0), np.arange(60.0)), -1).reshape(-1, 2)
HEXAGONAL = np.stack([SQUARE[:, 0] + 0.5 * (SQUARE[:, 1] % 2), SQUARE[:, 1] * np.sqrt(3) / 2], -1)
CELLS = np.random.default_rng(0).random((3600, 2)) * 60


def graph_of(points: np.ndarray, k: int) -> sparse.csr_matrix:
    return symmetrise(knn(points, np.full(len(points), "one"), k))


@pytest.mark.parametrize(
    ("points", "layout", "k"), [(SQUARE, "square", 4), (HEXAGONAL, "hexagonal", 6), (CELLS, "cells", 8)]
)
def test_a_disc(points: np.ndarray, layout: str, k: int) -> None:
    """A disc of radius 15 on any arrangement of spots, at any scale."""
    centre, radius = points.mean(axis=0), 15.0
    codes = (((points - centre) ** 2).sum(axis=1) < radius**2).astype(np.int64)
    found = shapes(points * 7, codes, 2, graph_of(points, k), layout)
    assert found.area[1] == pytest.approx(np.pi * (7 * radius) ** 2, rel=0.1)
    # Cells at random places: the count of crossings varies.
    assert found.border[1] == pytest.approx(2 * np.pi * 7 * radius, rel=0.2 if layout == "cells" else 0.1)
    assert found.border[0] == found.border[1]
    assert found.roundness[1] == pytest.approx(1.0, abs=0.02)
    assert found.pieces.tolist() == [1, 1] and found.spots[1] == codes.sum()


def test_pieces_and_a_long_band() -> None:
    """Two bands of 4 x 60 and 2 x 60 spots in one domain: the larger has two thirds of its spots."""
    codes = np.isin(SQUARE[:, 1], [10, 11, 12, 13, 30, 31]).astype(np.int64)
    found = shapes(SQUARE, codes, 3, graph_of(SQUARE, 4), "square")
    assert found.pieces.tolist() == [3, 2, 0] and found.largest_piece[1] == pytest.approx(2 / 3)
    # A rectangle a x b has a mean squared distance of (a^2 + b^2) / 12; the spots' discs are a little rounder.
    assert found.roundness[1] == pytest.approx(6 * 4 * 60 / (np.pi * (4**2 + 60**2)), rel=0.02)
    assert np.isnan(found.roundness[2]) and np.isnan(found.largest_piece[2]) and found.area[2] == 0


def test_areas_of_cells_sum_to_the_tissue() -> None:
    assert spot_areas(CELLS, "cells").sum() == pytest.approx(3600, rel=0.1)
    assert spot_areas(CELLS[:1], "cells").tolist() == [0.0]


def test_moments_are_those_of_all_permutations() -> None:
    points = np.random.default_rng(1).random((7, 2))
    graph = graph_of(points, 2)
    codes = np.array([0, 0, 0, 1, 1, 2, 2])
    dense = np.triu(graph.toarray() > 0)
    i, j = np.nonzero(dense)
    counts = []
    for order in set(permutations(codes.tolist())):
        own = np.array(order)
        table = np.zeros((3, 3))
        np.add.at(table, (own[i], own[j]), 1)
        counts.append(table + table.T - np.diag(np.diag(table)))
    found = adjacency(graph, codes, 3)
    np.testing.assert_allclose(found.expected, np.mean(counts, axis=0), atol=1e-12)
    np.testing.assert_allclose(found.variance, np.var(counts, axis=0), atol=1e-12)
    observed = np.zeros((3, 3))
    np.add.at(observed, (codes[i], codes[j]), 1)
    np.testing.assert_array_equal(found.observed, observed + observed.T - np.diag(np.diag(observed)))


@pytest.mark.filterwarnings("ignore")
def test_z_is_near_that_of_squidpys_permutations() -> None:
    squidpy = pytest.importorskip("squidpy")
    rng = np.random.default_rng(0)
    codes = ((SQUARE[:, 0] // 20) + rng.integers(0, 2, len(SQUARE))).astype(np.int64)
    graph = graph_of(SQUARE, 4)
    data = anndata.AnnData(np.zeros((len(SQUARE), 1)), obsm={"spatial": SQUARE})
    data.obs["domain"] = pd.Categorical(codes.astype(str))
    data.obsp["spatial_connectivities"] = graph.astype(np.float64)
    squidpy.gr.nhood_enrichment(data, "domain", n_perms=1000, seed=0, show_progress_bar=False)
    expected = data.uns["domain_nhood_enrichment"]["zscore"]
    np.testing.assert_allclose(adjacency(graph, codes, 4).z, expected, rtol=0.1, atol=0.5)


def test_sections_add_up_and_what_cannot_vary_has_no_z() -> None:
    graph = graph_of(SQUARE[:60], 2)
    codes = np.zeros(60, dtype=np.int64)
    one = adjacency(graph, codes, 2)
    assert np.isnan(one.z).all()
    assert (one + one).observed[0, 0] == 2 * one.observed[0, 0] == graph.nnz


def test_composition_by_hand() -> None:
    columns = {"label": np.array(["a", "a", "b", "", ""]), "meta_donor": np.array(["1", "2", "1", "1", "1"])}
    rows = list(composition(columns, np.array([0, 0, 0, 0, 1]), 2))
    assert [tuple(row.values()) for row in rows] == [
        (1, "label", "a", 2, 0.66667), (1, "label", "b", 1, 0.33333),
        (1, "meta_donor", "1", 3, 0.75), (1, "meta_donor", "2", 1, 0.25), (2, "meta_donor", "1", 1, 1.0),
    ]  # fmt: skip
