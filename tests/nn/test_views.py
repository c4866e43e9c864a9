"""Attention over views against the formula spot by spot, and its invariants."""

from __future__ import annotations

import numpy as np
import torch

from spatialweave.nn.attention import ViewAttention


def drawn(n_dims: int) -> ViewAttention:
    attention = ViewAttention(n_dims)
    attention.reset_parameters(torch.Generator().manual_seed(4))
    return attention


def test_weights_and_sum_follow_the_formula() -> None:
    attention, views = drawn(3), [torch.randn(6, 3) for _ in range(4)]
    omega, u = attention.omega.detach().double().numpy(), attention.u.detach().double().numpy()[:, 0]
    result, weights = attention(views)
    for spot in range(6):
        rows = [view[spot].double().numpy() for view in views]
        powers = np.array([np.exp(u @ np.tanh(row @ omega)) for row in rows])
        expected = powers / powers.sum()
        np.testing.assert_allclose(weights[spot].detach(), expected, rtol=1e-5)
        np.testing.assert_allclose(result[spot].detach(), expected @ np.array(rows), rtol=1e-4, atol=1e-6)


def test_scaled_scores_do_not_depend_on_the_size_of_the_views() -> None:
    attention = ViewAttention(3, scaled=True)
    attention.reset_parameters(torch.Generator().manual_seed(4))
    views = [torch.randn(50, 3) for _ in range(2)]
    weights = attention(views)[1]
    torch.testing.assert_close(attention([1e-3 * view for view in views])[1], weights)
    # At a root mean square of 1 it is the plain formula.
    unit = torch.cat(views).square().mean().sqrt()
    torch.testing.assert_close(drawn(3)([view / unit for view in views])[1], weights)


def test_equal_views_weigh_the_same_and_one_view_weighs_all() -> None:
    attention, view = drawn(5), torch.randn(7, 5)
    result, weights = attention([view, view])
    torch.testing.assert_close(weights, torch.full((7, 2), 0.5))
    torch.testing.assert_close(result, view)
    result, weights = attention([view])
    torch.testing.assert_close(weights, torch.ones(7, 1))
    torch.testing.assert_close(result, view)


def test_order_of_views_and_of_spots_does_not_matter() -> None:
    attention, views = drawn(4), [torch.randn(8, 4) for _ in range(3)]
    result, weights = attention(views)
    turned, turned_weights = attention(views[::-1])
    torch.testing.assert_close(turned, result)
    torch.testing.assert_close(turned_weights, weights.flip(1))
    order = torch.randperm(8)
    torch.testing.assert_close(attention([view[order] for view in views])[0], result[order])


def test_gradients_pass_finite_differences() -> None:
    attention = drawn(3).double()
    views = [torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    inputs = (*views, attention.omega, attention.u)
    assert torch.autograd.gradcheck(lambda one, two, *_: attention([one, two]), inputs)
