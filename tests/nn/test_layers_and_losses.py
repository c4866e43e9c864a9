"""Layers and losses against torch_geometric, torch and hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spatialweave.io.dataset import Modality
from spatialweave.nn.inputs import ModalityInput
from spatialweave.nn.losses import pair_distance, reconstruction_loss, triplet_loss
from spatialweave.nn.propagation import neighbour_mean
from spatialweave.nn.sage import SageLayer, SageStack, unit_rows


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(5, 8), (8, 5)])
def test_sage_layer_equals_torch_geometric(graph, n_inputs, n_outputs):
    from torch_geometric.nn import SAGEConv

    layer = SageLayer(n_inputs, n_outputs)
    layer.reset_parameters(torch.Generator().manual_seed(1))
    reference = SAGEConv(n_inputs, n_outputs, normalize=True)
    reference.load_state_dict({"lin_l.weight": layer.neighbour, "lin_l.bias": layer.bias, "lin_r.weight": layer.root})
    receivers, senders = graph.nonzero()
    edges = torch.tensor(np.stack([senders, receivers]), dtype=torch.long)
    x = torch.randn(40, n_inputs, requires_grad=True)
    weights = torch.randn(40, n_outputs)
    ours, theirs = layer(x, neighbour_mean(graph)), reference(x, edges)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(layer(x, neighbour_mean(graph), neighbour_mean(graph)(x)), theirs)
    (gradient,) = torch.autograd.grad((ours * weights).sum(), x)
    (expected,) = torch.autograd.grad((theirs * weights).sum(), x)
    torch.testing.assert_close(gradient, expected)


def test_unit_rows_gradient():
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unit_rows, x)
    torch.testing.assert_close(unit_rows(x), torch.nn.functional.normalize(x, dim=1))
    assert unit_rows(torch.zeros(1, 3)).tolist() == [[0.0, 0.0, 0.0]]


def test_activation_only_changes_the_hidden_layer(graph):
    linear, relu = SageStack(4, 6, 3, False), SageStack(4, 6, 3, True)
    linear.reset_parameters(torch.Generator().manual_seed(0))
    relu.load_state_dict(linear.state_dict())
    x, mean = torch.randn(40, 4), neighbour_mean(graph)
    hidden = linear.first(x, mean)
    torch.testing.assert_close(relu(x, mean), linear.second(hidden.relu(), mean))
    assert (relu(x, mean) < 0).any()
    assert not torch.allclose(relu(x, mean), linear(x, mean))


def test_triplet_loss_equals_torch():
    a, p, n = (torch.randn(50, 7, requires_grad=True) for _ in range(3))
    expected = torch.nn.TripletMarginLoss(margin=0.5)(a, p, n)
    ours = triplet_loss(pair_distance(a - p), pair_distance(a - n), 0.5)
    torch.testing.assert_close(ours, expected)
    for got, wanted in zip(torch.autograd.grad(ours, (a, p, n)), torch.autograd.grad(expected, (a, p, n)), strict=True):
        torch.testing.assert_close(got, wanted)


def test_triplet_loss_by_hand_and_without_triplets():
    # max(0, 3 - 5 + 1) = 0 and max(0, 4 - 1 + 1) = 4: mean 2.
    assert triplet_loss(torch.tensor([3.0, 4.0]), torch.tensor([5.0, 1.0]), 1.0).item() == 2.0
    assert triplet_loss(torch.empty(0), torch.empty(0), 0.5).item() == 0.0


def test_reconstruction_loss_by_hand():
    target = torch.tensor([[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]])
    reconstruction = torch.tensor([[1.0, 0.0], [2.0, 4.0], [0.0, 0.0]])
    assert reconstruction_loss(target, reconstruction).item() == pytest.approx((4 + 1 + 162) / 6)
    assert reconstruction_loss(target, reconstruction, torch.tensor([True, True, False])).item() == pytest.approx(5 / 4)


def test_missing_spots_enter_with_the_mean_of_their_measured_neighbours(graph, rng):
    present = rng.random(40) < 0.6
    present[7] = False
    latent = rng.normal(size=(40, 4)).astype(np.float32)
    modality = ModalityInput(Modality("rna", latent, present), graph, torch.device("cpu"))
    adjacency = (graph.toarray() != 0) * present
    for spot in range(40):
        senders = latent[adjacency[spot]]
        expected = latent[spot] if present[spot] else senders.mean(axis=0) if len(senders) else np.zeros(4)
        np.testing.assert_allclose(modality.features[spot], expected, atol=1e-6)
    signal = torch.randn(40, 2)
    expected = adjacency @ signal.double().numpy() / np.maximum(adjacency.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(modality.neighbours(signal), expected, atol=1e-6)
    encodings = modality.encode(lambda x, neighbours: x + 1)
    reached = present | (adjacency.sum(axis=1) > 0)
    assert not present[reached].all() and not reached[7]
    np.testing.assert_allclose(encodings[reached], modality.features[reached] + 1, atol=1e-6)
    # Spot 7 has neither the modality nor a neighbour: it takes the mean encoding.
    np.testing.assert_allclose(encodings[7], latent[present].mean(axis=0) + 1, atol=1e-5)
