"""Balanced gradients against a general optimiser, closed forms and hand-worked conflicts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from spatialweave.training.balance import (
    Rule,
    balanced,
    balanced_backward,
    common_direction,
    min_norm_weights,
    pair_weights,
)
from spatialweave.training.loop import train
from spatialweave.training.optimisers import Schedule
from spatialweave.training.run import Run


def test_shortest_combination_is_the_shortest() -> None:
    rng = np.random.default_rng(1)
    grid = np.linspace(0, 1, 1001)
    for _ in range(50):
        vectors = (rng.normal(size=(2, 10)) + rng.normal(size=10)) * rng.lognormal(size=(2, 1))
        weights = min_norm_weights(vectors @ vectors.T)
        assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
        shortest = np.square(grid[:, None] * vectors[0] + (1 - grid[:, None]) * vectors[1]).sum(axis=1).min()
        assert shortest * 0.999 < np.square(weights @ vectors).sum() <= shortest * (1 + 1e-9)


def test_shortest_combination_by_hand() -> None:
    # (2, 0) and (-1, 1): the segment's nearest point to 0 is at a = (2 - (-2)) / (4 + 2 + 4) = 0.4.
    assert min_norm_weights(np.array([[4.0, -2.0], [-2.0, 2.0]])) == pytest.approx([0.4, 0.6])
    # The nearest point is an end: (1, 0) and (3, 1).
    assert min_norm_weights(np.array([[1.0, 3.0], [3.0, 10.0]])) == pytest.approx([1.0, 0.0])
    # Any point of the segment between two equal vectors.
    assert min_norm_weights(np.ones((2, 2))) == pytest.approx([0.5, 0.5])


def test_weights_of_pairs_by_hand() -> None:
    # Together (2, 0); (-1, 1) conflicts with it: 0.4 and 0.6 as above; (1, 0) does not: 1/2 and 1/2.
    vectors = np.array([[-1.0, 1.0], [2.0, 0.0], [1.0, 0.0]])
    names = ["rna", "together", "adt"]
    assert pair_weights(vectors @ vectors.T, names) == pytest.approx([0.6, 0.45, 0.5])
    # Gradients without a product conflict: (2, 0) and (0, 1) have the weights 1/5 and 4/5.
    assert pair_weights(np.diag([4.0, 1.0]), ["together", "rna"]) == pytest.approx([0.2, 0.8])
    for alone in (["rna"], ["together"], ["rna", "adt"]):
        assert pair_weights(np.eye(len(alone)), alone).tolist() == [1.0] * len(alone)


def test_min_norm_weighs_whole_groups() -> None:
    """As by hand above, on one parameter that all reach; what one group alone reaches follows it by its weight."""
    shared, own, unused = (nn.Parameter(torch.zeros(n)) for n in (2, 1, 1))
    slopes = {"rna": [-1.0, 1.0], "together": [2.0, 0.0], "adt": [1.0, 0.0]}
    losses = {f"{name}_loss": shared @ torch.tensor(slope) for name, slope in slopes.items()}
    losses["adt_own"] = 0.1 * own.sum()
    balanced_backward([shared, own, unused], groups, "min_norm")(losses)
    # 0.6 (-1, 1) + 0.45 (2, 0) + 0.5 (1, 0)
    for parameter, expected in ((shared, [0.8, 0.6]), (own, [0.05]), (unused, [0.0])):
        assert parameter.grad is not None and parameter.grad.tolist() == pytest.approx(expected)


def test_agreeing_gradients_are_summed() -> None:
    vectors = torch.tensor([[1.0, 0.0, 2.0], [0.5, 3.0, 0.0], [0.0, 0.0, 0.1]])
    assert torch.equal(common_direction(vectors), vectors.sum(dim=0))
    alone = torch.tensor([[-1.0, 2.0]])
    assert torch.equal(common_direction(alone), alone[0])


def conflicting(count: int) -> list[Tensor]:
    """Sets of vectors of very different lengths, most of them with a conflict."""
    generator = torch.Generator().manual_seed(4)
    found = []
    for n_vectors in (2, 3, 4):
        for _ in range(count):
            vectors = torch.randn(n_vectors, 8, generator=generator, dtype=torch.float64)
            found.append(vectors * 10 ** torch.randn(n_vectors, 1, generator=generator, dtype=torch.float64))
    assert sum((vectors @ vectors.T).min() < 0 for vectors in found) > count
    return found


def test_the_projection_is_the_nearest_to_the_sum_that_lowers_all_losses() -> None:
    for vectors in conflicting(10):
        unit = (vectors / vectors.norm()).numpy()
        direction, total = common_direction(torch.as_tensor(unit)).numpy(), unit.sum(axis=0)
        nearest = minimize(
            lambda d, total=total: np.square(d - total).sum(),
            np.zeros(8),
            jac=lambda d, total=total: 2 * (d - total),
            constraints={"type": "ineq", "fun": lambda d, g=unit: g @ d, "jac": lambda _, g=unit: g},
            method="SLSQP",
            options={"ftol": 1e-16, "maxiter": 500},
        ).x
        np.testing.assert_allclose(direction, nearest, atol=1e-5)
        assert (unit @ direction).min() >= -1e-9


def test_conflicts_by_hand() -> None:
    # The sum raises neither loss.
    vectors = torch.tensor([[2.0, 0.0], [-1.0, 1.0]])
    np.testing.assert_allclose(common_direction(vectors), [1, 1], rtol=1e-6)
    # The sum (2, 1) of these raises the second: half of (-1, 1) more, and it does not.
    vectors = torch.tensor([[3.0, 0.0], [-1.0, 1.0]])
    np.testing.assert_allclose(common_direction(vectors), [1.5, 1.5], rtol=1e-6)


def test_without_a_common_direction_nothing_moves() -> None:
    opposite = torch.tensor([[1.0, 2.0], [-2.0, -4.0]])
    assert common_direction(opposite).abs().max().item() < 1e-6


def test_gradients_are_aligned_by_parameter() -> None:
    parameters = [torch.zeros(2), torch.zeros(1, 1), torch.zeros(1), torch.zeros(3)]
    first: list[Tensor | None] = [torch.tensor([5.0, 5.0]), None, torch.tensor([2.0]), None]
    second: list[Tensor | None] = [None, torch.tensor([[7.0]]), torch.tensor([3.0]), None]
    result = balanced(parameters, [first, second])
    # Only the third parameter is shared, and there both agree, though the first numbers of each would not.
    assert [values.tolist() for values in result] == [[5.0, 5.0], [[7.0]], [5.0], [0.0, 0.0, 0.0]]
    third: list[Tensor | None] = [None, torch.tensor([[-0.1]]), None, None]
    conflicting = balanced(parameters, [first, second, third])
    assert conflicting[0].tolist() == [5.0, 5.0]
    # Shared now are the second and third: vectors (0, 2), (7, 3), (-0.1, 0).
    shared = torch.cat([conflicting[1].reshape(-1), conflicting[2]])
    torch.testing.assert_close(shared, common_direction(torch.tensor([[0.0, 2.0], [7.0, 3.0], [-0.1, 0.0]])))


def test_order_of_parameters_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(0)
    parameters = [torch.zeros(n) for n in (3, 2, 4)]
    rows: list[list[Tensor | None]] = [[torch.randn(len(p), generator=generator) for p in parameters] for _ in range(3)]
    rows[0][1] = None
    order = [2, 0, 1]
    one = balanced(parameters, rows)
    two = balanced([parameters[p] for p in order], [[row[p] for p in order] for row in rows])
    for p, values in zip(order, two, strict=True):
        torch.testing.assert_close(values, one[p])


def small_model() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def groups(term: str) -> str:
    return term.split("_")[0]


def test_backward_of_one_group_is_torchs() -> None:
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    one, two = small_model(), small_model()
    balanced_backward(list(one.parameters()), groups)({"a_1": one(x).square().mean(), "a_2": one(x).mean()})
    (two(x).square().mean() + two(x).mean()).backward()
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_backward_balances_groups_and_leaves_what_only_one_reaches() -> None:
    model = small_model()
    extra = nn.Parameter(torch.tensor([2.0]))
    unused = nn.Parameter(torch.tensor([1.0, 1.0]))
    parameters = [*model.parameters(), extra, unused]
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    first, second = 3 * (model(x) - 1).square().mean() + extra.square().sum(), (model(x) + 1).square().mean()
    vectors = torch.stack(
        [
            torch.cat([g.ravel() for g in torch.autograd.grad(v, model.parameters(), retain_graph=True)])
            for v in (first, second)
        ]
    )
    assert (vectors[0] @ vectors[1]).item() < 0
    balanced_backward(parameters, groups)({"a": first, "b": second})
    got = torch.cat([p.grad.ravel() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(got, common_direction(vectors))
    assert extra.grad is not None and extra.grad.tolist() == [4.0]
    assert unused.grad is not None and unused.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("rule", ["projected", "min_norm"])
def test_training_with_it_reaches_where_no_loss_can_fall_without_another_rising(rule: Rule) -> None:
    # Two squares around (1, 0) and (-1, 0), one 100 times as steep: between the two, and y = 0.
    class Point(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = nn.Parameter(torch.tensor([0.3, 2.0]))

    point = Point()
    centres = {"together": torch.tensor([1.0, 0.0]), "b": torch.tensor([-1.0, 0.0])}
    steep = {"together": 100.0, "b": 1.0}

    def terms(epoch: int, batch: None = None) -> dict[str, Tensor]:
        return {name: steep[name] * (point.position - centre).square().sum() for name, centre in centres.items()}

    run = Run(seed=0, log=lambda line: None)
    history = train(point, terms, Schedule(600, 0.02), run, backward=balanced_backward([point.position], groups, rule))
    x, y = point.position.tolist()
    assert abs(y) < 0.05 and -1.05 < x < 1.05
    # Neither loss has risen above where it began.
    for name in centres:
        assert history.losses[name][-1] < history.losses[name][0]
