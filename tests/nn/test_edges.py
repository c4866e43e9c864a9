"""Products over learned edge weights against dense torch, torch_geometric and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor

from spatialweave.nn.edges import EdgeGraph

HEADS = 2


@pytest.fixture
def lonely(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    """The directed graph with a stored zero, which is an edge, and two spots without: 7 receives none, 9 sends none."""
    changed = graph.tolil()
    changed[:, 9] = 0
    changed = changed.tocsr()
    changed.eliminate_zeros()
    changed.data[3] = 0
    return changed


def adjacency(graph: sparse.csr_matrix) -> Tensor:
    """Where edges are stored: bool, spots x spots."""
    dense = torch.zeros(graph.shape, dtype=torch.bool)
    dense[stored(graph)] = True
    return dense


def stored(graph: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr)), graph.indices


def on_edges(dense: Tensor, graph: EdgeGraph) -> Tensor:
    """Entries of spots x spots x heads at the edges."""
    return dense[graph.receivers, graph.senders]


def blocks(x: Tensor) -> Tensor:
    return x.unflatten(1, (HEADS, -1))


def gradients(result: Tensor, leaves: list[Tensor], pull: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad((result * pull).sum(), leaves)


def same_gradients(ours: Tensor, theirs: Tensor, leaves: list[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs)
    pull = torch.randn(ours.shape, generator=torch.Generator().manual_seed(3), dtype=ours.dtype)
    for got, wanted in zip(gradients(ours, leaves, pull), gradients(theirs, leaves, pull), strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.fixture
def leaves(rng: np.random.Generator) -> list[Tensor]:
    """Two random tables, 40 spots x 6."""
    return [torch.tensor(rng.normal(size=(40, 6)), dtype=torch.float32, requires_grad=True) for _ in range(2)]


def test_edges_are_the_stored_entries_row_by_row(lonely: sparse.csr_matrix) -> None:
    graph = EdgeGraph(lonely)
    rows, columns = stored(lonely)
    assert graph.n_edges == len(rows) == int(adjacency(lonely).sum())
    assert graph.receivers.tolist() == rows.tolist() and graph.senders.tolist() == columns.tolist()
    assert 7 not in graph.receivers and 9 not in graph.senders


def test_unsorted_matrices_are_sorted_and_left_alone() -> None:
    matrix = sparse.csr_matrix((np.array([5.0, 6.0]), np.array([2, 0]), np.array([0, 2, 2, 2])), shape=(3, 3))
    graph = EdgeGraph(matrix)
    assert graph.receivers.tolist() == [0, 0] and graph.senders.tolist() == [0, 2]
    assert matrix.indices.tolist() == [2, 0] and matrix.data.tolist() == [5.0, 6.0]


def test_rows_of_receivers_and_senders(lonely: sparse.csr_matrix, leaves: list[Tensor]) -> None:
    graph, (x, _) = EdgeGraph(lonely), leaves
    same_gradients(graph.of_receivers(x), x[graph.receivers], [x])
    same_gradients(graph.of_senders(x), x[graph.senders], [x])


def test_sums_and_largest_per_receiver(lonely: sparse.csr_matrix, rng: np.random.Generator) -> None:
    graph, dense = EdgeGraph(lonely), adjacency(lonely)
    full = torch.tensor(rng.normal(size=(40, 40, 3)), dtype=torch.float32, requires_grad=True)
    values = on_edges(full, graph)
    same_gradients(graph.sum(values), (full * dense[:, :, None]).sum(dim=1), [full])
    expected = full.detach().masked_fill(~dense[:, :, None], -torch.inf).amax(dim=1)
    assert torch.equal(graph.largest(values), expected)
    assert (graph.largest(values)[7] == -torch.inf).all() and (graph.sum(values)[7] == 0).all()
    assert not graph.largest(values).requires_grad


def test_softmax_equals_torch_geometric_and_dense(lonely: sparse.csr_matrix, rng: np.random.Generator) -> None:
    from torch_geometric.utils import softmax

    graph, dense = EdgeGraph(lonely), adjacency(lonely)
    full = torch.tensor(5 * rng.normal(size=(40, 40, HEADS)), dtype=torch.float32, requires_grad=True)
    ours = graph.softmax(on_edges(full, graph))
    same_gradients(ours, softmax(on_edges(full, graph), graph.receivers, num_nodes=40), [full])
    among = torch.softmax(full.masked_fill(~dense[:, :, None], -torch.inf), dim=1)
    torch.testing.assert_close(ours, on_edges(among, graph))
    totals = graph.sum(ours)
    torch.testing.assert_close(totals, dense.any(dim=1)[:, None].float().expand(40, HEADS))


def test_softmax_of_large_scores_neither_overflows_nor_vanishes(graph: sparse.csr_matrix) -> None:
    edge_graph = EdgeGraph(graph)
    scores = torch.linspace(-1, 1, edge_graph.n_edges)[:, None]
    for shift in (-3e3, 3e3):
        torch.testing.assert_close(edge_graph.softmax(scores + shift), edge_graph.softmax(scores), atol=1e-3, rtol=0)


def test_dot_equals_dense(lonely: sparse.csr_matrix, leaves: list[Tensor]) -> None:
    graph, (x, y) = EdgeGraph(lonely), leaves
    expected = on_edges(torch.einsum("ihd,jhd->ijh", blocks(x), blocks(y)), graph)
    same_gradients(graph.dot(x, y, HEADS), expected, leaves)
    torch.testing.assert_close(graph.dot(x, y), (x[graph.receivers] * y[graph.senders]).sum(dim=1, keepdim=True))


def test_weighted_sum_equals_dense(lonely: sparse.csr_matrix, leaves: list[Tensor], rng: np.random.Generator) -> None:
    graph, dense, x = EdgeGraph(lonely), adjacency(lonely), leaves[0]
    full = torch.tensor(rng.normal(size=(40, 40, HEADS)), dtype=torch.float32, requires_grad=True)
    expected = torch.einsum("ijh,jhd->ihd", full * dense[:, :, None], blocks(x)).flatten(1)
    ours = graph.weighted_sum(on_edges(full, graph), x)
    same_gradients(ours, expected, [full, x])
    assert (ours[7] == 0).all()


def test_the_two_sums_are_each_others_transpose(
    lonely: sparse.csr_matrix, leaves: list[Tensor], rng: np.random.Generator
) -> None:
    graph, (x, y) = EdgeGraph(lonely), (leaf.detach() for leaf in leaves)
    weights = torch.tensor(rng.normal(size=(graph.n_edges, HEADS)), dtype=torch.float32)
    forwards = (y * graph.sum_to_receivers(weights, x)).sum()
    backwards = (graph.sum_to_senders(weights, y) * x).sum()
    torch.testing.assert_close(forwards, backwards)
    assert (graph.sum_to_senders(weights, y)[9] == 0).all()


def test_gradients_by_finite_differences(lonely: sparse.csr_matrix, rng: np.random.Generator) -> None:
    small = lonely[:12, :12]
    graph = EdgeGraph(small)
    x, y = (torch.tensor(rng.normal(size=(12, 4)), requires_grad=True) for _ in range(2))
    scores = torch.tensor(rng.normal(size=(graph.n_edges, HEADS)), requires_grad=True)
    assert graph.n_edges > 5
    assert torch.autograd.gradcheck(lambda a, b: graph.dot(a, b, HEADS), (x, y))
    assert torch.autograd.gradcheck(graph.weighted_sum, (scores, x))
    assert torch.autograd.gradcheck(graph.softmax, scores)
    assert torch.autograd.gradcheck(lambda a, b: graph.weighted_sum(graph.softmax(graph.dot(a, b, HEADS)), b), (x, y))


def test_no_edges_at_all() -> None:
    graph = EdgeGraph(sparse.csr_matrix((5, 5)))
    x = torch.randn(5, 4, requires_grad=True)
    weights = graph.softmax(graph.dot(x, x, HEADS))
    result = graph.weighted_sum(weights, x)
    assert weights.shape == (0, HEADS) and torch.equal(result, torch.zeros(5, 4))
    (gradient,) = torch.autograd.grad(result.sum(), x)
    assert torch.equal(gradient, torch.zeros(5, 4))


def test_spots_without_edges_have_gradient_zero_and_leave_the_others_alone(
    lonely: sparse.csr_matrix, leaves: list[Tensor]
) -> None:
    graph, (x, y) = EdgeGraph(lonely), leaves
    result = graph.weighted_sum(graph.softmax(graph.dot(x, y, HEADS)), y)
    to_x, to_y = torch.autograd.grad(result.square().sum(), leaves)
    assert torch.isfinite(result).all() and torch.isfinite(to_x).all() and torch.isfinite(to_y).all()
    assert (to_x[7] == 0).all() and (to_y[9] == 0).all()
    assert (to_x.abs().sum(dim=1) > 0).sum() > 25
