"""SMART: it trains, it learns from masked spots, and training beats not training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import smart
from spatialweave.training.loop import train
from spatialweave.training.run import Run

from .inputs import prepare_inputs

Tissue = Callable[..., Dataset]

SHORT = smart.Config(epochs=10, n_hidden=16, n_dims=8)


@pytest.fixture
def weak(tissue: Tissue) -> Dataset:
    """A tissue of three layers whose noise masks them in any single spot."""
    dataset = tissue(side=24)
    rng = np.random.default_rng(4)
    layer = dataset.obs["label"].astype(int).to_numpy()
    for m, name in enumerate(("rna", "adt")):
        latent = rng.normal(0, 0.2, (3, 20))[layer] + rng.normal(size=(dataset.n_spots, 20))
        dataset.modalities[m] = Modality(name, latent.astype(np.float32), np.ones(dataset.n_spots, dtype=bool))
    return dataset


def agreement(dataset: Dataset, embedding: np.ndarray) -> float:
    return adjusted_rand_score(dataset.obs["label"], tied_mixture(embedding, 3, seed=0).labels)


def test_every_weight_gets_a_gradient(tissue: Tissue, run: Run) -> None:
    dataset, rng = tissue(), run.numpy_generator()
    inputs = prepare_inputs(dataset, SHORT, run, rng)
    triplets = smart.mine(inputs.modalities, inputs.patch, SHORT, rng)
    network = smart.Smart(inputs.widths, SHORT)
    network.reset_parameters(run.torch_generator())
    batch = smart.make_batch(inputs.patch, inputs, triplets, [found.shape[1] for found in triplets], SHORT)
    values = smart.loss_terms(network, {"rna": 1.0, "adt": 1.0}, SHORT)(1, batch)
    torch.stack(list(values.values())).sum().backward()
    assert set(values) == {"reconstruction_rna", "reconstruction_adt", "triplet_rna", "triplet_adt"}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_window_of_a_part_is_found_once_for_all_modalities(
    tissue: Tissue, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, found, within = prepare_inputs(tissue(), SHORT, run), [], smart.within
    monkeypatch.setattr(smart, "within", lambda *given: found.append(within(*given)) or found[-1])
    triplets = smart.mine(inputs.modalities, inputs.patch, SHORT, run.numpy_generator())
    assert len(found) == 1 and len(triplets) == 2
    for anchors, positives, _ in triplets:
        assert len(anchors) and not found[0][anchors, positives].any()


def test_triplet_terms_by_hand_are_in_units_of_the_embeddings_scale(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    config = replace(SHORT, mask_fraction=0.0, margin=0.8, triplet_weight=0.3)
    inputs, rng = prepare_inputs(dataset, config, run), run.numpy_generator()
    triplets = smart.mine(inputs.modalities, inputs.patch, config, rng)
    network = smart.Smart(inputs.widths, config)
    network.reset_parameters(run.torch_generator())
    batch = smart.make_batch(inputs.patch, inputs, triplets, [found.shape[1] for found in triplets], config)
    found = smart.loss_terms(network, {"rna": 0.4, "adt": 0.0175}, config)(1, batch)
    z = network(inputs.seen(), inputs.neighbours).detach().numpy().astype(np.float64)
    z = z / z.std(axis=0, ddof=1).mean()
    for name, strength, (anchor, positive, negative) in zip(("rna", "adt"), (1, 1 / 4), triplets, strict=True):
        near, far = (np.linalg.norm(z[anchor] - z[other], axis=1) for other in (positive, negative))
        expected = strength * 0.3 / 2 * np.maximum(0, near - far + 0.8).mean()
        assert found[f"triplet_{name}"].item() == pytest.approx(expected, rel=1e-4) and expected > 0


def test_every_part_shapes_the_embedding(weak: Dataset, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Share of the embedding's variance that changes when a part of the trained encoders is switched off."""
    networks: list[smart.Smart] = []

    def watched(network: smart.Smart, *rest: Any, **named: Any) -> Any:
        before = [weights.norm().item() for weights in network.parameters()]
        history = train(network, *rest, **named)
        after = [weights.norm().item() for weights in network.parameters()]
        assert all(last >= 0.1 * first for first, last in zip(before, after, strict=True))
        networks.append(network)
        return history

    monkeypatch.setattr(smart, "train", watched)
    embedding = smart.fit(weak, smart.Config(), run).embedding
    inputs = prepare_inputs(weak, smart.Config(), run, run.numpy_generator())
    (network,) = networks
    variance = np.square(embedding - embedding.mean(axis=0)).sum()

    def changed() -> float:
        with torch.no_grad():
            other = network(inputs.seen(), inputs.neighbours).numpy() - embedding
        return float(np.square(other - other.mean(axis=0)).sum() / variance)

    assert changed() < 1e-6
    for stack in network.encoders:
        monkeypatch.setattr(stack, "between", lambda x: x)
    assert changed() > 0.003
    for stack in network.encoders:
        monkeypatch.setattr(stack, "between", torch.nn.functional.elu)
    for part in ("lin_l", "lin_r"):
        weights = [getattr(layer, part).weight for stack in network.encoders for layer in stack.layers]
        kept = [one.detach().clone() for one in weights]
        with torch.no_grad():
            for one in weights:
                one.zero_()
            assert changed() > 0.1, part
            for one, value in zip(weights, kept, strict=True):
                one.copy_(value)


def test_loss_on_masked_spots_falls(weak: Dataset, run: Run) -> None:
    losses = smart.fit(weak, smart.Config(epochs=60), run).record["losses"]
    for name in ("rna", "adt"):
        values = losses[f"reconstruction_{name}"]
        assert np.mean(values[-5:]) < 0.98 * np.mean(values[:3])
        # Noise of variance 1 on a signal of variance 0.2 at most: what is predicted cannot be the spots' own noise.
        assert np.mean(values[-5:]) > 0.75


def test_training_helps_on_a_weak_signal(weak: Dataset, run: Run) -> None:
    trained: list[float] = []
    untrained: list[float] = []
    for seed in range(3):
        for scores, epochs in ((trained, 150), (untrained, 0)):
            fitted = smart.fit(weak, smart.Config(epochs=epochs), replace(run, seed=seed))
            scores.append(agreement(weak, fitted.embedding))
    assert np.mean(trained) > np.mean(untrained) + 0.1
    assert np.mean(trained) > 0.8


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
def test_one_two_and_three_modalities(tissue: Tissue, run: Run, names: tuple[str, ...]) -> None:
    fitted = smart.fit(tissue(names=names), SHORT, run)
    assert fitted.embedding.shape == (144, 8) and fitted.embedding.dtype == np.float32
    assert np.isfinite(fitted.embedding).all()
    assert set(fitted.record["receptive_field"]) == set(names)
    assert fitted.record["epochs"] == 10


@pytest.mark.parametrize("encoder", ["sage", "gcn", "gat", "graph"])
def test_convolutions_on_a_graph_and_without_edges(tissue: Tissue, run: Run, encoder: Literal["sage", "gcn"]) -> None:
    config = replace(SHORT, encoder=encoder, layers=3, smoothness_weight=0.1)
    dataset = tissue()
    for _ in range(2):
        fitted = smart.fit(dataset, config, run)
        assert np.isfinite(fitted.embedding).all() and fitted.embedding.std(axis=0).min() > 0
        dataset.graphs["spatial_connectivities"] = sparse.csr_matrix((144, 144), dtype=np.float32)
    assert fitted.record["losses"]["smoothness"] == [0.0] * 10


def test_missing_spots_are_embedded_and_their_rows_do_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue(missing=0.4)
    first = smart.fit(dataset, SHORT, run).embedding
    adt = dataset.modalities[1]
    filled = np.where(adt.present[:, None], adt.latent, np.float32(1e3))
    dataset.modalities[1] = Modality(adt.name, filled, adt.present)
    second = smart.fit(dataset, SHORT, run)
    np.testing.assert_array_equal(first, second.embedding)
    assert np.isfinite(first).all() and first[~adt.present].std(axis=0).min() > 0


def test_same_seed_same_embedding_other_seed_another(tissue: Tissue, run: Run) -> None:
    one, two = (smart.fit(tissue(), SHORT, run).embedding for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(smart.fit(tissue(), SHORT, replace(run, seed=12)).embedding - one).max() > 1e-3


def test_scale_and_offset_of_a_modality_do_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    first = smart.fit(dataset, SHORT, run).embedding
    rna = dataset.modalities[0]
    dataset.modalities[0] = Modality(rna.name, 64 * rna.latent + 128, rna.present)
    np.testing.assert_allclose(smart.fit(dataset, SHORT, run).embedding, first, atol=1e-3)


def test_degenerate_modalities_are_survived(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    constant = np.full((dataset.n_spots, 3), 7, dtype=np.float32)
    dataset.modalities[1] = Modality("adt", constant, np.ones(dataset.n_spots, dtype=bool))
    assert np.isfinite(smart.fit(dataset, SHORT, run).embedding).all()
    dataset.modalities[1] = Modality("adt", constant, np.zeros(dataset.n_spots, dtype=bool))
    assert np.isfinite(smart.fit(dataset, SHORT, run).embedding).all()


def test_a_missing_graph_is_refused(tissue: Tissue, run: Run) -> None:
    dataset: Dataset = tissue()
    dataset.graphs = {}
    with pytest.raises(InputError, match="spatial_connectivities"):
        smart.fit(dataset, SHORT, run)
