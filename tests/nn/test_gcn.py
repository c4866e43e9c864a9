"""Graph convolution against torch_geometric, dense algebra and hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from spatialweave.graphs.matrices import symmetrise
from spatialweave.nn.gcn import GcnLayer, gcn_propagation
from spatialweave.nn.initial_weights import reset_linear


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(5, 8), (8, 5)])
def test_layer_equals_torch_geometric(graph: sparse.csr_matrix, n_inputs: int, n_outputs: int) -> None:
    from torch_geometric.nn import GCNConv

    joined = symmetrise(graph)
    layer = GcnLayer(n_inputs, n_outputs)
    layer.reset_parameters(torch.Generator().manual_seed(1))
    reference = GCNConv(n_inputs, n_outputs, bias=False)
    reference.load_state_dict({"lin.weight": layer.weight.detach().T})
    edges = torch.tensor(np.stack(joined.nonzero()), dtype=torch.long)
    x = torch.randn(40, n_inputs, requires_grad=True)
    ours, theirs = layer(x, gcn_propagation(joined)), reference(x, edges)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(40, n_outputs)
    got = torch.autograd.grad((ours * weights).sum(), (x, layer.weight))
    expected = torch.autograd.grad((theirs * weights).sum(), (x, reference.lin.weight))
    torch.testing.assert_close(got, (expected[0], expected[1].T))


def test_propagation_by_hand() -> None:
    # 0 - 1 - 2 and 3 alone. With themselves the spots have 2, 3, 2 and 1 neighbours.
    joined = sparse.csr_matrix(([1.0] * 4, ([0, 1, 1, 2], [1, 0, 2, 1])), shape=(4, 4))
    x = torch.tensor([[1.0], [2.0], [6.0], [5.0]])
    end, middle = 1 / 2 + 2 / np.sqrt(6), 2 / 3 + (1 + 6) / np.sqrt(6)
    assert gcn_propagation(joined)(x)[:, 0].tolist() == pytest.approx([end, middle, 6 / 2 + 2 / np.sqrt(6), 5.0])


def test_stored_values_of_the_graph_and_a_diagonal_do_not_add_self_loops(graph: sparse.csr_matrix) -> None:
    joined = symmetrise(graph)
    x = torch.randn(40, 3)
    with_loops = (joined + sparse.identity(40)).tocsr()
    torch.testing.assert_close(gcn_propagation(with_loops)(x), gcn_propagation(joined)(x))


def test_layer_is_linear(graph: sparse.csr_matrix) -> None:
    layer, propagation = GcnLayer(4, 3), gcn_propagation(symmetrise(graph))
    layer.reset_parameters(torch.Generator().manual_seed(0))
    x, y = torch.randn(2, 40, 4)
    mixed = layer(2 * x - 3 * y, propagation)
    torch.testing.assert_close(mixed, 2 * layer(x, propagation) - 3 * layer(y, propagation), atol=1e-5, rtol=1e-4)


def test_draws_fill_their_ranges_and_follow_the_generator() -> None:
    layer = GcnLayer(300, 100)
    layer.reset_parameters(torch.Generator().manual_seed(3))
    bound = np.sqrt(6 / 400)
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    assert layer.weight.var().item() == pytest.approx(bound**2 / 3, rel=0.05)
    nets = [nn.Sequential(nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 9)) for _ in range(3)]
    for net, seed in zip(nets, (0, 0, 1), strict=True):
        reset_linear(net, torch.Generator().manual_seed(seed))
    for one, other, third in zip(*(net.parameters() for net in nets), strict=True):
        assert torch.equal(one, other) and not torch.equal(one, third)
    for linear in (nets[0][0], nets[0][2]):
        bound = 1 / np.sqrt(linear.in_features)
        assert 0.95 * bound < linear.weight.abs().max() <= bound and linear.bias.abs().max() <= bound
