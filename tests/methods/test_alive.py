"""On the demo tissue, or a pair of sections, no part of a default method is idle, and what it exports varies."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from spatialweave import simulate
from spatialweave.io.dataset import Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import sections
import switches
import watching

RECIPES = {"spamo": "tissue", "spabalance": "tissue", "smart": "spatial", "spamca": "tissue", "mcgate": "spatial"}
PER_SPOT = ("modality_weights", "view_weights", "attention")

NO_PULL = {"direction"}
"""Losses without influence by their own formula: docs/methods/spatialfuser.md says why."""


@pytest.fixture(scope="module", params=[*RECIPES, "spatialfuser"])
def training(
    request: pytest.FixtureRequest, demo: Callable[[str], Dataset], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Any]:
    name = request.param
    if name in RECIPES:
        return name, watching.watch(name, demo(RECIPES[name]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pair = sections.simulated(simulate.SERIES["pair"], 0, tmp_path_factory.mktemp("pair"))
    return name, watching.watch(name, pair)


def test_every_part_changes_the_embedding(training: tuple[str, Any]) -> None:
    name, trained = training
    effects = {part: (trained.effect(switch), switch.least) for part, switch in switches.PARTS[name].items()}
    assert effects and all(found >= least > 0 for found, least in effects.values()), effects


def test_no_attention_is_uniform(training: tuple[str, Any]) -> None:
    name, trained = training
    assert bool(trained.entropies) == (name != "smart"), "SMART alone has no attention"
    assert max(trained.entropies.values(), default=0) < 0.98, trained.entropies


def test_no_weight_collapses(training: tuple[str, Any]) -> None:
    _, trained = training
    assert any(size > 0 for size in trained.start.values())
    collapsed = {name for name, size in trained.start.items() if trained.end[name] < 0.1 * size}
    assert not collapsed


def test_every_loss_pulls(training: tuple[str, Any]) -> None:
    _, trained = training
    shares = {loss: share for loss, share in trained.shares().items() if loss not in NO_PULL}
    assert "reconstruction" in shares and min(shares.values()) > 0.01, trained.shares()


def test_exported_weights_vary(training: tuple[str, Any]) -> None:
    name, trained = training
    exported = [table for table in PER_SPOT if table in trained.fitted.extras]
    assert bool(exported) == (name != "smart"), "SMART alone exports no weights per spot"
    for table in exported:
        spread = trained.fitted.extras[table].std()
        assert (spread > 0.01).all(), spread


def test_a_part_left_out_stays_out_while_the_rest_is_trained(tissue: Callable[..., Dataset]) -> None:
    dataset = tissue()
    whole = watching.train_without("spamca", dataset, switches.Part(0.0), seed=1)
    without = watching.train_without("spamca", dataset, switches.PARTS["spamca"]["view weights"], seed=1)
    assert (whole.extras["view_weights"] != 0.5).any(axis=None)
    assert (without.extras["view_weights"] == 0.5).all(axis=None)
    losses = without.record["losses"]["total"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("change", [switches.fill("encoders.9.weight", 0.0), switches.replace("mixers", "a", str)])
def test_a_part_that_a_network_lacks_is_an_error(change: switches.Change) -> None:
    with pytest.raises(ValueError, match="is called"):
        change(torch.nn.Linear(2, 2))
