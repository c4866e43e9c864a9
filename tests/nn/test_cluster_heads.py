"""Cluster heads and their losses against closed forms, scipy, plain loops and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from spatialweave.nn.cluster_heads import (
    ClusterHead,
    InstanceHead,
    cluster_contrast,
    cluster_imbalance,
    instance_loss,
    largest_probabilities,
    released_target,
    sharpened_target,
    target_loss,
)


def table(n_spots: int, n_clusters: int, seed: int = 0) -> Tensor:
    """Random probabilities in double precision."""
    draws = torch.randn(n_spots, n_clusters, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.softmax(2 * draws, dim=1)


def everywhere(n_spots: int) -> Tensor:
    return torch.ones(n_spots, dtype=torch.bool)


def test_instance_loss_by_hand() -> None:
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    second = torch.tensor([[5.0, 0.0], [0.0, 1.0], [1.0, math.sqrt(3)], [0.0, -1.0]])
    # Cosines 1, 0, 1/2, -1: (cos + 1) / 2 = 1, 1/2, 3/4, and 1e-6 in place of 0.
    expected = [0, -2 * math.log(0.5), -2 * math.log(0.75), -2 * math.log(1e-6)]
    for spot, value in enumerate(expected):
        only = torch.arange(4) == spot
        assert instance_loss(first, second, only).item() == pytest.approx(value, abs=1e-6)
    assert instance_loss(first, second, everywhere(4)).item() == pytest.approx(np.mean(expected))
    assert instance_loss(first, second, torch.arange(4) < 2).item() == pytest.approx(math.log(2))
    assert instance_loss(first, second, ~everywhere(4)).item() == 0


def test_instance_loss_ignores_lengths() -> None:
    first, second = torch.randn(2, 9, 4)
    lengths = torch.rand(9, 1) + 0.1
    torch.testing.assert_close(
        instance_loss(lengths * first, second, everywhere(9)), instance_loss(first, second, everywhere(9))
    )


def contrast_by_loops(first: np.ndarray, second: np.ndarray, temperature: float) -> float:
    columns = [*first.T, *second.T]
    n_clusters, losses = first.shape[1], []
    for a, anchor in enumerate(columns):
        partner = (a + n_clusters) % (2 * n_clusters)
        power = [math.exp(anchor @ c / np.linalg.norm(anchor) / np.linalg.norm(c) / temperature) for c in columns]
        losses.append(-math.log(power[partner] / sum(value for b, value in enumerate(power) if b != a)))
    return float(np.mean(losses))


def test_cluster_contrast_equals_plain_loops() -> None:
    first, second = table(30, 4, 1), table(30, 4, 2)
    for temperature in (0.5, 1.0):
        expected = contrast_by_loops(first.numpy(), second.numpy(), temperature)
        assert cluster_contrast(first, second, temperature).item() == pytest.approx(expected)
    assert cluster_contrast(first, second).item() == pytest.approx(cluster_contrast(second, first).item())


@pytest.mark.parametrize("n_clusters", [2, 3, 7])
def test_cluster_contrast_of_tables_that_agree_and_that_swap_clusters(n_clusters: int) -> None:
    sure = torch.eye(n_clusters).repeat(5, 1)
    # Cosine 1 with the counterpart, 0 with the 2K - 2 others.
    expected = math.log(1 + (2 * n_clusters - 2) * math.exp(-2))
    assert cluster_contrast(sure, sure, 0.5).item() == pytest.approx(expected, rel=1e-5)
    assert cluster_contrast(sure, sure.roll(1, dims=1), 0.5).item() > expected + 1


def test_imbalance_is_log_k_minus_the_entropy_of_sizes() -> None:
    probabilities = table(50, 6)
    expected = math.log(6) - stats.entropy(probabilities.sum(dim=0).numpy())
    assert cluster_imbalance(probabilities).item() == pytest.approx(expected)
    assert cluster_imbalance(torch.eye(4).repeat(3, 1)).item() == pytest.approx(0, abs=1e-6)
    collapsed = torch.tensor([[1.0, 0.0, 0.0]]).repeat(9, 1)
    assert cluster_imbalance(collapsed).item() == pytest.approx(math.log(3))


def test_largest_probabilities() -> None:
    first, second = torch.tensor([[0.9, 0.1], [0.3, 0.7]]), torch.tensor([[0.2, 0.8], [0.6, 0.4]])
    torch.testing.assert_close(largest_probabilities([first, second]), torch.tensor([[0.9, 0.8], [0.6, 0.7]]))
    torch.testing.assert_close(largest_probabilities([first]), first)


def test_target_by_hand() -> None:
    q = torch.tensor([[0.5, 0.5], [0.9, 0.1]], requires_grad=True)
    # Sizes 1.4 and 0.6: weights 0.25/1.4 and 0.25/0.6, so the small cluster gains; then 0.81/1.4 and 0.01/0.6.
    one = [0.25 / 1.4, 0.25 / 0.6]
    two = [0.81 / 1.4, 0.01 / 0.6]
    expected = torch.tensor([[value / sum(row) for value in row] for row in (one, two)])
    target = sharpened_target(q)
    torch.testing.assert_close(target, expected)
    assert not target.requires_grad


def test_target_is_a_sharper_distribution_also_of_largest_probabilities() -> None:
    q = largest_probabilities([table(200, 5, 1), table(200, 5, 2)])
    assert (q.sum(dim=1) > 1).all()
    target = sharpened_target(q)
    torch.testing.assert_close(target.sum(dim=1), torch.ones(200, dtype=torch.float64))
    assert stats.entropy(target.numpy(), axis=1).mean() < stats.entropy(q.numpy(), axis=1).mean() - 0.1


def test_released_target_has_rows_of_unit_length() -> None:
    target = released_target(torch.tensor([[0.5, 0.5], [1.0, 0.0]], requires_grad=True))
    torch.testing.assert_close(target, torch.tensor([[math.sqrt(0.5), math.sqrt(0.5)], [1.0, 1e-8]]))
    assert not target.requires_grad


def test_target_loss_is_the_divergence() -> None:
    p, q = table(40, 5, 1), table(40, 5, 2)
    expected = stats.entropy(p.numpy(), q.numpy(), axis=1).mean()
    assert target_loss(p, q.log()).item() == pytest.approx(expected)
    assert target_loss(p, p.log()).item() == pytest.approx(0, abs=1e-12)
    sure = torch.eye(5, dtype=torch.float64)
    assert target_loss(sure, q[:5].log()).item() == pytest.approx(-q[:5].log().diagonal().mean().item())


def test_gradients_pass_finite_differences() -> None:
    first, second = table(12, 3, 1).requires_grad_(), table(12, 3, 2).requires_grad_()
    present = torch.arange(12) % 4 > 0
    assert torch.autograd.gradcheck(lambda a, b: instance_loss(a, b, present), (first, second))
    assert torch.autograd.gradcheck(cluster_contrast, (first, second))
    assert torch.autograd.gradcheck(cluster_imbalance, first)
    target = sharpened_target(first)
    assert torch.autograd.gradcheck(lambda b: target_loss(target, b.log()), second)


def test_heads_follow_their_formula_in_training_and_after() -> None:
    head = ClusterHead(4, 3)
    head.reset_parameters(torch.Generator().manual_seed(2))
    x = torch.randn(30, 4)
    instance, last = head[0], head[1]
    hidden = x @ instance[0].weight.T + instance[0].bias
    normed = (hidden - hidden.mean(dim=0)) / torch.sqrt(hidden.var(dim=0, unbiased=False) + 1e-5)
    torch.testing.assert_close(instance(x), normed.clamp_min(0))
    expected = torch.softmax(normed.clamp_min(0) @ last.weight.T + last.bias, dim=1)
    torch.testing.assert_close(head(x).exp(), expected)
    # What it saw before does not matter, nor whether it is being trained.
    head(100 + 50 * torch.randn(30, 4))
    torch.testing.assert_close(head.eval()(x).exp(), expected)


def test_heads_draw_by_the_generator() -> None:
    heads = [InstanceHead(5) for _ in range(3)]
    for head, seed in zip(heads, (0, 0, 1), strict=True):
        head.reset_parameters(torch.Generator().manual_seed(seed))
    assert torch.equal(heads[0][0].weight, heads[1][0].weight)
    assert not torch.equal(heads[0][0].weight, heads[2][0].weight)
    assert heads[0][1].weight.tolist() == [1.0] * 5 and heads[0][1].bias.tolist() == [0.0] * 5


@pytest.mark.parametrize("dead", ["rows", "columns", "all"])
def test_gradients_stay_bounded_where_a_head_has_died(dead: str) -> None:
    """A row without any active unit, a cluster that no spot is in, a modality that no spot has."""
    alive = table(12, 4).float()
    first = alive.clone()
    if dead == "rows":
        first[:3] = 0
    else:
        first[:, : 2 if dead == "columns" else 4] = 0
    first.requires_grad_()
    for loss in (instance_loss(first, alive, everywhere(12)), cluster_imbalance(first)):
        (gradient,) = torch.autograd.grad(loss, first)
        assert gradient.abs().max() < 1e3
    # Columns reach the contrast through the softmax of a head, or times 0 where the modality is missing.
    (gradient,) = torch.autograd.grad(cluster_contrast(first, alive), first)
    assert (gradient * first).abs().max() < 10
