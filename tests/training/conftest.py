"""Fixtures of the training tests."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spatialweave.training.run import Run


@pytest.fixture
def lines() -> list[str]:
    """What the run has logged."""
    return []


@pytest.fixture
def run(lines) -> Run:
    return Run(seed=3, log=lines.append, progress_seconds=0.0, identity="this run")


@pytest.fixture
def problem():
    """A small regression with dropout, so that the random state matters: () -> (model, terms)."""

    def make():
        generator = torch.Generator().manual_seed(0)
        x, y = torch.randn(30, 4, generator=generator), torch.randn(30, 1, generator=generator)
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))

        def terms(epoch: int, batch: None = None):
            fit = (model(x) - y).square().mean()
            return {"fit": fit, "size_first": 1e-2 * model[0].weight.square().sum()}

        return model, terms

    return make
