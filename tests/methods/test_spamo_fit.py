"""What SPAMO returns and finds, and what it survives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import spamo
from spatialweave.training import checkpoint
from spatialweave.training.run import Run

from .spamo_setup import SHORT, Tissue, fitted, parts


def test_order_of_the_spots_does_not_matter(tissue: Tissue, run: Run) -> None:
    # The spots that receptive fields are tried on are drawn by their order, hence none are tried.
    config = replace(
        SHORT, epochs=5, mask_fraction=0.0, max_rounds=0, dropout=0.0, infomax_weight=0.0, landmarks=999,
        learning_rate=1e-3,
    )  # fmt: skip
    dataset = tissue()
    order = np.random.default_rng(3).permutation(dataset.n_spots)
    mixed = Dataset(
        dataset.name,
        dataset.obs.iloc[order],
        dataset.coordinates[order],
        [Modality(one.name, one.latent[order], one.present[order]) for one in dataset.modalities],
        {key: graph[order][:, order].tocsr() for key, graph in dataset.graphs.items()},
        dataset.layout,
    )
    np.testing.assert_allclose(fitted(mixed, config, run), fitted(dataset, config, run)[order], atol=2e-3)


def test_planted_domains_are_found(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=20)
    rng = np.random.default_rng(4)
    layer = dataset.obs["label"].astype(int).to_numpy()
    for m, name in enumerate(("rna", "adt")):
        latent = rng.normal(0, 0.5, (3, 15))[layer] + rng.normal(size=(dataset.n_spots, 15))
        dataset.modalities[m] = Modality(name, latent.astype(np.float32), np.ones(dataset.n_spots, dtype=bool))
    raw = np.hstack([one.latent for one in dataset.modalities])
    embedding = fitted(dataset, spamo.Config(epochs=60), run)
    scores = [adjusted_rand_score(layer, tied_mixture(x, 3, seed=0).labels) for x in (raw, embedding)]
    assert scores[1] > 0.9 and scores[1] > scores[0]


def test_a_tiny_tissue_is_overfitted(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=4)
    # Convolutions make neighbours similar; without neighbours every spot's own noise can be learned.
    dataset.graphs = {key: sparse.csr_matrix((16, 16)) for key in dataset.graphs}
    config = spamo.Config(epochs=150, mask_fraction=0.0, max_rounds=0, dropout=0.0, infomax_weight=0.0)
    losses = spamo.fit(dataset, config, run).record["losses"]
    for name in ("rna", "adt"):
        assert losses[f"reconstruction_{name}"][-1] < 0.02


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
def test_one_two_and_three_modalities(tissue: Tissue, run: Run, names: tuple[str, ...]) -> None:
    dataset = tissue(names=names)
    result = spamo.fit(dataset, SHORT, run)
    assert result.embedding.shape == (144, 8) and result.embedding.dtype == np.float32
    assert np.isfinite(result.embedding).all()
    assert set(result.record["receptive_field"]) == set(result.record["spatial_fraction"]) == set(names)
    assert result.record["epochs"] == 8
    weights = result.extras["modality_weights"]
    assert list(weights.columns) == list(names) and weights.index.equals(dataset.obs.index)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    for one in dataset.modalities:
        assert result.denoised[one.name].shape == one.latent.shape


def test_missing_spots_are_embedded_and_their_rows_do_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue(missing=0.4)
    first = fitted(dataset, SHORT, run)
    adt = dataset.modalities[1]
    dataset.modalities[1] = Modality(adt.name, np.where(adt.present[:, None], adt.latent, np.float32(1e3)), adt.present)
    np.testing.assert_array_equal(fitted(dataset, SHORT, run), first)
    assert np.isfinite(first).all() and first[~adt.present].std(axis=0).min() > 0


def test_degenerate_modalities_are_survived(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    constant = np.full((dataset.n_spots, 3), 7, dtype=np.float32)
    dataset.modalities[1] = Modality("adt", constant, np.ones(dataset.n_spots, dtype=bool))
    assert np.isfinite(fitted(dataset, SHORT, run)).all()
    dataset.modalities[1] = Modality("adt", constant, np.zeros(dataset.n_spots, dtype=bool))
    dataset.graphs["adt_distances"] = sparse.csr_matrix((dataset.n_spots, dataset.n_spots))
    assert np.isfinite(fitted(dataset, SHORT, run)).all()


def test_same_seed_same_embedding_other_seed_another(tissue: Tissue, run: Run) -> None:
    one, two = (fitted(tissue(), SHORT, run) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(fitted(tissue(), SHORT, replace(run, seed=12)) - one).max() > 1e-3


def test_a_resumed_run_ends_like_an_undisturbed_one(tissue: Tissue, run: Run, tmp_path: Path) -> None:
    dataset, whole = tissue(), replace(SHORT, epochs=10)
    undisturbed = fitted(dataset, whole, run)
    part = replace(run, checkpoint=tmp_path / "state.pt", checkpoint_seconds=0.0, identity="same")
    fitted(dataset, replace(whole, epochs=6), part)
    lines: list[str] = []
    resumed = replace(part, log=lines.append)
    torch.manual_seed(999)
    result = spamo.fit(dataset, whole, resumed)
    assert any("resuming after epoch 6" in line for line in lines)
    np.testing.assert_array_equal(result.embedding, undisturbed)


def test_a_checkpoint_holds_the_targets(tissue: Tissue, run: Run, tmp_path: Path) -> None:
    network, *_ = parts(tissue(), SHORT, run)
    network.graphs[0][0].target.add_(1)
    optimiser = torch.optim.Adam(network.parameters())
    checkpoint.save(tmp_path / "state.pt", "same", network, optimiser, {"total": []})
    other, *_ = parts(tissue(), SHORT, run)
    assert checkpoint.restore(tmp_path / "state.pt", "same", other, torch.optim.Adam(other.parameters())) is not None
    torch.testing.assert_close(other.graphs[0][0].target, network.graphs[0][0].target)


@pytest.mark.parametrize("key", ["spatial_connectivities", "adt_distances"])
def test_a_missing_graph_is_refused(tissue: Tissue, run: Run, key: str) -> None:
    dataset = tissue()
    del dataset.graphs[key]
    with pytest.raises(InputError, match=key):
        spamo.fit(dataset, SHORT, run)
