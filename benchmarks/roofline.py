#!/usr/bin/env python3
"""An epoch of SMART beside what this machine could do at best, and beside a plain network of torch_geometric.

The floating-point operations and the least memory traffic of an epoch are added up step by step (:func:`steps`). Each
step reads its inputs and writes its results once; rows that are gathered are read once, as from a perfect cache. Over
the measured rates of a matrix product and of a sum of two long vectors, they give the least time of every step. The
plain network has the same convolutions, with torch_geometric's own sums over a list of edges, and squared errors only:
no masks, no averaged input, no triplets. All times are CPU seconds; run it on an idle machine.

    python benchmarks/roofline.py --spots 50000
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from unittest import mock

import click
import numpy as np
import torch
from tiles import tissue
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import SAGEConv

from spatialweave.graphs.matrices import with_self
from spatialweave.io.dataset import Dataset
from spatialweave.methods import smart
from spatialweave.training.run import prepare

WARM_UP, NUMBER, INDEX = 3, 4, 4
"""Epochs before those that are timed; bytes of a number and of an index."""


@dataclass
class Step:
    """A step of an epoch: its floating-point operations and the bytes that it reads and writes."""

    name: str
    operations: float
    bytes: float


@click.command(context_settings={"show_default": True})
@click.option("--spots", default=50_000, help="Approximate number of spots, in a square.")
@click.option("--epochs", default=20, help="Epochs to average over.")
@click.option("--threads", default=1, help="CPU threads.")
def main(spots: int, epochs: int, threads: int) -> None:
    """Print the machine's rates, the least time of an epoch, the times of both networks, and their ratios."""
    dataset, config = tissue(spots, 0.35), smart.Config(epochs=WARM_UP + epochs, batch_spots=0)
    ours, record = seconds_of_smart(dataset, config, threads)
    plain = seconds_of_plain(dataset, config, epochs)
    bandwidth, rate = measured_bandwidth(), measured_product()
    found = list(steps(dataset, config, record))
    least = sum(max(step.operations / rate, step.bytes / bandwidth) for step in found)
    click.echo(f"memory {bandwidth / 1e9:.1f} GB/s, matrix product {rate / 1e9:.1f} GFLOP/s, {threads} threads")
    for step in found:
        bound = "memory" if step.bytes / bandwidth > step.operations / rate else "product"
        click.echo(f"  {step.name:30} {step.operations / 1e9:8.3f} GFLOP {step.bytes / 1e9:8.3f} GB  bound by {bound}")
    click.echo(f"an epoch of {dataset.n_spots} spots takes {least:.4f} s at least")
    click.echo(f"SMART        {ours:.4f} CPU-s, {ours / least:.1f} times the least")
    click.echo(f"plain network {plain:.4f} CPU-s, {plain / ours:.1f} times SMART")


def steps(dataset: Dataset, config: smart.Config, record: dict[str, Any]) -> Iterator[Step]:
    """Yield the steps of an epoch, forward and backward together."""
    n, edges = dataset.n_spots, with_self(dataset.spatial_graph()).nnz
    widths, hidden = [one.latent.shape[1] for one in dataset.modalities], [config.n_hidden] * config.layers

    def gathers(width: int, times: float) -> tuple[float, float]:
        # A sum over the edges, a mean; index of every edge, rows in, rows out.
        return times * (edges + n) * width, times * (edges * INDEX + 2 * n * width * NUMBER)

    def products(n_inputs: int, n_outputs: int, with_input: bool) -> tuple[float, float]:
        # Result, gradient of the weights and, but for the network's input, of the input; rows in and out of each.
        times = 3 if with_input else 2
        return times * 2 * n * n_inputs * n_outputs, times * n * (n_inputs + n_outputs) * NUMBER

    for m, width in enumerate(widths):
        name = dataset.modalities[m].name
        rounds = max(record["receptive_field"][name]["rounds"], 1)
        # One more column counts the visible spots.
        yield Step(f"{name}: averaged input", *gathers(width + 1, rounds))
        stacks = {"encoder": [width, *hidden], "decoder": [config.n_dims, *hidden[1:], width]}
        for kind, layers in stacks.items():
            for number, (n_inputs, n_outputs) in enumerate(pairwise(layers)):
                is_input = kind == "encoder" and number == 0
                # The decoders share their first sums.
                shared = 1 / len(widths) if kind == "decoder" and number == 0 else 1
                yield Step(f"{name}: {kind} {number + 1}, sums", *gathers(n_inputs, shared * (1 if is_input else 2)))
                # One matrix for the neighbours' mean, one for the spot itself.
                operations, moved = products(n_inputs, n_outputs, not is_input)
                yield Step(f"{name}: {kind} {number + 1}, products", 2 * operations, 2 * moved)
                if number < len(layers) - 2:
                    # ELU and its gradient read and write.
                    yield Step(f"{name}: {kind} {number + 1}, ELU", 4 * n * n_outputs, 5 * n * n_outputs * NUMBER)
        yield Step(f"{name}: squared errors", 6 * n * width, 4 * n * width * NUMBER)
        # Two differences of each triplet, and their gradients: two rows in, one out, and the reverse.
        pairs = 2 * record["triplets"][name]
        yield Step(f"{name}: triplets", 6 * pairs * config.n_dims, 6 * pairs * config.n_dims * NUMBER)
    yield Step("fusion", *products(config.n_hidden * len(widths), config.n_dims, True))


def seconds_of_smart(dataset: Dataset, config: smart.Config, threads: int) -> tuple[float, dict[str, Any]]:
    """Return the CPU seconds of an epoch of SMART, and its training record."""
    run = prepare("smart", 0, "cpu", threads)
    run.log = lambda line: None
    clocks: list[float] = []
    loss_terms = smart.loss_terms

    def timed(*arguments: Any) -> Any:
        terms = loss_terms(*arguments)

        def with_clock(epoch: int, batch: smart.Batch) -> dict[str, Tensor]:
            clocks.append(time.process_time())
            return dict(terms(epoch, batch))

        return with_clock

    with mock.patch.object(smart, "loss_terms", timed):
        record = smart.fit(dataset, config, run).record
    return (clocks[-1] - clocks[WARM_UP]) / (len(clocks) - 1 - WARM_UP), record


class Plain(nn.Module):
    """The convolutions of SMART and its fusion, by torch_geometric."""

    def __init__(self, widths: list[int], config: smart.Config) -> None:
        super().__init__()
        hidden = [config.n_hidden] * config.layers
        self.encoders = nn.ModuleList([self.stack([n, *hidden]) for n in widths])
        self.fusion = nn.Linear(config.n_hidden * len(widths), config.n_dims)
        self.decoders = nn.ModuleList([self.stack([config.n_dims, *hidden[1:], n]) for n in widths])

    @staticmethod
    def stack(widths: list[int]) -> nn.ModuleList:
        """Return the convolutions of one encoder or decoder."""
        return nn.ModuleList([SAGEConv(*pair) for pair in pairwise(widths)])

    def forward(self, inputs: list[Tensor], edges: Tensor) -> list[Tensor]:
        """Rebuild every modality (spots x dimensions)."""
        encoded = [self.run_stack(stack, x, edges) for stack, x in zip(self.encoders, inputs, strict=True)]
        z = self.fusion(torch.cat(encoded, dim=1))
        return [self.run_stack(stack, z, edges) for stack in self.decoders]

    def run_stack(self, stack: Any, x: Tensor, edges: Tensor) -> Tensor:
        """Apply convolutions with an ELU between them."""
        for number, layer in enumerate(stack):
            x = layer(functional.elu(x) if number else x, edges)
        return x


def seconds_of_plain(dataset: Dataset, config: smart.Config, epochs: int) -> float:
    """Return the CPU seconds of an epoch of the plain network, with Adam."""
    graph = with_self(dataset.spatial_graph()).tocoo()
    edges = torch.as_tensor(np.stack([graph.col, graph.row]).astype(np.int64))
    inputs = [torch.as_tensor(one.latent) for one in dataset.modalities]
    network = Plain([x.shape[1] for x in inputs], config)
    optimiser = torch.optim.Adam(network.parameters(), config.learning_rate)

    def epoch() -> None:
        optimiser.zero_grad()
        rebuilt = network(inputs, edges)
        torch.stack([functional.mse_loss(y, x) for y, x in zip(rebuilt, inputs, strict=True)]).sum().backward()
        optimiser.step()

    return seconds_of(epoch, epochs)


def measured_bandwidth() -> float:
    """Return bytes per second of a + s b = c over vectors of 256 MB: two read, one written."""
    a, b, c = (torch.ones(1 << 26) for _ in range(3))
    return 3 * NUMBER * len(a) / seconds_of(lambda: torch.add(a, b, alpha=0.5, out=c), 5)


def measured_product() -> float:
    """Return operations per second of a product of two matrices of 2,048 x 2,048."""
    a, b = torch.randn(2, 2048, 2048)
    return 2 * 2048**3 / seconds_of(lambda: a @ b, 5)


def seconds_of(function: Callable[[], Any], times: int) -> float:
    """Return the CPU seconds of one call, over so many after the first :data:`WARM_UP`."""
    for _ in range(WARM_UP):
        function()
    began = time.process_time()
    for _ in range(times):
        function()
    return (time.process_time() - began) / times


if __name__ == "__main__":
    main()
