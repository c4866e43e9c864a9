"""Baselines in the pipeline's own environment: SNF against the dense formulas, MOFA+ by what it finds; both on demo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.mixture import tied_mixture
from spatialweave.graphs.complete import complete
from spatialweave.graphs.matrices import with_self
from spatialweave.graphs.smoothing import smooth
from spatialweave.graphs.spectral import spectral_embedding
from spatialweave.methods import mofa, snf


def dense_fusion(latents: list[np.ndarray], k: int, width: float, rounds: int) -> np.ndarray:
    """Equations 2 to 5 of Wang et al. 2014, with the kernel of their SNFtool, on dense matrices."""
    states, local = [], []
    for latent in latents:
        n = len(latent)
        d = np.sqrt(((latent[:, None] - latent[None]) ** 2).sum(axis=2))
        mean = np.sort(d, axis=1)[:, 1 : k + 1].mean(axis=1)
        w = np.exp(-((d / (width * (mean[:, None] + mean[None] + d) / 3)) ** 2) / 2)
        np.fill_diagonal(w, 1)
        s = np.zeros_like(w)
        for i in range(n):
            nearest = np.argsort(-w[i])[:k]
            s[i, nearest] = w[i, nearest] / w[i, nearest].sum()
        states.append(halved(w))
        local.append(s)
    for _ in range(rounds):
        mixed = [local[v] @ sum(p for u, p in enumerate(states) if u != v) @ local[v].T for v in range(len(states))]
        states = [halved((m + m.T) / 2 / (len(states) - 1)) for m in mixed]
    mean_state = sum(states) / len(states)
    return (mean_state + mean_state.T) / 2


def halved(w: np.ndarray) -> np.ndarray:
    """Rows that sum to one half off the diagonal, which is one half."""
    off = w - np.diag(np.diag(w))
    return off / off.sum(axis=1, keepdims=True) / 2 + np.eye(len(w)) / 2


@pytest.mark.parametrize("n_views", [2, 3])
def test_snf_with_all_spots_kept_is_the_published_one(n_views):
    rng = np.random.default_rng(3)
    latents = [rng.normal(size=(60, 5 + view)).astype(np.float32) for view in range(n_views)]
    config = snf.Config(n_neighbours=8, rounds=4, n_kept=60)
    fused = snf.fuse([snf.affinity(latent, 60, 8, config.width) for latent in latents], config)
    np.testing.assert_allclose(fused.toarray(), dense_fusion(latents, 8, 0.5, 4), rtol=2e-3, atol=1e-6)


def test_snf_keeps_a_bounded_number_of_similarities():
    rng = np.random.default_rng(4)
    latents = [rng.normal(size=(400, 6)).astype(np.float32) for _ in range(2)]
    config = snf.Config(n_neighbours=10, rounds=3, n_kept=15)
    fused = snf.fuse([snf.affinity(latent, 15, 10, config.width) for latent in latents], config)
    # 15 of each row, by both modalities and from both sides, and the spot itself.
    assert fused.nnz <= 400 * (2 * 2 * 15 + 1)


def test_duplicates_of_a_spot_are_as_similar_as_the_spot_itself():
    latent = np.repeat(np.random.default_rng(5).normal(size=(20, 4)), 3, axis=0).astype(np.float32)
    found = snf.affinity(latent, 10, 2, 0.5).toarray()
    assert np.isfinite(found).all()
    assert found[0, 1] == found[0, 2] == found[0, 0] == 1


def test_spectral_embedding_is_that_of_the_dense_eigenvectors(tissue):
    graph = tissue().spatial_graph()
    found = spectral_embedding(graph, 4, seed=1)
    dense = graph.toarray().astype(float)
    degree = dense.sum(axis=1)
    values, vectors = np.linalg.eigh(dense / np.sqrt(degree[:, None] * degree[None]))
    walk = (vectors / np.sqrt(degree)[:, None])[:, np.argsort(-values)]
    # On a square two eigenvectors have the same eigenvalue: the spaces are compared.
    for columns in (slice(0, 2), slice(2, 3)):
        own, expected = np.linalg.qr(found[:, columns])[0], walk[:, 1:][:, columns]
        np.testing.assert_allclose(own @ (own.T @ expected), expected, atol=1e-4)
    assert found.std(axis=0) == pytest.approx(1, rel=1e-4)


def test_spots_without_a_modality_take_the_mean_of_their_neighbours_round_by_round(tissue):
    dataset = tissue()
    modality, graph = dataset.modalities[1], dataset.spatial_graph()
    kept = modality.latent.copy()
    modality.present[[0, 1]] = False  # a corner and the spot beside it
    modality.latent[[0, 1]] = np.nan
    filled = complete(modality, graph)
    by_hand = {1: [i for i in graph[1].indices if i != 0], 0: [i for i in graph[0].indices if i != 1]}
    for spot, neighbours in by_hand.items():
        np.testing.assert_allclose(filled[spot], kept[neighbours].mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(filled[2:], kept[2:])
    modality.present[:] = False
    modality.present[143] = True
    modality.latent = np.where(modality.present[:, None], kept, np.nan)
    np.testing.assert_allclose(complete(modality, graph), np.broadcast_to(kept[143], kept.shape), rtol=1e-4)


def test_smoothing_is_the_mean_over_neighbours_and_self(tissue):
    graph = tissue().spatial_graph()
    values = np.random.default_rng(6).normal(size=(graph.shape[0], 3))
    every, neighbours = np.ones(len(values), dtype=bool), with_self(graph)
    by_hand = np.stack([np.vstack([values[[i]], values[graph[i].indices]]).mean(axis=0) for i in range(len(values))])
    np.testing.assert_allclose(smooth(values, every, neighbours, 1), by_hand, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(smooth(values, every, neighbours, 0), values)


@pytest.mark.parametrize(("method", "config"), [(mofa, mofa.Config(n_dims=5)), (snf, snf.Config(n_dims=2))])
def test_every_spot_is_embedded_where_it_belongs_also_without_a_modality(tissue, run, method, config):
    dataset = tissue(side=14, missing=0.3)
    found = method.fit(dataset, config, run).embedding
    assert found.shape[0] == dataset.n_spots and found.dtype == np.float32
    assert np.isfinite(found).all()
    layers = dataset.obs["label"].to_numpy()
    missing = ~dataset.modalities[1].present
    domains = tied_mixture(found, 3, 0).labels
    assert adjusted_rand_score(layers, domains) > 0.9
    assert adjusted_rand_score(layers[missing], domains[missing]) > 0.8
    np.testing.assert_array_equal(method.fit(tissue(side=14, missing=0.3), config, replace(run)).embedding, found)


def test_mofa_takes_sections_in_any_order_and_modalities_that_a_section_lacks(split, run):
    dataset = split((("rna", "adt"), ("rna",)), offset=5.0)
    shuffled = np.random.default_rng(7).permutation(dataset.n_spots)
    mixed = replace(
        dataset,
        obs=dataset.obs.iloc[shuffled],
        modalities=[
            replace(one, latent=one.latent[shuffled], present=one.present[shuffled]) for one in dataset.modalities
        ],
        graphs={key: graph[shuffled][:, shuffled].tocsr() for key, graph in dataset.graphs.items()},
    )
    found = mofa.fit(mixed, mofa.Config(n_dims=4), run).embedding
    assert np.isfinite(found).all()
    assert adjusted_rand_score(mixed.obs["label"], tied_mixture(found, 3, 0).labels) > 0.8


@pytest.mark.parametrize("method", [mofa, snf])
def test_domains_of_the_demo(demo, run, method):
    dataset = demo("spatial")
    found = method.fit(dataset, method.Config(), run).embedding
    labels = dataset.obs["label"].to_numpy()
    score = adjusted_rand_score(labels, tied_mixture(found, len(set(labels)), 0).labels)
    assert score > 0.9  # pca 0.98, coordinates 0.40
