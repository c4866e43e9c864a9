"""Layers and losses against torch_geometric, torch and hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spatialweave.io.dataset import Modality
from spatialweave.nn.inputs import ModalityInput
from spatialweave.nn.losses import pair_distance, reconstruction_loss, triplet_loss
from spatialweave.nn.unit_rows import unit_rows


def test_unit_rows_gradient():
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unit_rows, x)
    torch.testing.assert_close(unit_rows(x), torch.nn.functional.normalize(x, dim=1))
    assert unit_rows(torch.zeros(1, 3)).tolist() == [[0.0, 0.0, 0.0]]


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
    np.testing.assert_allclose(modality.sums(signal), expected, atol=1e-6)
    encodings = modality.encode(lambda x, neighbours: x + 1)
    reached = present | (adjacency.sum(axis=1) > 0)
    assert not present[reached].all() and not reached[7]
    np.testing.assert_allclose(encodings[reached], modality.features[reached] + 1, atol=1e-6)
    # Spot 7 has neither the modality nor a neighbour: it takes the mean encoding.
    np.testing.assert_allclose(encodings[7], latent[present].mean(axis=0) + 1, atol=1e-5)
