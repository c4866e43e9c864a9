"""All metrics across sections together: names, order, and datasets that lack some."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.io.dataset import Dataset, Modality
from spatialweave.metrics.evaluate import evaluate
from spatialweave.metrics.integration import across_sections

from .three_sections import three_sections


def dataset_of(values: np.ndarray, sections: np.ndarray, labels: np.ndarray | None) -> Dataset:
    obs = pd.DataFrame({"barcode": np.arange(len(values)).astype(str), "section": sections})
    if labels is not None:
        obs["label"] = labels
    latent = values.astype(np.float32)
    points = np.random.default_rng(0).random((len(values), 2))
    dataset = Dataset("d", obs, points, [Modality("rna", latent, np.ones(len(values), bool))])
    dataset.graphs["spatial_connectivities"] = sparse.csr_matrix((len(values), len(values)))
    return dataset


def test_names_and_order():
    values, sections, labels = three_sections()
    dataset = dataset_of(values, sections, labels)
    dataset.aligned = dataset.coordinates
    domains = labels.astype(int) + 1
    found = across_sections(dataset, values, domains, seed=0)
    assert list(found) == [
        "ilisi",
        "effective_sections",
        "kbet",
        "domain_section_ami",
        "section_agreement",
        "ari_within_sections",
        "label_transfer",
        "kbet_per_label",
        "batch_silhouette",
        "graph_connectivity",
        "ari_section_a",
        "ari_section_b",
        "ari_section_c",
    ]
    assert found["ari_within_sections"] == 1.0
    assert all(np.isfinite(value) for value in found.values())
    whole = evaluate(dataset, values, domains, seed=0)
    assert {name: whole[name] for name in found} == found
    bare = across_sections(dataset_of(values, sections, None), values, domains, seed=0)
    assert list(bare) == ["ilisi", "effective_sections", "kbet", "domain_section_ami"]


def test_without_an_embedding_the_metrics_of_domains_are_the_same():
    values, sections, labels = three_sections()
    dataset = dataset_of(values, sections, labels)
    dataset.aligned = dataset.coordinates
    domains = np.random.default_rng(3).integers(1, 4, len(labels))
    whole, alone = evaluate(dataset, values, domains, seed=0), evaluate(dataset, None, domains, seed=0)
    assert {name: whole[name] for name in alone} == alone
    others = {name for name in whole if name not in alone}
    assert others == {
        "silhouette", "davies_bouldin", "calinski_harabasz", "ilisi", "effective_sections", "kbet", "label_transfer",
        "kbet_per_label", "batch_silhouette", "graph_connectivity",
        *(f"{name}_{m.name}" for m in dataset.modalities for name in ("distance_correlation", "knn_overlap")),
    }  # fmt: skip


def test_one_section_has_none():
    values, _, labels = three_sections()
    assert across_sections(dataset_of(values, np.repeat("a", 600), labels), values, np.ones(600, int), seed=0) == {}


def test_no_labelled_spot_and_tiny_sections():
    values, sections, _ = three_sections()
    unlabelled = evaluate(dataset_of(values, sections, np.repeat("", 600)), values, np.ones(600, int), seed=0)
    assert "ilisi" in unlabelled and not {"label_transfer", "graph_connectivity"} & set(unlabelled)
    tiny = dataset_of(values[:2], np.array(["a", "b"]), np.array(["x", "x"]))
    found = evaluate(tiny, values[:2], np.array([1, 1]), seed=0)
    assert "ilisi" not in found and "kbet" not in found and found["label_transfer"] == 1.0


def test_order_of_spots_does_not_matter():
    values, sections, labels = three_sections()
    domains = labels.astype(int) + 1
    shuffled = np.random.default_rng(5).permutation(600)
    first = across_sections(dataset_of(values, sections, labels), values, domains, seed=0)
    second = across_sections(
        dataset_of(values[shuffled], sections[shuffled], labels[shuffled]), values[shuffled], domains[shuffled], seed=0
    )
    assert second == pytest.approx(first)
