"""Observation of a method's training through its training loop, and repeats with parts switched off."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import tissues  # noqa: F401 (finds the package)
import torch
from switches import Part
from torch import Tensor, nn

from spatialweave.io.dataset import Dataset
from spatialweave.method import Fitted
from spatialweave.nn.attention import SpotAttention, ViewAttention
from spatialweave.nn.graph_attention import AttentionWeights, GraphAttention, Neighbourhood
from spatialweave.training.run import Run, prepare

LOOK_EVERY = 25
"""Epochs between two measurements of the gradients."""


@dataclass
class Training:
    """Observations of a method's training, and a function to embed again with a part of the network switched off.

    Attributes
    ----------
    start, end
        Norm of every trained tensor before and after.
    gradients
        For each loss term, the norms of its gradients in some of the epochs in which it counts.
    entropies
        Entropy of every attention at the end, by name, as a fraction of that of equal weights.
    without
        Function that returns the embedding with a part switched off in the trained network.
    """

    fitted: Fitted
    start: dict[str, float]
    end: dict[str, float]
    gradients: dict[str, list[float]]
    entropies: dict[str, float]
    without: Callable[[Part], np.ndarray] = field(repr=False)

    def effect(self, part: Part) -> float:
        """Return the fraction of the embedding's variance that changes if a part is switched off."""
        z = self.fitted.embedding
        difference = z - self.without(part)
        # A shift of all spots does not count as a change.
        centred = [x - x.mean(axis=0) for x in (difference, z)]
        return float(np.square(centred[0]).sum() / np.square(centred[1]).sum())

    def shares(self) -> dict[str, float]:
        """Return for each kind of loss the mean gradient norms of its terms, as a fraction of the sum of all."""
        sums: dict[str, float] = {}
        for term, values in self.gradients.items():
            kind = term.partition("_")[0]
            sums[kind] = sums.get(kind, 0.0) + float(np.mean(values))
        return {kind: value / sum(sums.values()) for kind, value in sums.items()}


def watch(name: str, dataset: Dataset, seed: int = 1) -> Training:
    """Train a method at its defaults and observe it."""
    method = importlib.import_module(f"spatialweave.methods.{name}")
    real_train = method.train
    kept: dict[str, Any] = {}
    gradients: dict[str, list[float]] = {}
    entropies: dict[str, float] = {}

    def watched(network: nn.Module, terms: Any, schedule: Any, run: Run, **options: Any) -> Any:
        weights = list(trained(network).values())

        def looked_at(epoch: int, batch: Any) -> Any:
            values = terms(epoch, batch)
            if epoch % LOOK_EVERY == 0:
                for term, value in values.items():
                    # A loss that begins later does not depend on weights before.
                    if value.requires_grad:
                        gradients.setdefault(term, []).append(gradient_norm(value, weights))
            return values

        kept["start"] = norms(network)
        kept["history"] = real_train(network, looked_at, schedule, run, **options)
        kept["end"], kept["state"] = norms(network), {k: v.clone() for k, v in network.state_dict().items()}
        for module_name, module in network.named_modules():
            measure = ENTROPIES.get(type(module))
            if measure is not None:
                module.register_forward_hook(_kept_as(module_name, measure, entropies))
        return kept["history"]

    def without(part: Part) -> np.ndarray:
        def restored(network: nn.Module, *_: Any, **__: Any) -> Any:
            # Settings may leave modules out, but the remaining ones must have been trained.
            missing, _left_out = network.load_state_dict(kept["state"], strict=False)
            assert not missing, missing
            part.change(network)
            return kept["history"]

        return fit(method, dataset, part, seed, restored).embedding

    fitted = fit(method, dataset, Part(0.0), seed, watched)
    return Training(fitted, kept["start"], kept["end"], gradients, entropies, without)


def train_without(name: str, dataset: Dataset, part: Part, seed: int) -> Fitted:
    """Train a method at its defaults, except for a part that is left out from the start."""
    method = importlib.import_module(f"spatialweave.methods.{name}")
    real_train = method.train

    def changed(network: nn.Module, *given: Any, **options: Any) -> Any:
        part.change(network)
        return real_train(network, *given, **options)

    return fit(method, dataset, part, seed, changed)


def fit(method: ModuleType, dataset: Dataset, part: Part, seed: int, train: Callable[..., Any]) -> Fitted:
    """Fit a method to a dataset with the settings of a part and `train` as its training loop."""
    with mock.patch.object(method, "train", train):
        run = prepare(method.__name__.rpartition(".")[2], seed, "cpu", threads=1)
        run.log = lambda _line: None
        fitted: Fitted = method.fit(dataset, method.Config(**part.settings), run)
        return fitted


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the trained tensors by name."""
    return {name: one for name, one in network.named_parameters() if one.requires_grad}


def norms(network: nn.Module) -> dict[str, float]:
    """Return the norms of the trained tensors."""
    return {name: one.detach().norm().item() for name, one in trained(network).items()}


def gradient_norm(value: Tensor, weights: list[nn.Parameter]) -> float:
    """Return the norm of the gradient of a loss term."""
    found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
    return math.sqrt(sum(float(one.square().sum()) for one in found if one is not None))


def _kept_as(name: str, measure: Callable[..., float], entropies: dict[str, float]) -> Callable[..., None]:
    def hook(module: nn.Module, given: Any, result: Any) -> None:
        entropies[name] = measure(module, given, result)

    return hook


@torch.no_grad()
def spot_entropy(attention: SpotAttention, given: tuple[Tensor, ...], _result: Tensor) -> float:
    """Return the mean entropy of the exact attention to all spots, as a fraction of log(spots)."""
    receiving, sending = given[:2]
    query, key = (
        x.unflatten(1, (attention.heads, -1)).transpose(0, 1)
        for x in (attention.query(receiving), attention.key(sending))
    )
    total = 0.0
    for block in query.split(1000, dim=1):
        weights = torch.softmax(block @ key.transpose(1, 2) / math.sqrt(query.shape[2]), dim=2)
        total += float(torch.special.entr(weights).sum())
    return total / (attention.heads * len(receiving) * math.log(len(receiving)))


@torch.no_grad()
def neighbour_entropy(
    _attention: GraphAttention, given: tuple[Tensor, Neighbourhood], result: tuple[Tensor, AttentionWeights]
) -> float:
    """Return the mean entropy of the attention to spatial neighbours, as a fraction of the log of their number."""
    graph, weights = given[1].local, result[1].local
    degree = graph.sum(torch.ones(graph.n_edges, 1))
    several = degree[:, 0] > 1
    return float((graph.sum(torch.special.entr(weights)) / degree.log())[several].mean())


@torch.no_grad()
def view_entropy(_attention: ViewAttention, _given: Any, result: tuple[Tensor, Tensor]) -> float:
    """Return the mean entropy of the weights of the views, as a fraction of the log of their number."""
    weights = result[1]
    return float(torch.special.entr(weights).sum(dim=1).mean()) / math.log(weights.shape[1])


ENTROPIES: dict[type[nn.Module], Callable[..., float]] = {
    SpotAttention: spot_entropy,
    GraphAttention: neighbour_entropy,
    ViewAttention: view_entropy,
}
"""Functions that measure the attention of a kind of module from its input and output."""
