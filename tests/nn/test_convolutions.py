"""Stacks of convolutions against torch_geometric's own sums over edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional
from torch_geometric.nn import GATConv, GCNConv, GraphConv, SAGEConv

from spatialweave.nn.convolutions import HEADS, ConvolutionStack, Kind, messages, shared_sums

REFERENCES: dict[str, Any] = {
    "sage": SAGEConv,
    "gcn": GCNConv,
    "graph": GraphConv,
    "gat": lambda n_inputs, n_outputs: GATConv(n_inputs, n_outputs, heads=HEADS, concat=False),
}


@pytest.mark.parametrize("kind", ["sage", "gcn", "gat", "graph"])
def test_two_layers_equal_torch_geometric(graph: sparse.csr_matrix, kind: Kind) -> None:
    stack = ConvolutionStack(kind, [5, 8, 3], functional.elu, torch.tanh)
    stack.reset_parameters(torch.Generator().manual_seed(1))
    references = [REFERENCES[kind](5, 8), REFERENCES[kind](8, 3)]
    for reference, layer in zip(references, stack.layers, strict=True):
        reference.load_state_dict(layer.state_dict())
    receivers, senders = graph.nonzero()
    edges = torch.tensor(np.stack([senders, receivers]), dtype=torch.long)
    x = torch.randn(40, 5, requires_grad=True)
    weights = torch.randn(40, 3)
    sums = messages(kind, graph)
    ours = stack(x, sums)
    theirs = torch.tanh(references[1](functional.elu(references[0](x, edges)), edges))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(stack(x, sums, shared_sums(kind, sums, x)), theirs)
    (gradient,) = torch.autograd.grad((ours * weights).sum(), x)
    (expected,) = torch.autograd.grad((theirs * weights).sum(), x)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("kind", ["sage", "gcn", "graph"])
def test_only_senders_send(graph: sparse.csr_matrix, kind: Kind) -> None:
    senders = np.random.default_rng(0).random(40) < 0.5
    sums = messages(kind, graph, senders)
    assert callable(sums)
    x = torch.randn(40, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(sums(x).square().sum(), x)
    # A graph convolution has the spot itself among its neighbours.
    silent = torch.as_tensor(~senders)
    assert (gradient[silent] != 0).any().item() == (kind == "gcn")


def test_initial_weights_follow_the_generator_and_leave_the_global_one_alone() -> None:
    state = torch.get_rng_state()
    stacks = [ConvolutionStack("sage", [4, 6, 6], functional.elu) for _ in range(2)]
    generator = torch.Generator().manual_seed(3)
    torch.set_rng_state(state)
    stacks[0].reset_parameters(generator)
    stacks[1].reset_parameters(torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(stacks[0].parameters(), stacks[1].parameters(), strict=True):
        assert torch.equal(one, other)
    # What is drawn next is not what was drawn.
    stacks[1].reset_parameters(generator)
    assert not torch.equal(stacks[0].layers[0].lin_l.weight, stacks[1].layers[0].lin_l.weight)


def test_twice_over_takes_the_second_draw() -> None:
    once, twice = (ConvolutionStack("graph", [4, 6], functional.elu) for _ in range(2))
    generator = torch.Generator().manual_seed(5)
    once.reset_parameters(generator)
    once.reset_parameters(generator)
    twice.reset_parameters(torch.Generator().manual_seed(5), times=2)
    for one, other in zip(once.parameters(), twice.parameters(), strict=True):
        assert torch.equal(one, other)
