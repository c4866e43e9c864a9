"""The learned graph against the same graph as a dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import gcn_normalise
from spatialweave.nn.learned_graph import LearnedGraph, correlation_similarity


@pytest.fixture
def similarities(graph: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    """Symmetric positive weights over 40 spots, of which spot 7 is joined to few."""
    weighted = sparse.csr_matrix(graph.multiply(rng.uniform(0.2, 1, graph.shape)))
    return sparse.csr_matrix(weighted.maximum(weighted.T))


def dense(learned: LearnedGraph, weights: Tensor) -> Tensor:
    n_spots = learned.edges.n_spots
    flat = torch.zeros(n_spots * n_spots, dtype=weights.dtype)
    return flat.index_put((learned.edges.receivers * n_spots + learned.edges.senders,), weights).view(n_spots, n_spots)


def dense_graph(w: Tensor) -> Tensor:
    """D^-1/2 (relu(W) + I) D^-1/2."""
    raw = w.relu() + torch.eye(len(w), dtype=w.dtype)
    root = raw.sum(dim=1).rsqrt()
    return root[:, None] * raw * root[None, :]


def test_it_starts_as_the_normalised_graph(similarities: sparse.csr_matrix) -> None:
    learned = LearnedGraph(similarities)
    expected = torch.as_tensor(gcn_normalise(similarities).toarray())
    torch.testing.assert_close(dense(learned, learned.weights()), expected)
    assert len(learned.strengths) == similarities.nnz // 2
    assert learned.distance().item() == 0.0


def test_products_and_gradients_equal_the_dense_computation(similarities: sparse.csr_matrix) -> None:
    learned = LearnedGraph(similarities)
    x = torch.randn(40, 5, requires_grad=True)
    probe = torch.randn(40, 5)
    w = torch.as_tensor(similarities.toarray(), dtype=torch.float32).requires_grad_()
    moved = 0.3 * torch.randn(learned.strengths.shape)
    upper = torch.as_tensor(similarities.toarray() > 0).triu().nonzero(as_tuple=True)
    with torch.no_grad():
        learned.strengths += moved
        w[upper] += moved
        w.T[upper] = w[upper]
    assert (learned.strengths < 0).any()
    target = dense(learned, learned.target)
    ours = (learned(x) * probe).sum() + learned.distance()
    theirs = (dense_graph(w) @ x * probe).sum() + torch.linalg.matrix_norm(dense_graph(w) - target)
    torch.testing.assert_close(ours, theirs)
    to_strengths, to_x = torch.autograd.grad(ours, (learned.strengths, x))
    to_w, expected_x = torch.autograd.grad(theirs, (w, x))
    # One strength is at both (i, j) and (j, i).
    torch.testing.assert_close(to_strengths, (to_w + to_w.T)[upper], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(to_x, expected_x)


def test_gradient_by_finite_differences(similarities: sparse.csr_matrix) -> None:
    learned = LearnedGraph(similarities).double()
    assert learned.target.dtype == torch.float64
    start = learned.strengths.detach().clone()

    def product(strengths: Tensor, x: Tensor) -> Tensor:
        return torch.func.functional_call(learned, {"strengths": strengths}, (x,))

    x = torch.randn(40, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(product, (start.requires_grad_(), x))


def test_the_target_is_an_exponential_moving_average(similarities: sparse.csr_matrix) -> None:
    learned = LearnedGraph(similarities, momentum=0.8)
    first = learned.weights().detach()
    with torch.no_grad():
        learned.strengths.mul_(0.5)
    second = learned.weights().detach()
    learned.follow()
    torch.testing.assert_close(learned.target, 0.8 * first + 0.2 * second)
    learned.follow()
    torch.testing.assert_close(learned.target, 0.64 * first + 0.36 * second)
    assert learned.distance().item() == pytest.approx(0.64 * (first - second).norm().item(), rel=1e-5)
    assert "target" in learned.state_dict()


def test_the_distance_of_some_spots_is_that_of_their_rows(similarities: sparse.csr_matrix) -> None:
    learned = LearnedGraph(similarities)
    with torch.no_grad():
        learned.strengths.mul_(torch.linspace(0.2, 1, len(learned.strengths)))
    moved = dense(learned, learned.weights().detach() - learned.target)
    spots = torch.tensor([0, 3, 7, 21])
    assert learned.distance(spots=spots).item() == pytest.approx(moved[spots].norm().item(), rel=1e-5)
    assert moved[spots].norm() < moved.norm()


def test_at_its_target_the_distance_has_no_gradient(similarities: sparse.csr_matrix) -> None:
    learned = LearnedGraph(similarities)
    (gradient,) = torch.autograd.grad(learned.distance(), learned.strengths)
    assert (gradient == 0).all()


def test_an_edge_without_strength_carries_nothing_and_a_spot_without_edges_keeps_its_row() -> None:
    learned = LearnedGraph(sparse.csr_matrix(np.array([[0, 2.0, 0], [2.0, 0, 0], [0, 0, 0]])))
    x = torch.tensor([[1.0], [5.0], [7.0]])
    # Rows (1, 2) / 3 and (2, 1) / 3.
    assert learned(x)[:, 0].tolist() == pytest.approx([11 / 3, 7 / 3, 7])
    with torch.no_grad():
        learned.strengths.fill_(-1)
    assert learned(x)[:, 0].tolist() == [1, 5, 7]


def test_similarity_joins_both_directions_and_keeps_what_is_not_similar() -> None:
    directed = sparse.csr_matrix((np.array([0.25, 0.0, 1.5]), ([0, 1, 2], [1, 2, 0])), shape=(3, 3))
    similar = correlation_similarity(directed)
    assert similar.toarray().tolist() == [[0, 0.75, 0], [0.75, 0, 1], [0, 1, 0]]
    assert similar.nnz == 6
    assert len(LearnedGraph(similar).strengths) == 3


def test_the_shorter_of_two_distances_counts() -> None:
    directed = sparse.csr_matrix((np.array([0.25, 0.5]), ([0, 1], [1, 0])), shape=(2, 2))
    assert correlation_similarity(directed).toarray().tolist() == [[0, 0.75], [0.75, 0]]


def test_the_order_in_which_edges_are_stored_does_not_matter(similarities: sparse.csr_matrix) -> None:
    order = np.random.default_rng(0).permutation(40)
    mixed = similarities[order][:, order].tocsr()
    assert not mixed.has_sorted_indices
    expected = np.where(similarities.toarray() > 0, 1 - similarities.toarray(), 0)[order][:, order]
    np.testing.assert_allclose(correlation_similarity(mixed).toarray(), expected)
    x = torch.randn(40, 3)
    torch.testing.assert_close(LearnedGraph(mixed)(x[order]), LearnedGraph(similarities)(x)[order])


def test_distances_that_cannot_be_of_correlation_are_refused() -> None:
    euclidean = sparse.csr_matrix((np.array([0.5, 7.0]), ([0, 1], [1, 0])), shape=(2, 2))
    with pytest.raises(InputError, match="metric: correlation"):
        correlation_similarity(euclidean)


def test_without_edges_it_is_the_identity() -> None:
    learned = LearnedGraph(correlation_similarity(sparse.csr_matrix((4, 4))))
    x = torch.randn(4, 2)
    torch.testing.assert_close(learned(x), x)
    assert learned.distance().item() == 0.0


def test_published_it_starts_from_normalised_weights_and_learns_those_of_spots_too(
    similarities: sparse.csr_matrix,
) -> None:
    learned = LearnedGraph(similarities, normalised=True)
    once = torch.as_tensor(gcn_normalise(similarities).toarray())
    torch.testing.assert_close(dense(learned, learned.target), once)
    torch.testing.assert_close(dense(learned, learned.weights()), dense_graph(once))
    # It is not its own target, and every weight is learned.
    learned.distance().backward()
    for weights in (learned.strengths, learned.own):
        assert weights.grad is not None and (weights.grad != 0).all()


def test_published_each_direction_of_an_edge_has_half_of_the_gradient() -> None:
    """Two spots joined by 1: all weights start at 1/2, rows sum to r = 1 + 1/2 + 1/2 = 2, and G is 1/4 between them.

    The sum of both entries off the diagonal, 2 w / (1 + o + w), has the derivative 2 (1 + o) / r^2 = 3/4 by w, of which
    each direction has half; by the weight o of either spot itself it is -w / r^2 = -1/8.
    """
    learned = LearnedGraph(sparse.csr_matrix(np.array([[0.0, 1.0], [1.0, 0.0]])), normalised=True)
    weights = learned.weights()
    across = weights[learned.edges.receivers != learned.edges.senders].sum()
    assert across.item() == pytest.approx(0.5)
    across.backward()
    assert learned.strengths.grad is not None and learned.own.grad is not None
    assert learned.strengths.grad.tolist() == pytest.approx([0.375])
    assert learned.own.grad.tolist() == pytest.approx([-0.125, -0.125])
