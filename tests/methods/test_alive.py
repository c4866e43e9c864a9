"""On the demo tissue no part of the default SPAMO and SpaBalance is idle, and what they export varies."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialweave.io.dataset import Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import parts


@pytest.fixture(scope="module", params=["spamo", "spabalance"])
def training(request: pytest.FixtureRequest, demo: Callable[[str], Dataset]) -> tuple[str, Any]:
    return request.param, parts.watch(request.param, demo("tissue"))


def test_every_part_changes_the_embedding(training: tuple[str, Any]) -> None:
    name, trained = training
    effects = {part: (trained.effect(change), least) for part, (change, least) in parts.PARTS[name].items()}
    assert all(found >= least for found, least in effects.values()), effects


def test_no_attention_is_uniform(training: tuple[str, Any]) -> None:
    _, trained = training
    assert trained.entropies and max(trained.entropies) < 0.98


def test_no_weight_collapses(training: tuple[str, Any]) -> None:
    _, trained = training
    collapsed = {name for name, size in trained.start.items() if trained.end[name] < 0.1 * size}
    assert not collapsed


def test_every_loss_pulls(training: tuple[str, Any]) -> None:
    _, trained = training
    assert min(trained.shares().values()) > 0.01, trained.shares()


def test_exported_weights_vary(training: tuple[str, Any]) -> None:
    _, trained = training
    assert (trained.fitted.extras["modality_weights"].std() > 0.01).all()
