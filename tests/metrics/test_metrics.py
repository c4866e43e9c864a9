"""Metrics against scikit-learn, squidpy, scipy and values worked out by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import kneighbors_graph

from spatialweave.graphs import spatial
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.metrics import fidelity, separation, tissue
from spatialweave.metrics.agreement import agreement, jaccard
from spatialweave.metrics.evaluate import evaluate


def grid(width: int, height: int) -> np.ndarray:
    """Points one apart, row by row."""
    return np.stack(np.meshgrid(np.arange(float(width)), np.arange(float(height))), -1).reshape(-1, 2)


# Agreement with labels


def test_agreement_by_hand():
    """Pairs: labels aab|b, domains 11|22: together in both 2 of (labels 2, domains 2), so nothing is lost."""
    same = agreement(np.array([1, 1, 2, 2]), np.array(["a", "a", "b", "b"]))
    assert same["ari"] == same["jaccard"] == same["fowlkes_mallows"] == 1.0
    assert same["mutual_information"] == pytest.approx(np.log(2))
    # Labels aaab, domains 1122: label pairs 3, domain pairs 2, together in both 1.
    found = agreement(np.array([1, 1, 2, 2]), np.array(["a", "a", "a", "b"]))
    assert found["jaccard"] == pytest.approx(1 / 4)
    assert found["fowlkes_mallows"] == pytest.approx(1 / np.sqrt(6))
    expected = 3 * 2 / 6
    assert found["ari"] == pytest.approx((1 - expected) / (2.5 - expected))
    entropy_labels = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    information = entropy_labels - 0.5 * np.log(2)
    assert found["mutual_information"] == pytest.approx(information)
    assert found["homogeneity"] == pytest.approx(information / entropy_labels)
    assert found["completeness"] == pytest.approx(information / np.log(2))
    assert found["nmi"] == pytest.approx(2 * information / (entropy_labels + np.log(2)))


def test_unlabelled_spots_are_left_out_and_counted():
    labels = np.array(["a", "", "b", "a", "", "b"])
    found = agreement(np.array([1, 2, 2, 1, 1, 2]), labels)
    assert found["labelled_spots"] == 4 and found["unlabelled_spots"] == 2
    assert found["ari"] == 1.0
    assert agreement(np.array([1, 2]), np.array(["", ""])) == {}
    assert agreement(np.array([1, 2]), np.array(["a", ""])) == {"labelled_spots": 1.0, "unlabelled_spots": 1.0}


def test_jaccard_undefined_without_pairs():
    assert np.isnan(jaccard(np.array(["a", "b"]), np.array([1, 2])))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=4, max_size=30), st.permutations([1, 2, 3, 4]), st.integers(0, 99))
def test_renumbering_domains_changes_nothing(domains, names, seed):
    domains = np.array(domains)
    rng = np.random.default_rng(seed)
    labels = rng.choice(["a", "b", "c", ""], len(domains))
    renamed = np.array(names)[domains - 1]
    first, second = agreement(domains, labels), agreement(renamed, labels)
    assert first == pytest.approx(second, nan_ok=True)
    neighbours = spatial.knn(rng.random((len(domains), 2)), np.zeros(len(domains)), 3)
    before, after = tissue.morans_i(domains, neighbours), tissue.morans_i(renamed, neighbours)
    assert {names[key - 1]: value for key, value in before.items()} == pytest.approx(after)
    assert tissue.mean_morans_i(before, domains) == pytest.approx(tissue.mean_morans_i(after, renamed), nan_ok=True)


# Coherence in the tissue


def test_morans_i_equals_squidpy():
    ad = pytest.importorskip("anndata")
    sq = pytest.importorskip("squidpy")
    rng = np.random.default_rng(0)
    points = rng.random((200, 2))
    domains = (points[:, 0] * 3).astype(int) + 1
    domains[::9] = 2
    membership = pd.get_dummies(domains).to_numpy(np.float64)
    data = ad.AnnData(membership, obsm={"spatial": points}, var=pd.DataFrame(index=["1", "2", "3"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sq.gr.spatial_neighbors(data, n_neighs=10, coord_type="generic")
        sq.gr.spatial_autocorr(data, mode="moran", transformation=True)
    truth = data.uns["moranI"]["I"]
    found = tissue.morans_i(domains, spatial.knn(points, np.zeros(200), 10))
    assert found == pytest.approx({domain: truth[str(domain)] for domain in (1, 2, 3)}, abs=1e-10)


def test_morans_i_by_definition_with_uneven_degrees():
    rng = np.random.default_rng(3)
    points, section = rng.random((30, 2)), np.repeat([0, 1], [25, 5])
    domains = rng.integers(1, 4, 30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        neighbours = spatial.knn(points, section, 10)
    weights = (neighbours.toarray() > 0).astype(float)
    weights /= weights.sum(axis=1, keepdims=True)
    found = tissue.morans_i(domains, neighbours)
    for domain in (1, 2, 3):
        z = (domains == domain) - (domains == domain).mean()
        assert found[domain] == pytest.approx(30 / weights.sum() * (z @ weights @ z) / (z @ z))


def test_morans_i_of_one_domain_is_undefined():
    neighbours = spatial.knn(grid(4, 4), np.zeros(16), 4)
    assert tissue.morans_i(np.ones(16, int), neighbours) == {}
    assert np.isnan(tissue.mean_morans_i({}, np.ones(16, int)))
    assert tissue.morans_i(np.array([1, 2]), sparse.csr_matrix((2, 2))) == {}


def test_mean_morans_i_is_weighted_by_size():
    assert tissue.mean_morans_i({1: 0.8, 2: 0.2}, np.array([1, 1, 1, 2])) == pytest.approx(0.65)


def test_chaos_by_hand():
    """x = 0, 1, 2, 3 (standard deviation sqrt(1.25)), y constant; domains alternate and have two spots each."""
    points = np.column_stack([np.arange(6.0), np.zeros(6)])
    scale = np.arange(6.0).std()
    # Domain 1 at 0, 2, 4: nearest of its own 2 away, each; domain 2 at 1, 3, 5 likewise.
    assert tissue.chaos(np.array([1, 2, 1, 2, 1, 2]), points, np.zeros(6)) == pytest.approx(2 / scale)
    # Domains of two spots are passed over, as in the source, while all spots are counted.
    assert tissue.chaos(np.array([1, 1, 1, 1, 2, 2]), points, np.zeros(6)) == pytest.approx(4 / 6 / scale)


def test_chaos_keeps_sections_apart():
    points = np.tile(np.column_stack([np.arange(4.0), np.zeros(4)]), (2, 1))
    section = np.repeat(["a", "b"], 4)
    alone = tissue.chaos(np.ones(4, int), points[:4], section[:4])
    assert tissue.chaos(np.ones(8, int), points, section) == pytest.approx(alone)


def test_pas_by_hand():
    """Of 21 spots in a row, the middle one differs: it is abnormal, and no other."""
    points = np.column_stack([np.arange(21.0), np.zeros(21)])
    neighbours = spatial.knn(points, np.zeros(21), 10)
    domains = np.ones(21, int)
    domains[10] = 2
    assert tissue.abnormal_spots(domains, neighbours) == pytest.approx(1 / 21)
    # Five of ten in the other domain are not more than half.
    halves = np.where(np.arange(21) < 10, 1, 2)
    assert tissue.abnormal_spots(halves, neighbours) == 0.0


def test_pas_equals_a_loop_over_scikit_learn():
    rng = np.random.default_rng(1)
    points, domains = rng.random((150, 2)), rng.integers(1, 4, 150)
    near = kneighbors_graph(points, 10).toarray().astype(bool)
    truth = np.mean([(domains[near[i]] != domains[i]).sum() >= 6 for i in range(150)])
    assert tissue.abnormal_spots(domains, spatial.knn(points, np.zeros(150), 10)) == pytest.approx(truth)


def test_neighbour_agreement_by_hand():
    path = sparse.csr_matrix(np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]))
    # Spot 0 agrees with all, 1 with half, 2 with none; spot 3 has no neighbour and does not count.
    assert tissue.neighbour_agreement(np.array([1, 1, 2, 2]), path) == pytest.approx(0.5)
    assert np.isnan(tissue.neighbour_agreement(np.array([1, 1]), sparse.csr_matrix((2, 2))))
    assert np.isnan(tissue.abnormal_spots(np.array([1, 1]), sparse.csr_matrix((2, 2))))


# Separation in the embedding


def test_silhouette_on_a_subset(monkeypatch):
    rng = np.random.default_rng(0)
    domains = rng.integers(1, 4, 3000)
    values = np.eye(3)[domains - 1] * 5 + rng.normal(size=(3000, 3))
    full = separation.silhouette(values, domains, seed=0)
    monkeypatch.setattr(separation, "SILHOUETTE_SPOTS", 800)
    sampled = separation.silhouette(values, domains, seed=0)
    assert sampled != full and sampled == pytest.approx(full, abs=0.03)
    assert sampled == separation.silhouette(values, domains, seed=0) != separation.silhouette(values, domains, seed=1)


def test_separation_by_hand():
    values, domains = np.array([[0.0], [2.0], [10.0], [12.0]]), np.array([1, 1, 2, 2])
    # Mean distance 1 to either centre, centres 10 apart; between 100 over 1, within 4 over 2 degrees of freedom.
    assert separation.davies_bouldin(values, domains) == pytest.approx(2 / 10)
    assert separation.calinski_harabasz(values, domains) == pytest.approx(100 / 2)
    widths = [1 - 2 / 11, 1 - 2 / 9]
    assert separation.silhouette(values, domains, seed=0) == pytest.approx(np.mean(widths))


@pytest.mark.parametrize("domains", [[1, 1, 1], [1, 2, 3]])
def test_separation_undefined(domains):
    values = np.arange(3.0)[:, None]
    assert np.isnan(separation.silhouette(values, np.array(domains), 0))
    assert np.isnan(separation.davies_bouldin(values, np.array(domains)))
    assert np.isnan(separation.calinski_harabasz(values, np.array(domains)))


# Faithfulness to the modalities


def test_distance_correlation_equals_whole_rows():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(60, 5))
    embedding = latent[:, :3] + rng.normal(size=(60, 3))
    rows = zip(cdist(embedding, embedding), cdist(latent, latent), strict=True)
    truth = np.mean([np.corrcoef(a, b)[0, 1] for a, b in rows])
    assert fidelity.distance_correlation(embedding, latent, seed=0) == pytest.approx(truth)
    assert fidelity.distance_correlation(latent * 3 + 1, latent, seed=0) == pytest.approx(1.0)


def test_anchors_represent_all(monkeypatch):
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(2000, 5))
    embedding = latent[:, :3] + rng.normal(size=(2000, 3))
    monkeypatch.setattr(fidelity, "CORRELATION_ANCHORS", 2000)
    full = fidelity.distance_correlation(embedding, latent, seed=0), fidelity.knn_overlap(embedding, latent, seed=0)
    monkeypatch.setattr(fidelity, "CORRELATION_ANCHORS", 300)
    monkeypatch.setattr(fidelity, "OVERLAP_ANCHORS", 500)
    some = fidelity.distance_correlation(embedding, latent, seed=1), fidelity.knn_overlap(embedding, latent, seed=1)
    assert some != full
    assert some == pytest.approx(full, abs=0.02)


def test_knn_overlap_equals_scikit_learn():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(120, 4))
    embedding = latent + rng.normal(size=(120, 4)) * 0.7
    a, b = (kneighbors_graph(values, 10).toarray() for values in (embedding, latent))
    assert fidelity.knn_overlap(embedding, latent, seed=0) == pytest.approx((a * b).sum() / 1200)
    assert fidelity.knn_overlap(latent, latent, seed=0) == 1.0


def test_fidelity_undefined_and_duplicates():
    rng = np.random.default_rng(0)
    assert np.isnan(fidelity.distance_correlation(np.zeros((20, 2)), rng.random((20, 2)), seed=0))
    assert np.isnan(fidelity.knn_overlap(rng.random((11, 2)), rng.random((11, 2)), seed=0))
    # Thirty spots at one point: each still has ten others.
    assert fidelity.knn_overlap(np.zeros((30, 2)), np.zeros((30, 2)), seed=0) > 0


# All together


def toy(n_sections: int = 1) -> tuple[Dataset, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    points = np.tile(grid(8, 8), (n_sections, 1))
    n_spots = len(points)
    section = np.repeat([f"s{i}" for i in range(n_sections)], 64)
    obs = pd.DataFrame({"barcode": [str(i) for i in range(n_spots)], "section": section})
    present = np.arange(n_spots) % 3 > 0
    latent = rng.normal(size=(n_spots, 4)).astype(np.float32)
    dataset = Dataset("toy", obs, points, [Modality("rna", latent, present)], layout="square")
    dataset.graphs["spatial_connectivities"] = spatial.knn(points, section, 4)
    return dataset, latent.copy(), (points[:, 0] >= 4).astype(int) + 1


def test_only_measured_spots_count():
    dataset, embedding, domains = toy()
    dataset.modalities[0].latent[~dataset.modalities[0].present] = 1e6
    found = evaluate(dataset, embedding, domains, seed=0)
    assert found["distance_correlation_rna"] == pytest.approx(1.0)
    assert found["knn_overlap_rna"] == 1.0


def test_without_labels_no_agreement():
    dataset, embedding, domains = toy()
    assert "ari" not in evaluate(dataset, embedding, domains, seed=0)
    dataset.obs["label"] = domains.astype(str)
    assert evaluate(dataset, embedding, domains, seed=0)["ari"] == 1.0


def test_a_copy_of_the_section_changes_no_spatial_metric():
    one, two = (evaluate(*toy(n), seed=0) for n in (1, 2))
    for name in ("morans_i", "chaos", "pas", "neighbour_agreement"):
        assert one[name] == pytest.approx(two[name])


def test_a_single_spot():
    obs = pd.DataFrame({"barcode": ["a"], "section": ["s"]})
    dataset = Dataset("toy", obs, np.zeros((1, 2)), [Modality("rna", np.zeros((1, 2), np.float32), np.ones(1, bool))])
    dataset.graphs["spatial_connectivities"] = sparse.csr_matrix((1, 1))
    assert evaluate(dataset, np.zeros((1, 2)), np.ones(1, int), seed=0) == {"chaos": 0.0}
