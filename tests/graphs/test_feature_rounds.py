"""Feature graphs of latents averaged over spatial neighbours, against dense matrix powers and full sorts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from spatialweave.errors import InputError
from spatialweave.graphs.build import feature_distances
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.recipe import FeatureRecipe, read_recipe
from spatialweave.graphs.spatial import knn
from spatialweave.io.dataset import Modality
from spatialweave.io.notices import InputWarning


def tissue(n_spots: int = 240, n_sections: int = 2) -> tuple[Modality, sparse.csr_matrix, np.ndarray]:
    """Noisy latents at random coordinates in several sections, a tenth not measured; the undirected spatial graph."""
    rng = np.random.default_rng(0)
    coordinates = rng.random((n_spots, 2)) * 10
    sections = rng.integers(0, n_sections, n_spots)
    latent = np.sin(coordinates @ rng.normal(size=(2, 6))) + rng.normal(size=(n_spots, 6))
    present = rng.random(n_spots) > 0.1
    latent[~present] = 1e6
    return Modality("rna", latent.astype(np.float32), present), symmetrise(knn(coordinates, sections, 5)), sections


@pytest.mark.parametrize("rounds", [0, 1, 3])
@pytest.mark.parametrize("metric", ["correlation", "euclidean"])
def test_neighbours_are_those_of_dense_averages(rounds: int, metric: str) -> None:
    modality, graph, _ = tissue()
    here = np.flatnonzero(modality.present)
    step = graph.toarray()[np.ix_(here, here)] + np.eye(len(here))
    averages = np.linalg.matrix_power(step / step.sum(axis=1, keepdims=True), rounds) @ modality.latent[here]
    full = cdist(averages, averages, metric)
    np.fill_diagonal(full, np.inf)
    found = feature_distances(modality, FeatureRecipe(k=4, metric=metric, rounds=rounds), graph)
    degree = np.diff(found.indptr)
    assert set(degree[here]) == {4}
    assert degree.sum() == 4 * len(here)
    inside = found[here][:, here]
    for row, expected in enumerate(full):
        neighbours = slice(inside.indptr[row], inside.indptr[row + 1])
        np.testing.assert_allclose(inside.data[neighbours], expected[inside.indices[neighbours]], atol=1e-4)
        np.testing.assert_allclose(np.sort(inside.data[neighbours]), np.sort(expected)[:4], atol=1e-4)


@pytest.mark.parametrize("n_dims", [1, 2])
def test_of_one_or_two_dimensions_distances_are_euclidean(n_dims: int) -> None:
    """Two numbers have a correlation of 1 or -1, and one has none."""
    modality, graph, _ = tissue()
    narrow = replace(modality, latent=modality.latent[:, :n_dims])
    with pytest.warns(InputWarning, match=f"its latents have {n_dims} dimension.*: spots are compared by Euclidean"):
        found = feature_distances(narrow, FeatureRecipe(k=4, metric="correlation"), graph)
    assert (found != feature_distances(narrow, FeatureRecipe(k=4, metric="euclidean"), graph)).nnz == 0


def test_averages_do_not_cross_sections() -> None:
    modality, graph, sections = tissue()
    recipe = FeatureRecipe(k=4, rounds=2)
    before = feature_distances(modality, recipe, graph)
    other = np.flatnonzero(sections == 1)
    latent = modality.latent.copy()
    latent[other] += 1000
    moved = feature_distances(Modality("rna", latent, modality.present), recipe, graph)
    first = np.flatnonzero(sections == 0)
    inside = before[first][:, first].toarray()
    # With the other section far away every neighbour is in the spot's own section; earlier ones of it remain.
    assert (moved[first][:, first].toarray()[inside > 0] > 0).all()
    assert moved[first][:, other].nnz == 0


def test_order_of_spots_does_not_matter() -> None:
    modality, graph, _ = tissue()
    order = np.random.default_rng(1).permutation(graph.shape[0])
    recipe = FeatureRecipe(k=4, metric="correlation", rounds=2)
    shuffled = Modality("rna", modality.latent[order], modality.present[order])
    expected = feature_distances(modality, recipe, graph)[order]
    found = feature_distances(shuffled, recipe, graph[order][:, order])
    assert (np.diff(found.indptr) == np.diff(expected.indptr)).all()
    # Spots with the same neighbours have equal averages, so which of them is named is open; how far it is, is not.
    for row in range(len(order)):
        one, other = (np.sort(m.data[m.indptr[row] : m.indptr[row + 1]]) for m in (found, expected))
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("value", ["two", "-1", "1.5", "true", "21"])
def test_rounds_must_be_a_small_whole_number(tmp_path, value: str) -> None:
    path = tmp_path / "recipe.yml"
    path.write_text(f"spatial: {{kind: knn, k: 4}}\nfeatures: {{rounds: {value}}}\n")
    with pytest.raises(InputError, match="rounds"):
        read_recipe(path)
