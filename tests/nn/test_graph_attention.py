"""The attention layer against dense torch, torch_geometric's softmax, numbers worked by hand and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor

from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.graph_attention import GraphAttention, Neighbourhood, edge_cosines


def with_itself(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    return (graph + sparse.identity(graph.shape[0])).tocsr()


@pytest.fixture
def local(graph: sparse.csr_matrix) -> EdgeGraph:
    return EdgeGraph(with_itself(graph))


@pytest.fixture
def distant() -> EdgeGraph:
    """Every spot itself, and the pairs 0-30 and 5-20."""
    pairs = sparse.csr_matrix((np.ones(4), ([0, 30, 5, 20], [30, 0, 20, 5])), shape=(40, 40))
    return EdgeGraph(with_itself(pairs))


def drawn(n_inputs: int, n_outputs: int, heads: int, split: bool = False) -> GraphAttention:
    layer = GraphAttention(n_inputs, n_outputs, heads, split)
    layer.reset_parameters(torch.Generator().manual_seed(1))
    return layer


def dense(values: Tensor, graph: EdgeGraph) -> Tensor:
    """Edges x heads as heads x spots x spots."""
    full = torch.zeros(values.shape[1], graph.n_spots, graph.n_spots)
    full[:, graph.receivers, graph.senders] = values.T
    return full


def expected_weights(layer: GraphAttention, z: Tensor, graph: EdgeGraph, pattern: Tensor | float, t: float) -> Tensor:
    """Attention by its formula on full matrices: heads x spots x spots."""
    there = dense(torch.ones(graph.n_edges, 1), graph)[0] > 0
    heads = []
    for h, block in enumerate(z.chunk(layer.heads, dim=1)):
        scores = torch.sigmoid((block @ layer.receiver[h])[:, None] + (block @ layer.sender[h])[None, :]) / t
        scores = scores * (pattern if isinstance(pattern, float) else pattern[h])
        heads.append(torch.softmax(scores.masked_fill(~there, -torch.inf), dim=1))
    return torch.stack(heads)


@pytest.mark.parametrize(("heads", "split"), [(1, False), (2, False), (2, True), (4, True)])
def test_layer_and_its_gradients_equal_the_dense_formula(
    local: EdgeGraph, distant: EdgeGraph, heads: int, split: bool
) -> None:
    layer = drawn(12, 8, heads, split)
    x = torch.randn(40, 12, requires_grad=True)
    pattern = torch.rand(local.n_edges, heads) * 2 - 1
    around = Neighbourhood(local, pattern, distant, alpha=0.3, temperature=0.5)
    y, weights = layer(x, around)
    back = layer.transposed(y, around, weights)

    full = torch.block_diag(*layer.weight)
    z = x @ full
    near = expected_weights(layer, z, local, dense(pattern, local), 0.5)
    far = expected_weights(layer, z, distant, 1.0, 0.5)
    together = 0.7 * near + 0.3 * far
    wanted = torch.cat([a @ block for a, block in zip(together, z.chunk(heads, dim=1), strict=True)], dim=1)
    gathered = torch.cat([a @ block for a, block in zip(together, wanted.chunk(heads, dim=1), strict=True)], dim=1)
    torch.testing.assert_close(dense(weights.local, local), near)
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close(back, gathered @ full.T)

    leaves = [x, *layer.parameters()]
    pull = torch.randn(back.shape)
    ours = torch.autograd.grad((back * pull).sum(), leaves)
    theirs = torch.autograd.grad(((gathered @ full.T) * pull).sum(), leaves)
    for got, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
        assert got.abs().max() > 1e-4


def test_weights_equal_torch_geometrics_softmax(local: EdgeGraph) -> None:
    from torch_geometric.utils import softmax

    layer, z = drawn(8, 8, 2), torch.randn(40, 8)
    f1 = torch.stack([z[:, 4 * h : 4 * h + 4] @ layer.receiver[h] for h in range(2)], dim=1)
    f2 = torch.stack([z[:, 4 * h : 4 * h + 4] @ layer.sender[h] for h in range(2)], dim=1)
    scores = torch.sigmoid(f1[local.receivers] + f2[local.senders])
    expected = softmax(scores / 0.2, local.receivers, num_nodes=40)
    torch.testing.assert_close(layer.weigh(z, Neighbourhood(local, temperature=0.2)).local, expected)


def test_two_spots_by_hand() -> None:
    """One head, one dimension, u = 0, v = 1: spot 0 scores itself sigmoid(0) = 1/2 and spot 1 sigmoid(ln 3) = 3/4."""
    graph = EdgeGraph(sparse.csr_matrix(np.array([[1.0, 1.0], [0.0, 1.0]])))
    layer = GraphAttention(1, 1, 1)
    with torch.no_grad():
        layer.weight[:], layer.receiver[:], layer.sender[:] = 2.0, 0.0, 1.0
    x = torch.tensor([[0.0], [math.log(3) / 2]])
    y, weights = layer(x, Neighbourhood(graph, temperature=0.25 / math.log(4)))
    # Scores differ by 1/4, over the temperature by ln 4: weights 1/5 and 4/5.
    assert weights.local[:, 0].tolist() == pytest.approx([0.2, 0.8, 1.0])
    assert y[:, 0].tolist() == pytest.approx([0.8 * math.log(3), math.log(3)])


@pytest.mark.parametrize("heads", [1, 2])
def test_every_number_of_heads_distinguishes_neighbours(local: EdgeGraph, heads: int) -> None:
    z = torch.randn(40, 8)
    weights = drawn(8, 8, heads).weigh(z, Neighbourhood(local)).local
    degree = local.sum(torch.ones(local.n_edges, 1))
    uneven = (weights - 1 / local.of_receivers(degree)).abs()
    assert (local.largest(uneven)[degree[:, 0] > 1] > 1e-3).all()


def test_the_more_similar_the_more_attention_and_no_more_than_the_temperature_allows(local: EdgeGraph) -> None:
    layer, z, temperature = drawn(8, 8, 1), torch.zeros(40, 8), 0.25
    pattern = torch.linspace(-1, 1, local.n_edges)[:, None]
    weights = layer.weigh(z, Neighbourhood(local, pattern, temperature=temperature)).local
    # All scores are sigmoid(0) = 1/2, so ln of a weight is the cosine x 1/2 / temperature, up to a constant per spot.
    for spot in range(40):
        own = local.receivers == spot
        logs, cosines = weights[own, 0].log(), pattern[own, 0]
        torch.testing.assert_close(logs - logs[0], 2 * (cosines - cosines[0]), atol=1e-5, rtol=1e-5)


def test_cosines_per_head(local: EdgeGraph) -> None:
    embedding = torch.randn(40, 6)
    embedding[3] = 0
    cosines = edge_cosines(local, embedding.requires_grad_(), heads=2)
    for h, block in enumerate(embedding.chunk(2, dim=1)):
        expected = torch.cosine_similarity(block[local.receivers], block[local.senders], dim=1)
        torch.testing.assert_close(cosines[:, h], expected)
    assert not cosines.requires_grad
    assert (cosines[local.receivers == 3] == 0).all()


def test_alpha_divides_the_attention(local: EdgeGraph, distant: EdgeGraph) -> None:
    layer, x = drawn(12, 8, 4), torch.randn(40, 12)
    near, _ = layer(x, Neighbourhood(local))
    far, _ = layer(x, Neighbourhood(distant))
    for alpha in (0.0, 0.4, 1.0):
        both, _ = layer(x, Neighbourhood(local, None, distant, alpha))
        torch.testing.assert_close(both, (1 - alpha) * near + alpha * far)


def test_order_of_spots_does_not_matter(graph: sparse.csr_matrix) -> None:
    layer, x = drawn(12, 8, 2), torch.randn(40, 12)
    order = np.random.default_rng(0).permutation(40)
    y, _ = layer(x, Neighbourhood(EdgeGraph(with_itself(graph))))
    moved, _ = layer(x[order], Neighbourhood(EdgeGraph(with_itself(graph)[order][:, order])))
    torch.testing.assert_close(moved, y[order])


def test_gradients_by_finite_differences(graph: sparse.csr_matrix) -> None:
    small = EdgeGraph(with_itself(graph[:10, :10]))
    layer = drawn(4, 4, 2).double()
    around = Neighbourhood(small, torch.rand(small.n_edges, 2, dtype=torch.float64), small, 0.3, 0.5)

    class ThereAndBack(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            y, weights = self.layer(x, around)
            return self.layer.transposed(y, around, weights)

    names, values = zip(*ThereAndBack().named_parameters(), strict=True)

    def result(x: Tensor, *given: Tensor) -> Tensor:
        return torch.func.functional_call(ThereAndBack(), dict(zip(names, given, strict=True)), (x,))

    x = torch.randn(10, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(result, (x, *values))


def test_initial_weights_follow_the_generator_and_have_xaviers_standard_deviation() -> None:
    one, two = (drawn(300, 200, 4, split=True) for _ in range(2))
    assert torch.equal(one.weight, two.weight) and torch.equal(one.sender, two.sender)
    assert one.weight.std().item() == pytest.approx(math.sqrt(2 / (75 + 50)), rel=0.05)
    assert not torch.equal(one.receiver, one.sender)
