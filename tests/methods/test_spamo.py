"""SPAMO: its parts by hand, its invariants, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score
from torch.nn import functional

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import spamo
from spatialweave.nn.attention import choose_landmarks
from spatialweave.nn.gcn import gcn_propagation
from spatialweave.nn.learned_graph import LearnedGraph, correlation_similarity
from spatialweave.nn.propagation import neighbour_mean
from spatialweave.training import checkpoint
from spatialweave.training.masking import MaskedInputs, prepare_inputs
from spatialweave.training.optimisers import Schedule
from spatialweave.training.run import Run

Tissue = Callable[..., Dataset]

SHORT = spamo.Config(epochs=8, n_hidden=16, n_dims=8, landmarks=20)


def fitted(dataset: Dataset, config: spamo.Config, run: Run) -> np.ndarray:
    """The embedding; a run seeds torch's generator, which dropout draws from."""
    torch.manual_seed(run.seed)
    return spamo.fit(dataset, config, run).embedding


def parts(dataset: Dataset, config: spamo.Config, run: Run) -> tuple[spamo.Spamo, MaskedInputs, spamo.FixedGraphs]:
    inputs = prepare_inputs(dataset, config, run)
    graphs = [
        LearnedGraph(correlation_similarity(dataset.graphs[f"{one.name}_distances"])) for one in dataset.modalities
    ]
    network = spamo.Spamo(inputs.widths, graphs, config)
    network.reset_parameters(run.torch_generator())
    near = [spamo.attended(dataset, m, run.device) for m in range(len(graphs))]
    landmarks = choose_landmarks(dataset.n_spots, config.landmarks, run.torch_generator())
    spatial = gcn_propagation(dataset.graphs["spatial_connectivities"])
    return network, inputs, spamo.FixedGraphs(spatial, near, landmarks)


def test_encoder_is_two_convolutions_over_the_blended_graph(tissue: Tissue, run: Run) -> None:
    dataset = tissue(names=("rna",))
    network, inputs, around = parts(dataset, replace(SHORT, nonlinear_strength=0.5), run)
    encoder, graph = network.encoders[0].eval(), network.encoders[0].graph
    spots = torch.eye(dataset.n_spots)
    with torch.no_grad():
        encoder.balance.fill_(-1.2)
        balance = torch.sigmoid(torch.tensor(-1.2))
        a = balance * around.spatial(spots) + (1 - balance) * graph(spots)
        x = inputs.seen()[0]
        hidden = (a @ x @ encoder.first.weight.T).relu()
        second = functional.layer_norm(a @ hidden @ encoder.second.weight.T, (8,))
        expected = a @ x @ encoder.linear.weight.T + 0.5 * second
        torch.testing.assert_close(encoder(x, around.spatial, graph.weights()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_modalities", [1, 2, 3])
def test_fusion_is_a_gated_sum_of_mlp_and_mean(n_modalities: int) -> None:
    config = replace(SHORT, nonlinear_strength=0.6)
    fusion = spamo.GatedFusion(n_modalities, config).eval()
    spots = [torch.randn(30, 8) for _ in range(n_modalities)]
    landmarks = torch.arange(30)
    enhanced = []
    for m, own in enumerate(spots):
        others = [one for k, one in enumerate(spots) if k != m] or [own]
        sending = others[0] if len(others) == 1 else fusion.merge[m](torch.cat(others, dim=1))
        heads = fusion.attention[m]
        scores = functional.scaled_dot_product_attention(heads.query(own), heads.key(sending), heads.value(sending))
        enhanced.append(functional.layer_norm(own + 0.2 * heads.output(scores), (8,)))
    c = torch.cat(spots + enhanced, dim=1)
    gate = 0.6 * torch.sigmoid(fusion.gate(c))
    expected = gate * fusion.mlp(c) + (1 - gate) * sum(spots) / n_modalities
    torch.testing.assert_close(fusion(spots, [None] * n_modalities, landmarks), expected, rtol=1e-4, atol=1e-5)


def test_attention_reads_the_other_modalities_neighbours(tissue: Tissue, run: Run) -> None:
    dataset = tissue(names=("rna", "adt", "atac"))
    near = spamo.attended(dataset, 1, run.device)
    pairs = set(zip(near.receivers.tolist(), near.senders.tolist(), strict=True))
    keys = ("spatial_connectivities", "rna_distances", "atac_distances")
    expected = {(i, i) for i in range(dataset.n_spots)}
    for key in keys:
        expected |= set(zip(*(index.tolist() for index in dataset.graphs[key].nonzero()), strict=True))
    assert pairs == expected


def test_unlikeness_by_hand() -> None:
    # A row of three spots, each beside the next, itself included; unit rows (1, 0), (0, 1), (0, 1).
    neighbours = neighbour_mean(sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]])))
    z = torch.tensor([[2.0, 0.0], [0.0, 5.0], [0.0, 1.0]])
    # Cosines with the means: 1/2, 2/3, 1.
    assert spamo.dissimilarity(z, neighbours).item() == pytest.approx(1 - (1 / 2 + 2 / 3 + 1) / 3)


def test_weights_are_fractions_of_length() -> None:
    fractions = spamo.sizes([torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[0.0, 15.0], [0.0, 0.0]])])
    np.testing.assert_allclose(fractions, [[0.25, 0.75], [0.5, 0.5]])


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
def test_every_weight_gets_a_gradient_from_the_terms(tissue: Tissue, run: Run, names: tuple[str, ...]) -> None:
    network, inputs, around = parts(tissue(names=names), SHORT, run)
    # Away from its start, where the graph is its own target.
    for encoder in network.encoders:
        with torch.no_grad():
            encoder.graph.strengths.mul_(0.9)
    values = spamo.loss_terms(network, inputs, around, SHORT, run)(1)
    assert set(values) == {*(f"reconstruction_{name}" for name in names), "graph", "smoothness", "infomax"}
    sum(values.values()).backward()
    # A bias of keys shifts all scores of a spot equally, which changes no weight.
    for name, parameter in network.named_parameters():
        assert name.endswith("key.bias") or (parameter.grad is not None and parameter.grad.abs().sum() > 0), name


def test_the_graph_term_by_hand(tissue: Tissue, run: Run) -> None:
    """The mean norm of a graph less its target, over the root of the number of spots (144); the target moves first."""
    config = replace(SHORT, graph_weight=0.3, graph_momentum=0.8)
    network, inputs, fixed = parts(tissue(side=12), config, run)
    moved = []
    for encoder in network.encoders:
        encoder.graph.momentum = config.graph_momentum
        start = encoder.graph.target.clone()
        with torch.no_grad():
            encoder.graph.strengths.mul_(0.9)
        moved.append(0.8 * (encoder.graph.weights() - start).norm().item())
    found = spamo.loss_terms(network, inputs, fixed, config, run)(1)["graph"]
    assert found.item() == pytest.approx(0.3 * np.mean(moved) / 12, rel=1e-5)


def test_each_auxiliary_loss_falls(tissue: Tissue, run: Run) -> None:
    torch.manual_seed(run.seed)
    losses = spamo.fit(tissue(), replace(SHORT, epochs=40, learning_rate=0.02, infomax_weight=1.0), run).record[
        "losses"
    ]
    # Before training nothing is predicted: the cross-entropy is near ln 2.
    assert losses["infomax"][0] == pytest.approx(np.log(2), abs=0.15)
    assert losses["infomax"][-1] < 0.8 * losses["infomax"][0]
    for name in ("rna", "adt"):
        assert losses[f"reconstruction_{name}"][-1] < 0.8 * losses[f"reconstruction_{name}"][0]
    assert losses["graph"][0] == 0 and losses["graph"][-1] > 0


@pytest.mark.parametrize(
    "changed",
    [
        {"attention_strength": 0.0},
        {"nonlinear_strength": 0.0},
        {"linear_path": False},
        {"dropout": 0.0},
        {"graph_weight": 0.0},
        {"graph_momentum": 0.0},
        {"smooth_weight": 0.0},
        {"infomax_weight": 0.0},
        {"landmarks": 21},
        {"rna_weight": 2.0},
        {"other_weight": 2.0},
    ],
)
def test_every_part_takes_part(tissue: Tissue, run: Run, changed: dict[str, float]) -> None:
    # Weights large enough to be seen after a few epochs.
    config = replace(SHORT, nonlinear_strength=0.5, smooth_weight=0.5, infomax_weight=0.5)
    difference = fitted(tissue(), config, run) - fitted(tissue(), replace(config, **changed), run)
    assert np.abs(difference).max() > 1e-4


def test_graphs_are_learned_and_their_target_holds_them_back(tissue: Tissue, run: Run) -> None:
    moved = {}
    for weight in (0.0, 1000.0):
        config = replace(SHORT, epochs=20, graph_weight=weight)
        network, inputs, around = parts(tissue(), config, run)
        before = [own.detach().clone() for own in network.weights()]
        spamo.train(network, spamo.loss_terms(network, inputs, around, config, run), Schedule(20, 0.01), run)
        moved[weight] = sum((a - b).norm().item() for a, b in zip(before, network.weights(), strict=True))
    assert 0 < moved[1000.0] < 0.8 * moved[0.0]


def test_order_of_the_spots_does_not_matter(tissue: Tissue, run: Run) -> None:
    config = replace(
        SHORT, epochs=5, mask_fraction=0.0, dropout=0.0, infomax_weight=0.0, landmarks=999, learning_rate=1e-3
    )
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
    network.encoders[0].graph.target.add_(1)
    optimiser = torch.optim.Adam(network.parameters())
    checkpoint.save(tmp_path / "state.pt", "same", network, optimiser, {"total": []})
    other, *_ = parts(tissue(), SHORT, run)
    assert checkpoint.restore(tmp_path / "state.pt", "same", other, torch.optim.Adam(other.parameters())) is not None
    torch.testing.assert_close(other.encoders[0].graph.target, network.encoders[0].graph.target)


@pytest.mark.parametrize("key", ["spatial_connectivities", "adt_distances"])
def test_a_missing_graph_is_refused(tissue: Tissue, run: Run, key: str) -> None:
    dataset = tissue()
    del dataset.graphs[key]
    with pytest.raises(InputError, match=key):
        spamo.fit(dataset, SHORT, run)
