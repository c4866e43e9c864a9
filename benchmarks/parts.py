#!/usr/bin/env python3
"""What each part of a method is worth: its effect on the embedding, the pull of each loss, sharpness of attention.

A method is trained once on a tissue, at its defaults. Then the trained network embeds the spots with one part after
another switched off: the table has the fraction of the embedding's variance that this changes. For each loss term: the
norm of its gradient as a fraction of the sum of those of all terms. For each attention between spots: its entropy as a
fraction of that of uniform weights. Trainings without a part are rows of agreement.py.

    python benchmarks/parts.py --data <folder of the real tissues> --tissues "demo,DBiT embryo"
"""

from __future__ import annotations

import importlib
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np
import tissues
import torch
from torch import Tensor, nn

from spatialweave.io.dataset import Dataset, read_dataset
from spatialweave.method import Fitted
from spatialweave.nn.attention import SpotAttention
from spatialweave.training.run import Run, prepare

LOOK_EVERY = 25
"""Epochs between two looks at the gradients."""


@dataclass
class Training:
    """What was seen of a method's training, and a way to embed again with a part of the network switched off.

    Attributes
    ----------
    start, end
        Norm of every trained tensor before and after.
    gradients
        By loss term, the norms of its gradients in some epochs.
    entropies
        Of every attention at the end, as a fraction of that of uniform weights.
    without
        The embedding with a change of the trained network.
    """

    fitted: Fitted
    start: dict[str, float]
    end: dict[str, float]
    gradients: dict[str, list[float]]
    entropies: list[float]
    without: Callable[[Callable[[Any], None]], np.ndarray] = field(repr=False)

    def effect(self, change: Callable[[Any], None]) -> float:
        """Fraction of the embedding's variance that a change of the network changes."""
        z = self.fitted.embedding
        difference = z - self.without(change)
        # A shift of all spots is no change.
        centred = [x - x.mean(axis=0) for x in (difference, z)]
        return float(np.square(centred[0]).sum() / np.square(centred[1]).sum())

    def shares(self) -> dict[str, float]:
        """By kind of loss the mean gradient norms of its terms, as a fraction of the sum of all."""
        sums: dict[str, float] = {}
        for term, values in self.gradients.items():
            kind = term.partition("_")[0]
            sums[kind] = sums.get(kind, 0.0) + float(np.mean(values))
        return {kind: value / sum(sums.values()) for kind, value in sums.items()}


def norms(network: nn.Module) -> dict[str, float]:
    """Norms of the trained tensors."""
    return {name: one.detach().norm().item() for name, one in network.named_parameters() if one.requires_grad}


@torch.no_grad()
def entropy(attention: SpotAttention, receiving: Tensor, sending: Tensor) -> float:
    """Mean entropy of the exact attention to all spots, as a fraction of log(spots)."""
    query, key = (
        x.unflatten(1, (attention.heads, -1)).transpose(0, 1)
        for x in (attention.query(receiving), attention.key(sending))
    )
    total = 0.0
    for block in query.split(1000, dim=1):
        weights = torch.softmax(block @ key.transpose(1, 2) / math.sqrt(query.shape[2]), dim=2)
        total += float(torch.special.entr(weights).sum())
    return total / (attention.heads * len(receiving) * math.log(len(receiving)))


def watch(name: str, dataset: Dataset, seed: int = 1) -> Training:
    """Train a method at its defaults, watched through the training loop that it calls."""
    method = importlib.import_module(f"spatialweave.methods.{name}")
    real_train = method.train
    kept: dict[str, Any] = {}
    gradients: dict[str, list[float]] = {}
    entropies: list[float] = []

    def watched(network: nn.Module, terms: Any, schedule: Any, run: Run, **options: Any) -> Any:
        weights = [one for one in network.parameters() if one.requires_grad]

        def looked_at(epoch: int) -> Any:
            values = terms(epoch)
            if epoch % LOOK_EVERY == 0:
                for term, value in values.items():
                    found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
                    squares = sum(float(one.square().sum()) for one in found if one is not None)
                    gradients.setdefault(term, []).append(math.sqrt(squares))
            return values

        kept["start"] = norms(network)
        kept["history"] = real_train(network, looked_at, schedule, run, **options)
        kept["end"], kept["state"] = norms(network), {k: v.clone() for k, v in network.state_dict().items()}
        for module in network.modules():
            if isinstance(module, SpotAttention):
                module.register_forward_pre_hook(lambda own, given: entropies.append(entropy(own, *given[:2])))
        return kept["history"]

    def fit(train: Any) -> Fitted:
        with mock.patch.object(method, "train", train):
            run = prepare(name, seed, "cpu", threads=1)
            run.log = lambda _line: None
            return method.fit(dataset, method.Config(), run)

    def without(change: Callable[[Any], None]) -> np.ndarray:
        def restored(network: nn.Module, *_: Any, **__: Any) -> Any:
            network.load_state_dict(kept["state"])
            change(network)
            return kept["history"]

        return fit(restored).embedding

    fitted = fit(watched)
    return Training(fitted, kept["start"], kept["end"], gradients, entropies, without)


def set_all(path: str, value: float) -> Callable[[Any], None]:
    """Sets a number or tensor of every module under `path`, e.g. ``encoders.balance``."""
    *parents, name = path.split(".")

    def change(network: Any) -> None:
        for parent in parents:
            network = getattr(network, parent)
        for module in network if isinstance(network, nn.ModuleList) else [network]:
            found = getattr(module, name)
            if isinstance(found, Tensor):
                found.data.fill_(value)
            else:
                setattr(module, name, value)

    return change


def no_attention(network: Any) -> None:
    """Nothing is gathered by attention between spots."""
    for module in network.modules():
        if isinstance(module, SpotAttention):
            nn.init.zeros_(module.output.weight)
            nn.init.zeros_(module.output.bias)


PARTS = {
    "spamo": {
        "attention": (no_attention, 0.003),
        "gate and MLP": (set_all("fusion.strength", 0.0), 0.01),
        "two layers": (set_all("encoders.strength", 0.0), 0.01),
        "learned graphs": (set_all("encoders.balance", 50.0), 0.003),
        "spatial graph": (set_all("encoders.balance", -50.0), 0.003),
    },
    "spabalance": {
        "attention": (no_attention, 0.003),
        "gate": (set_all("gate_strength", 0.0), 0.01),
        "mixer's layers": (set_all("mixers.strength", 0.0), 0.002),
        "feature view": (set_all("mixers.spatial_fraction", 1.0), 0.002),
    },
}
"""By method and part: how it is switched off, and the least fraction of the variance that this changes."""


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues; without it, simulated only.")
@click.option("--tissues", "wanted", default="demo", help="Comma-separated names.")
@click.option("--methods", default=",".join(PARTS), help="Comma-separated.")
def main(data: Path | None, wanted: str, methods: str) -> None:
    """Print a line per tissue, method and part."""
    with tempfile.TemporaryDirectory() as folder:
        for tissue in wanted.split(","):
            files = tissues.prepare(tissue, "smart", "tissue", data, Path(folder))
            for name in methods.split(","):
                report(tissue, name, watch(name, read_dataset(*files)))


def report(tissue: str, name: str, training: Training) -> None:
    """Print what was seen."""
    entropies = ", ".join(f"{value:.3f}" for value in training.entropies) or "none"
    click.echo(f"{tissue} | {name} | entropy of each attention | {entropies}")
    for part, (change, _) in PARTS[name].items():
        click.echo(f"{tissue} | {name} | without {part} | {training.effect(change):.2%}")
    for term, share in training.shares().items():
        click.echo(f"{tissue} | {name} | gradient of {term} | {share:.1%}")
    for weights, table in training.fitted.extras.items():
        spread = ", ".join(f"{column} {value:.3f}" for column, value in table.std().items())
        click.echo(f"{tissue} | {name} | standard deviation of {weights} | {spread}")


if __name__ == "__main__":
    main()
