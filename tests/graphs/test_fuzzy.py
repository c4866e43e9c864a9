"""Weights of a graph of nearest neighbours: those of umap-learn."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy
from anndata import AnnData

from spatialweave.graphs.features import feature_knn
from spatialweave.graphs.fuzzy import fuzzy_connectivities


@pytest.mark.parametrize("same", [0, 3, 40])
def test_they_are_those_of_scanpy(same: int) -> None:
    """Also where some spots have neighbours in the same place, or all of their neighbours there."""
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=(200, 5)), rng.normal(size=(100, 5)) * 0.1 + 4]).astype(np.float32)
    values[:same] = values[0]
    data = AnnData(values)
    scanpy.pp.neighbors(data, n_neighbors=15, use_rep="X", transformer="sklearn")
    found = fuzzy_connectivities(feature_knn(values, 14))
    expected = data.obsp["connectivities"]
    # Of neighbours equally far, those of scanpy may be others.
    different = np.abs(found - expected).toarray()[same:, same:]
    assert different.max() < 1e-4
    assert (found != found.T).nnz == 0 and found.data.max() <= 1


def test_a_spot_and_its_only_neighbour() -> None:
    found = fuzzy_connectivities(feature_knn(np.array([[0.0], [1.0], [5.0]]), 1)).toarray()
    np.testing.assert_allclose(found, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
