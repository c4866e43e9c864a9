"""The Barlow twins loss against numpy's correlations, closed forms and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from spatialweave.nn.barlow import barlow_loss, cross_correlation


@pytest.fixture
def views() -> tuple[Tensor, Tensor]:
    """Two views of 30 spots, 4 dimensions, that have something in common."""
    generator = torch.Generator().manual_seed(2)
    first = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    return first, first + torch.randn(30, 4, generator=generator, dtype=torch.float64)


def test_equals_numpy(views: tuple[Tensor, Tensor]) -> None:
    first, second = views
    expected = np.corrcoef(first.numpy().T, second.numpy().T)[:4, 4:]
    np.testing.assert_allclose(cross_correlation(first, second), expected, atol=1e-12)
    diagonal = np.diag(expected)
    off = expected[~np.eye(4, dtype=bool)]
    loss = barlow_loss(first, second, 0.3)
    assert loss.item() == pytest.approx(((1 - diagonal) ** 2).sum() + 0.3 * (off**2).sum(), abs=1e-12)


def test_only_spots_that_count_enter(views: tuple[Tensor, Tensor]) -> None:
    first, second = views
    counts = torch.arange(30) % 3 > 0
    expected = np.corrcoef(first[counts].numpy().T, second[counts].numpy().T)[:4, 4:]
    elsewhere = torch.where(counts[:, None], first, first * 100 + 7)
    np.testing.assert_allclose(cross_correlation(elsewhere, second, counts), expected, atol=1e-10)


def test_twins_whose_dimensions_are_uncorrelated_lose_nothing() -> None:
    # Columns of a Hadamard matrix: mean 0, orthogonal.
    ones = torch.ones(2, 2, dtype=torch.float64)
    ones[1, 1] = -1
    columns = torch.kron(torch.kron(ones, ones), ones)[:, 1:]
    assert barlow_loss(columns, 3 * columns - 5, 1.0).item() == pytest.approx(0, abs=1e-12)
    # Opposite twins: (1 - (-1))^2 in each of the 7 dimensions. Columns in another order: none agrees with its twin, and
    # each correlates fully with one other.
    assert barlow_loss(columns, -columns, 1.0).item() == pytest.approx(28)
    assert barlow_loss(columns, columns.roll(1, dims=1), 0.5).item() == pytest.approx(7 + 0.5 * 7)


def test_shift_and_scale_do_not_matter(views: tuple[Tensor, Tensor]) -> None:
    first, second = views
    factors = torch.tensor([1e-3, 1.0, 20.0, 1e3], dtype=torch.float64)
    changed = barlow_loss(first * factors + 3, second, 0.1)
    torch.testing.assert_close(changed, barlow_loss(first, second, 0.1), rtol=1e-9, atol=0)


def test_gradient(views: tuple[Tensor, Tensor]) -> None:
    first, second = (view.requires_grad_() for view in views)
    counts = torch.arange(30) % 4 > 0
    assert torch.autograd.gradcheck(lambda a, b: barlow_loss(a, b, 0.2, counts), (first, second))


def test_constant_columns_and_no_spots_are_survived(views: tuple[Tensor, Tensor]) -> None:
    first, second = (view.float() for view in views)
    constant = torch.full_like(first, 0.1).requires_grad_()
    loss = barlow_loss(constant, second, 0.2)
    loss.backward()
    assert loss.item() == pytest.approx(4, abs=1e-3)
    assert constant.grad is not None and constant.grad.isfinite().all()
    nobody = barlow_loss(first, second, 0.2, torch.zeros(30, dtype=torch.bool))
    assert nobody.item() == 4
