"""SPAMO: its parts by hand, its invariants, and what it finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional

from spatialweave.methods import spamo
from spatialweave.nn.gated_fusion import GatedFusion
from spatialweave.training.optimisers import Schedule
from spatialweave.training.run import Run

from .spamo_setup import SHORT, Tissue, fitted, parts


def spread(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(dim=0)).square().mean().sqrt()


@pytest.mark.parametrize("linear_path", [True, False])
def test_encoder_is_two_convolutions_over_the_blended_graph(tissue: Tissue, run: Run, linear_path: bool) -> None:
    dataset = tissue(names=("rna",))
    network, batch = parts(dataset, replace(SHORT, nonlinear_strength=0.4, linear_path=linear_path), run)
    encoder, graph, spatial = network.encoders[0].eval(), batch.learned[0], batch.fixed.spatial
    spots = torch.eye(dataset.n_spots)
    with torch.no_grad():
        encoder.balance.fill_(-1.2)
        balance = torch.sigmoid(torch.tensor(-1.2))
        a = balance * spatial(spots) + (1 - balance) * graph(spots)
        x = batch.inputs.seen()[0]
        hidden = (a @ x @ encoder.first.weight.T).relu()
        expected = functional.layer_norm(a @ hidden @ encoder.second.weight.T, (8,))
        if linear_path:
            path = a @ x @ encoder.linear.weight.T
            expected = path + 0.4 * expected * spread(path) / spread(expected)
        torch.testing.assert_close(encoder(x, spatial, graph, graph.weights()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_modalities", [1, 2, 3])
@pytest.mark.parametrize("strength", [0.6, None])
def test_fusion_is_a_gated_sum_of_mlp_and_mean(n_modalities: int, strength: float | None) -> None:
    fusion = GatedFusion(n_modalities, 8, 0.2, 0.1, strength).eval()
    spots = [3 * torch.randn(30, 8) for _ in range(n_modalities)]
    rows = spots if strength is None else [one / spread(one) for one in spots]
    landmarks = torch.arange(30)
    enhanced = []
    for m, own in enumerate(rows):
        others = [one for k, one in enumerate(rows) if k != m] or [own]
        sending = others[0] if len(others) == 1 else fusion.merge[m](torch.cat(others, dim=1))
        heads = fusion.attention[m]
        scores = functional.scaled_dot_product_attention(heads.query(own), heads.key(sending), heads.value(sending))
        enhanced.append(functional.layer_norm(own + 0.2 * heads.output(scores), (8,)))
    c = torch.cat(spots + enhanced, dim=1)
    gate, mixed, mean = torch.sigmoid(fusion.gate(c)), fusion.mlp(c), sum(spots) / n_modalities
    if strength is not None:
        gate, mixed = strength * gate, mixed * spread(mean) / spread(mixed)
    expected = gate * mixed + (1 - gate) * mean
    torch.testing.assert_close(fusion(spots, [None] * n_modalities, landmarks), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_modalities", [2, 3])
def test_published_queries_keys_and_values_are_linear_maps_of_all_others_side_by_side(n_modalities: int) -> None:
    fusion = GatedFusion(n_modalities, 8, 0.2, 0.1, None)
    fusion.reset_parameters(torch.Generator().manual_seed(0))
    assert not list(fusion.merge.parameters())
    for attention in fusion.attention:
        for layer, width in ((attention.query, 8), (attention.key, 8 * (n_modalities - 1))):
            assert layer.weight.shape == (8, width)
            assert 0.8 * width**-0.5 < layer.weight.abs().max().item() <= width**-0.5


def test_without_attention_encodings_are_merged_linearly(tissue: Tissue, run: Run) -> None:
    network, batch = parts(tissue(), replace(SHORT, cross_attention=False), run)
    network.eval()
    z, encodings = network(batch.inputs.seen(), batch, [graph.weights() for graph in batch.learned])
    merged = network.fusion.merge(torch.cat(encodings, dim=1))
    torch.testing.assert_close(z, functional.layer_norm(merged, (8,)))


def test_published_graphs_start_from_distances_or_ones_normalised_once_more(run: Run) -> None:
    # The first two spots list each other: twice their distance. The first lists the third, which lists none.
    distances = sparse.csr_matrix((np.array([0.3, 0.9, 0.3]), ([0, 0, 1], [1, 2, 0])), shape=(3, 3))
    published = replace(SHORT, learned_graph="published")
    for count, (mutual, single) in {2: (0.6, 0.9), 3: (1.0, 1.0)}.items():
        w = np.eye(3)
        w[0, 1] = w[1, 0] = mutual
        w[0, 2] = w[2, 0] = single
        root = w.sum(axis=1) ** -0.5
        expected = root[:, None] * w * root
        graph = spamo.learned_graph(distances, count, published, run.device)
        dense = graph(torch.eye(3), graph.target).detach().numpy()
        np.testing.assert_allclose(dense, expected, rtol=1e-5)
        again = expected + np.eye(3)
        root = again.sum(axis=1) ** -0.5
        np.testing.assert_allclose(graph(torch.eye(3)).detach().numpy(), root[:, None] * again * root, rtol=1e-5)


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
    # Two spots beside each other: rows of D^-1/2 (A + I) D^-1/2 are (1/2, 1/2). Unit rows (1, 0) and (0.6, 0.8).
    around = spamo.weighted_means(sparse.csr_matrix(np.array([[0.0, 1.0], [1.0, 0.0]])), "cpu")
    z = torch.tensor([[2.0, 0.0], [3.0, 4.0]])
    assert spamo.dissimilarity(z, around).item() == pytest.approx(1 - (1 + 0.6) / 2)


def test_rows_above_one_are_divided_by_their_sum() -> None:
    # The middle of a star of four: 1/4 + 3 / sqrt(8) = 1.31; an end: 1/2 + 1 / sqrt(8) = 0.85.
    star = sparse.csr_matrix(np.array([[0, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], dtype=float))
    sums = spamo.weighted_means(star, "cpu")(torch.ones(4, 1))[:, 0].tolist()
    assert sums == pytest.approx([1, *[0.5 + 8**-0.5] * 3])


def test_weights_are_fractions_of_length() -> None:
    fractions = spamo.sizes([torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[0.0, 15.0], [0.0, 0.0]])])
    np.testing.assert_allclose(fractions, [[0.25, 0.75], [0.5, 0.5]])


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
def test_every_weight_gets_a_gradient_from_the_terms(tissue: Tissue, run: Run, names: tuple[str, ...]) -> None:
    network, batch = parts(tissue(names=names), SHORT, run)
    # Away from its start, where the graph is its own target.
    for graph in batch.learned:
        with torch.no_grad():
            graph.strengths.mul_(0.9)
    values = spamo.loss_terms(network, SHORT, run)(1, batch)
    assert set(values) == {*(f"reconstruction_{name}" for name in names), "graph", "smoothness", "infomax"}
    sum(values.values()).backward()
    # A bias of keys shifts all scores of a spot equally, which changes no weight.
    for name, parameter in network.named_parameters():
        assert name.endswith(("key.bias", ".own")) or (parameter.grad is not None and parameter.grad.abs().sum() > 0), (
            name
        )


def test_the_graph_term_by_hand(tissue: Tissue, run: Run) -> None:
    """The mean norm of a graph less its target, over the root of the number of spots (144); the target moves first."""
    config = replace(SHORT, graph_weight=0.3, graph_momentum=0.8)
    network, batch = parts(tissue(side=12), config, run)
    moved = []
    for graph in batch.learned:
        graph.momentum = config.graph_momentum
        start = graph.target.clone()
        with torch.no_grad():
            graph.strengths.mul_(0.9)
        moved.append(0.8 * (graph.weights() - start).norm().item())
    found = spamo.loss_terms(network, config, run)(2, batch)["graph"]
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
        {"highest_gate": 0.0},
        {"linear_path": False},
        {"cross_attention": False},
        {"dropout": 0.0},
        {"learned_graph": "published"},
        {"smooth_weight": 0.0},
        {"infomax_weight": 0.0},
        {"adt_weight": 2.0},
    ],
)
def test_every_part_takes_part(tissue: Tissue, run: Run, changed: dict[str, Any]) -> None:
    """Training without it changes at least a thousandth of the embedding's variance, after few epochs."""
    weights = {"smooth_weight": 0.5, "infomax_weight": 0.1}
    config = replace(SHORT, epochs=30, learning_rate=0.02, **weights)
    whole, other = fitted(tissue(), config, run), fitted(tissue(), replace(config, **changed), run)
    assert np.square(whole - other).sum() > 1e-3 * np.square(whole - whole.mean(axis=0)).sum()


def test_weights_of_modalities_by_their_kind() -> None:
    config = spamo.Config(rna_weight=1, adt_weight=2, atac_weight=3, other_weight=4)
    found = [config.reconstruction_weight(name) for name in ("rna", "adt", "atac", "histone", "metabolite")]
    assert found == [1, 2, 3, 3, 4]


def test_graphs_are_learned_and_their_target_holds_them_back(tissue: Tissue, run: Run) -> None:
    moved = {}
    for weight in (0.0, 1000.0):
        config = replace(SHORT, epochs=20, graph_weight=weight)
        network, batch = parts(tissue(), config, run)
        before = [graph.weights().detach().clone() for graph in batch.learned]
        terms = spamo.loss_terms(network, config, run)
        spamo.train(network, lambda epoch, _, terms=terms, batch=batch: terms(epoch, batch), Schedule(20, 0.01), run)
        after = [graph.weights() for graph in batch.learned]
        moved[weight] = sum((a - b).norm().item() for a, b in zip(before, after, strict=True))
    assert 0 < moved[1000.0] < 0.8 * moved[0.0]
