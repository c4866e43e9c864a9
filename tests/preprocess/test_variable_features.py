"""The seurat_v3 choice against scanpy's."""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from spatialweave.io import count_matrix
from spatialweave.preprocess.variable_features import seurat_v3


def scanpy_choice(counts: sparse.csr_matrix, n_top: int) -> np.ndarray:
    import scanpy as sc

    data = ad.AnnData(counts.copy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = sc.pp.highly_variable_genes(data, flavor="seurat_v3", n_top_genes=n_top, inplace=False)
    assert table is not None
    return table["highly_variable"].to_numpy()


def negative_binomial(n_spots: int, n_features: int, seed: int) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    rate = rng.lognormal(-0.5, 1.2, n_features)
    shape = rng.uniform(0.3, 5, n_features)
    return sparse.csr_matrix(rng.poisson(rate * rng.gamma(shape, 1 / shape, (n_spots, n_features))), dtype=np.float32)


@pytest.mark.parametrize("block", [500, 4_000_000])
def test_equals_scanpy(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count_matrix, "BLOCK_ENTRIES", block)
    counts = negative_binomial(300, 800, 0)
    chosen, note = seurat_v3(counts, np.ones(800, dtype=bool), 150)
    assert note is None
    np.testing.assert_array_equal(chosen, scanpy_choice(counts, 150))


def test_equals_scanpy_on_a_real_tissue(shared_data: Path) -> None:
    counts = sparse.csr_matrix(ad.read_h5ad(shared_data / "mob_st" / "rna.h5ad").X)
    candidates = count_matrix.spots_per_feature(counts) >= 10
    chosen, note = seurat_v3(counts, candidates, 3000)
    assert note is None
    np.testing.assert_array_equal(chosen[candidates], scanpy_choice(counts[:, np.flatnonzero(candidates)], 3000))


def test_leaves_out_what_is_no_candidate() -> None:
    counts = negative_binomial(200, 300, 1)
    candidates = np.arange(300) % 2 == 0
    chosen, _ = seurat_v3(counts, candidates, 60)
    assert chosen.sum() == 60
    assert not chosen[~candidates].any()
    np.testing.assert_array_equal(chosen[candidates], scanpy_choice(counts[:, np.flatnonzero(candidates)], 60))


def test_keeps_all_when_there_are_no_more() -> None:
    candidates = np.array([True, False, True])
    chosen, note = seurat_v3(negative_binomial(20, 3, 2), candidates, 2)
    np.testing.assert_array_equal(chosen, candidates)
    assert note is None


@pytest.mark.parametrize(
    "values",
    [
        np.eye(6),  # every feature with the same mean and variance
        np.array([[1, 0, 5], [0, 0, 5], [2, 1, 5], [9, 0, 5]]),  # three features
        np.zeros((5, 4)),  # nothing at all
        np.tile([[0, 1, 0, 2], [3, 1, 0, 0]], (3, 10)),  # many features with three means
    ],
)
def test_falls_back_with_a_note_where_loess_cannot_be_fitted(values: np.ndarray) -> None:
    chosen, note = seurat_v3(sparse.csr_matrix(values, dtype=np.float32), np.ones(values.shape[1], dtype=bool), 2)
    assert chosen.sum() == 2
    assert note is not None and "quadratic" in note


def test_fallback_still_finds_the_feature_that_stands_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import skmisc.loess

    def fail(*_args: object, **_options: object) -> None:
        raise ValueError("svddc failed in l2fit.")

    monkeypatch.setattr(skmisc.loess, "loess", fail)
    rng = np.random.default_rng(3)
    values = rng.poisson(np.linspace(0.5, 8, 40), (200, 40))
    values[:100, 17] *= 4
    chosen, note = seurat_v3(sparse.csr_matrix(values, dtype=np.float32), np.ones(40, dtype=bool), 1)
    assert np.flatnonzero(chosen).tolist() == [17]
    assert note is not None
