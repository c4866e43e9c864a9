"""Sparse products against dense algebra and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from spatialweave.nn.propagation import Propagation, neighbour_mean, row_differences


@pytest.mark.parametrize("weighted", [False, True])
def test_product_and_gradient_equal_dense_algebra(graph, rng, weighted):
    matrix = graph.multiply(rng.normal(size=graph.shape)).tocsr() if weighted else graph
    scale = rng.random(40)
    dense = torch.tensor(np.diag(scale) @ matrix.toarray(), dtype=torch.float32)
    x = torch.randn(40, 5, requires_grad=True)
    weights = torch.randn(40, 5)
    propagation = Propagation(matrix, scale)
    torch.testing.assert_close(propagation(x), dense @ x)
    (gradient,) = torch.autograd.grad((propagation(x) * weights).sum(), x)
    torch.testing.assert_close(gradient, dense.T @ weights)


def test_gradient_passes_finite_differences(graph, rng):
    scale = rng.random(40)
    propagation = Propagation(graph.multiply(rng.normal(size=graph.shape)).tocsr(), scale)
    propagation._scale = propagation._scale.double()
    assert torch.autograd.gradcheck(propagation, torch.randn(40, 3, dtype=torch.float64, requires_grad=True))


def test_neighbour_mean_by_hand():
    # 0 -> {1, 2}, 1 -> {0}, 2 -> nobody; the stored zero of 0 -> 2 (a coincident spot) is a neighbour all the same.
    graph = sparse.csr_matrix((np.array([3.0, 0.0, 1.0]), np.array([1, 2, 0]), np.array([0, 2, 3, 3])), shape=(3, 3))
    x = torch.tensor([[1.0], [2.0], [6.0]])
    assert neighbour_mean(graph)(x).ravel().tolist() == [4.0, 1.0, 0.0]
    assert neighbour_mean(graph, np.array([False, True, False]))(x).ravel().tolist() == [2.0, 0.0, 0.0]


def test_row_differences():
    x = torch.randn(6, 4)
    first, second = np.array([0, 3, 3]), np.array([5, 3, 1])
    torch.testing.assert_close(row_differences(first, second, 6)(x), x[first] - x[second])
