"""Optimisers and step sizes: hand-worked updates, and resuming in the middle of a schedule."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from spatialweave.training.loop import train
from spatialweave.training.optimisers import Schedule, Updates
from spatialweave.training.run import Run


def updated(schedule: Schedule, gradients: list[float], start: float = 2.0) -> list[float]:
    """A weight after each update by given gradients."""
    weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    updates = Updates([weight], schedule)
    values = []
    for gradient in gradients:
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        updates.step(0.0)
        values.append(weight.item())
    return values


def test_decoupled_decay_shrinks_a_weight_without_gradient_slowly():
    # AdamW multiplies by 1 - rate * decay; Adam turns the decay alone into a full step.
    assert updated(Schedule(1, 0.1, 0.5, "adamw"), [0.0]) == pytest.approx([2 * (1 - 0.1 * 0.5)])
    assert updated(Schedule(1, 0.1, 0.5, "adam"), [0.0]) == pytest.approx([2 - 0.1])


def test_sgd_has_momentum():
    # Velocity 1, then 0.9 * 1 + 1.
    assert updated(Schedule(2, 0.1, 0.0, "sgd"), [1.0, 1.0]) == pytest.approx([1.9, 1.9 - 0.19])


def rates(schedule: Schedule, totals: list[float]) -> list[float]:
    """The step size before each update, and after the last."""
    weight = nn.Parameter(torch.zeros(()))
    updates = Updates([weight], schedule)
    found = []
    for total in totals:
        found.append(updates.optimiser.param_groups[0]["lr"])
        weight.grad = torch.zeros(())
        updates.step(total)
    return [*found, updates.optimiser.param_groups[0]["lr"]]


def test_cosine_ends_at_a_hundredth():
    found = rates(Schedule(10, 0.02, rate="cosine"), [1.0] * 10)
    expected = [0.02 * (0.01 + 0.99 * (1 + math.cos(math.pi * epoch / 10)) / 2) for epoch in range(11)]
    assert found == pytest.approx(expected)


def test_plateau_halves_after_more_than_five_epochs_without_progress():
    # The first epoch is the best; the seventh is the sixth without progress.
    found = rates(Schedule(20, 0.02, rate="plateau"), [1.0] * 8)
    assert found == pytest.approx([0.02] * 7 + [0.01] * 2)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("shape", ["none", "cosine", "plateau"])
def test_resumed_equals_undisturbed(problem: Any, run: Run, tmp_path: Path, name: Any, shape: Any):
    schedule = Schedule(30, 0.02, 1e-3, name, shape)
    undisturbed, terms = problem()
    expected = train(undisturbed, terms, schedule, run)
    run.checkpoint, run.checkpoint_seconds = tmp_path / "run.pt", 0.0
    model, terms = problem()

    def killed(epoch: int, batch: None = None):
        if epoch == 17:
            raise KeyboardInterrupt
        return terms(epoch)

    with pytest.raises(KeyboardInterrupt):
        train(model, killed, schedule, run)
    model, terms = problem()
    epochs: list[int] = []

    def noted(epoch: int, batch: None = None):
        epochs.append(epoch)
        return terms(epoch)

    assert train(model, noted, schedule, run).losses == expected.losses
    assert epochs[0] == 17


def test_groups_have_their_own_step_sizes(problem: Any, run: Run):
    model, terms = problem()
    before = [one.detach().clone() for one in model.parameters()]
    first, *others = model.parameters()
    train(model, terms, Schedule(3, 0.1), run, groups=[{"params": [first], "lr": 0.0}, {"params": others}])
    assert torch.equal(first.detach(), before[0])
    assert all(not torch.equal(one.detach(), was) for one, was in zip(others, before[1:], strict=True))


def test_the_cosine_is_a_factor_on_the_step_size_of_every_group():
    weights = [nn.Parameter(torch.zeros(())) for _ in range(3)]
    groups = [{"params": [weights[0]]}, {"params": [weights[1]], "lr": 0.0}, {"params": [weights[2]], "lr": 1e-6}]
    updates = Updates(groups, Schedule(5, 0.02, rate="cosine"))
    for _ in range(5):
        for weight in weights:
            weight.grad = torch.zeros(())
        updates.step(1.0)
    assert [group["lr"] for group in updates.optimiser.param_groups] == pytest.approx([2e-4, 0.0, 1e-8])
