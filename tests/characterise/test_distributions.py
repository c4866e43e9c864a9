"""Distributions by numpy and scikit-learn on all spots, and edges in common by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import pairwise_distances

from spatialweave.characterise import distributions, shared_edges
from spatialweave.characterise.distributions import correlation_rows, value_rows
from spatialweave.characterise.features import FeatureValues
from spatialweave.characterise.shared_edges import edge_rows
from spatialweave.characterise.sources import Characterised, CharacterisedRun
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.spatial import knn
from spatialweave.io.dataset import Dataset, Modality

N = 60


@pytest.fixture
def run() -> CharacterisedRun:
    rng = np.random.default_rng(0)
    return CharacterisedRun("smart.seed1", np.arange(N) % 3, rng.normal(size=(N, 4)).astype(np.float32), {})


@pytest.fixture
def dataset() -> Dataset:
    rng = np.random.default_rng(1)
    obs = pd.DataFrame({"barcode": "b", "section": "one"}, index=[f"s{k}" for k in range(N)])
    missing = np.arange(N) >= 50
    latents = {"rna": rng.normal(size=(N, 5)), "adt": rng.normal(size=(N, 3))}
    modalities = [
        Modality(name, latent.astype(np.float32), ~missing if name == "adt" else np.ones(N, bool))
        for name, latent in latents.items()
    ]
    return Dataset("toy", obs, rng.random((N, 2)), modalities)


def test_values_are_numpys_quantiles_of_measured_spots(run: CharacterisedRun) -> None:
    values = np.random.default_rng(2).poisson(1.0, (N, 2)).astype(np.float32)
    present = np.arange(N) < 40
    values[~present] = 0
    table = FeatureValues("rna", ["a", "b"], sparse.csc_matrix(values), present, np.expm1)
    rows = list(value_rows(run, table, [1], "log", 0))
    assert [(row["domain"], row["feature"], row["unit"]) for row in rows] == [(k, "b", "log") for k in (1, 2, 3)]
    for row in rows:
        own = values[(run.codes == row["domain"] - 1) & present, 1]
        assert row["spots"] == len(own) and row["mean"] == pytest.approx(own.mean(), rel=1e-4)
        expected = np.quantile(own, [0.05, 0.25, 0.5, 0.75, 0.95])
        assert [row[name] for name in ("low", "q25", "median", "q75", "high")] == pytest.approx(expected.tolist())


def test_correlations_are_those_of_whole_distance_matrices(run: CharacterisedRun, dataset: Dataset) -> None:
    assert run.embedding is not None
    rows = list(correlation_rows(dataset, run, 0))
    assert [(row["modality"], row["domain"]) for row in rows] == [(m, k) for m in ("rna", "adt") for k in (1, 2, 3)]
    for row in rows:
        modality = next(one for one in dataset.modalities if one.name == row["modality"])
        there = modality.present
        a, b = pairwise_distances(run.embedding[there]), pairwise_distances(modality.latent[there])
        each = np.array([np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)])
        own = each[run.codes[there] == row["domain"] - 1]
        assert row["mean"] == pytest.approx(own.mean(), abs=1e-4)
        assert row["median"] == pytest.approx(np.median(own), abs=1e-4) and row["spots"] == len(own)


def test_a_sample_of_spots_gives_nearly_the_same(
    run: CharacterisedRun, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [row["mean"] for row in correlation_rows(dataset, run, 0)]
    monkeypatch.setattr(distributions, "OTHER_SPOTS", 40)
    monkeypatch.setattr(distributions, "ANCHORS", 15)
    some = [row["mean"] for row in correlation_rows(dataset, run, 0)]
    assert some == pytest.approx(whole, abs=0.12) and some != whole


def test_edges_in_common_by_hand() -> None:
    graphs = {"a": np.array([1, 2, 3, 4]), "b": np.array([3, 4, 5]), "c": np.array([4, 6])}
    assert shared_edges.shared_edges(graphs) == {("a",): 2, ("a", "b"): 1, ("b",): 1, ("c",): 1, ("a", "b", "c"): 1}


def test_edges_of_a_dataset(run: CharacterisedRun, dataset: Dataset) -> None:
    """The sums over all sets with a graph are the sizes of that graph, of the 50 spots with both modalities."""
    graph = symmetrise(knn(dataset.coordinates, np.full(N, "one"), 4))
    sources = Characterised(dataset, [], graph, {}, [run])
    rows = list(edge_rows(sources, run, 0))
    sizes = {
        name: sum(row["edges"] for row in rows if name in row["graphs"].split(" + "))
        for name in ("rna", "adt", "embedding", "spatial")
    }
    assert sizes == dict.fromkeys(("rna", "adt", "embedding"), 500) | {"spatial": graph[:50][:, :50].nnz}
    assert sum(row["fraction"] for row in rows) == pytest.approx(1, abs=1e-3)
    assert {row["spots"] for row in rows} == {50}
    # An embedding that is the latents of one modality has all edges of it.
    same = CharacterisedRun(run.id, run.codes, dataset.modalities[0].latent, {})
    kinds = [set(row["graphs"].split(" + ")) for row in edge_rows(sources, same, 0)]
    assert all(("rna" in kind) == ("embedding" in kind) for kind in kinds)
