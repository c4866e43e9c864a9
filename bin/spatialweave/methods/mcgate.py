"""MCGATE, the single-section encoder of SpatialFuser (bioRxiv 2025.09.14.676067): graph attention, tied both ways.

docs/methods/mcgate.md explains the method, where this departs from the publication, and what each part is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import with_self
from spatialweave.method import Fitted
from spatialweave.mining.beyond_window import distant_mutual, within
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.graph_attention import AttentionWeights, GraphAttention, Neighbourhood, edge_cosines
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.settings import option
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, TrainingConfig, prepare_inputs

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings; the defaults are one set for all tissues."""

    n_dims: int = option(32, "Dimensions of the embedding.", low=1, high=4096)
    n_hidden: int = option(0, "Width of a layer before the embedding's; 0 = there is none.", low=0, high=4096)
    heads: int = option(4, "Heads of the attention; they divide both widths.", low=1, high=64)
    split_input: bool = option(False, "Each head sees its own block of the input columns only.")
    temperature: float = option(1.0, "Divides the attention scores; small = sharp.", low=1e-3)
    local_pattern: bool = option(True, "Neighbours with similar embeddings count more.")
    alpha: float = option(0.1, "Fraction of the attention that goes to long-range neighbours.", 0.0, 1.0)
    n_nearest: int = option(10, "Nearest embeddings among which long-range neighbours are searched.", low=1, high=50)
    beyond: int = option(3, "Long-range neighbours are more than this many steps away.", low=1, high=10)
    step: int = option(50, "Epochs after which long-range neighbours are searched again.", low=1)
    feed_forward: bool = option(True, "A residual block after each layer's attention.")
    block_start: float = option(0.1, "Factor on the initial weights of the residual blocks.", low=0, high=10)


class AttentionLayer(nn.Module):
    """Attention, batch normalisation; then, with `feed_forward`, x + ELU(W x + b) and batch normalisation."""

    def __init__(self, n_inputs: int, n_outputs: int, config: Config) -> None:
        super().__init__()
        self.attention = GraphAttention(n_inputs, n_outputs, config.heads, config.split_input)
        self.norm = batch_norm(n_outputs)
        self.block = nn.Linear(n_outputs, n_outputs) if config.feed_forward else None
        self.block_norm = batch_norm(n_outputs) if config.feed_forward else None
        self.block_start = config.block_start

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights of attention and block."""
        self.attention.reset_parameters(generator)
        reset_linear(self, generator)
        if self.block is not None:
            # The block begins as a small correction beside the linear path, which carries weak signal.
            with torch.no_grad():
                self.block.weight.mul_(self.block_start)
                self.block.bias.mul_(self.block_start)

    def forward(self, x: Tensor, around: Neighbourhood) -> tuple[Tensor, AttentionWeights]:
        """Map `x` (spots x inputs) to spots x outputs; returns the attention weights too."""
        gathered, weights = self.attention(x, around)
        y: Tensor = self.norm(gathered)
        if self.block is not None and self.block_norm is not None:
            y = self.block_norm(y + functional.elu(self.block(y)))
        return y, weights


def batch_norm(width: int) -> nn.BatchNorm1d:
    """By the statistics of all spots of the section, always: training is full batch, so there is nothing to keep."""
    return nn.BatchNorm1d(width, eps=1e-6, track_running_stats=False)


class Mcgate(nn.Module):
    """The encoder's layers, whose attention decodes as well, and the embedding that gives the next epoch's pattern.

    Attributes
    ----------
    latest, anchor
        Buffers, so that a checkpoint holds them: the embedding of the last epoch, and the one in which the present
        long-range neighbours were found.
    """

    latest: Tensor
    anchor: Tensor

    def __init__(self, n_spots: int, n_inputs: int, config: Config) -> None:
        super().__init__()
        widths = layer_widths(config)
        self.n_inputs = n_inputs
        self.padding = -n_inputs % config.heads if config.split_input else 0
        inputs = [n_inputs + self.padding, *widths[:-1]]
        self.layers = nn.ModuleList([AttentionLayer(n, m, config) for n, m in zip(inputs, widths, strict=True)])
        for name in ("latest", "anchor"):
            self.register_buffer(name, torch.zeros(n_spots, config.n_dims))

    @property
    def stack(self) -> list[AttentionLayer]:
        """The layers, first to last."""
        return cast("list[AttentionLayer]", list(self.layers))

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights, layer by layer."""
        for layer in self.stack:
            layer.reset_parameters(generator)

    def forward(self, x: Tensor, around: Neighbourhood) -> tuple[Tensor, list[AttentionWeights]]:
        """The embedding (spots x dimensions) of the input (spots x inputs), and each layer's attention."""
        x = functional.pad(x, (0, self.padding))
        weights = []
        for layer in self.stack:
            x, given = layer(x, around)
            weights.append(given)
        return x, weights

    def decode(self, z: Tensor, around: Neighbourhood, weights: Sequence[AttentionWeights]) -> Tensor:
        """The input rebuilt from the embedding through the transposed layers, an ELU between them."""
        for number, layer in reversed(list(enumerate(self.stack))):
            z = layer.attention.transposed(z, around, weights[number])
            if number > 0:
                z = functional.elu(z)
        return z[:, : self.n_inputs]


def layer_widths(config: Config) -> list[int]:
    """Outputs of each layer; refuses widths that the heads do not divide."""
    widths = {"n_hidden": config.n_hidden, "n_dims": config.n_dims}
    for name, width in widths.items():
        if width % config.heads:
            raise InputError(f"setting '{name}'", f"{width} is not divisible by heads = {config.heads}", "a multiple")
    return [width for width in widths.values() if width > 0]


class Expansion:
    """Long-range neighbours: spots beyond the neighbourhood whose embeddings are mutually among each other's nearest.

    Parameters
    ----------
    graph
        Undirected spatial graph.
    """

    def __init__(self, graph: sparse.csr_matrix, config: Config, device: str) -> None:
        self._close = within(graph, config.beyond)
        self._n_nearest, self._device = config.n_nearest, device
        self.mean_found = 0.0

    def edges(self, embedding: Tensor) -> EdgeGraph:
        """Edges between mutual nearest neighbours by cosine, and from every spot to itself."""
        unit = functional.normalize(embedding.detach().float(), dim=1).cpu().numpy()
        found = distant_mutual(unit, self._n_nearest, self._close)
        self.mean_found = found.nnz / len(unit)
        return EdgeGraph(with_self(found), self._device)


class McgateEncoder:
    """A network and its neighbourhood: keeps pattern and long-range neighbours up to date between epochs."""

    def __init__(self, dataset: Dataset, network: Mcgate, config: Config, run: Run) -> None:
        graph = dataset.spatial_distances()
        self.network, self.config = network, config
        self.around = Neighbourhood(
            EdgeGraph(with_self(graph), run.device),
            alpha=config.alpha,
            temperature=config.temperature,
        )
        self.expansion = Expansion(dataset.spatial_graph(), config, run.device) if config.alpha > 0 else None
        self._found_after = 0

    @torch.no_grad()
    def prepare(self, epoch: int) -> Neighbourhood:
        """What an epoch gathers over: by the embeddings of the epoch before and of the last multiple of `step`."""
        done = epoch - 1
        if done > 0 and self.config.local_pattern:
            self.around.pattern = edge_cosines(self.around.local, self.network.latest, self.config.heads)
        found_after = done - done % self.config.step
        if self.expansion is not None and found_after != self._found_after:
            if found_after == done:
                self.network.anchor.copy_(self.network.latest)
            # Else a checkpoint was resumed, which holds the embedding that they were found in.
            self.around.distant = self.expansion.edges(self.network.anchor)
            self._found_after = found_after
        return self.around

    @torch.no_grad()
    def settle(self, x: Tensor, epochs: int) -> tuple[Tensor, list[AttentionWeights]]:
        """Embedding and attention of every layer after `epochs`, for an input without masked spots.

        The first pass makes the embedding that pattern and long-range neighbours of the second are of.
        """
        z, _ = self.network(x, self.prepare(epochs + 1))
        if self.config.local_pattern:
            self.around.pattern = edge_cosines(self.around.local, z, self.config.heads)
        if self.expansion is not None:
            self.around.distant = self.expansion.edges(z)
        return self.network(x, self.around)

    @torch.no_grad()
    def settled(self, x: Tensor, epochs: int) -> tuple[Tensor, Tensor, AttentionWeights]:
        """:meth:`settle`, with the rebuilt input and the attention of the last layer only."""
        z, weights = self.settle(x, epochs)
        return z, self.network.decode(z, self.around, weights), weights[-1]


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph."""
    inputs = prepare_inputs(dataset, config, run)
    network = Mcgate(dataset.n_spots, sum(inputs.widths), config)
    network.reset_parameters(run.torch_generator())
    network.to(run.device)
    encoder = McgateEncoder(dataset, network, config, run)
    history = train(network, loss_terms(encoder, inputs), config.schedule(), run)
    z, rebuilt, weights = encoder.settled(torch.cat(inputs.seen(), dim=1), history.epochs)
    record = history.record(
        receptive_field=inputs.record(),
        long_range_neighbours=0.0 if encoder.expansion is None else round(encoder.expansion.mean_found, 3),
    )
    return Fitted(
        z.float().cpu().numpy(),
        record,
        extras={"attention": attention_table(encoder.around, weights, dataset.obs.index)},
        denoised=inputs.to_latents(rebuilt.split(inputs.widths, dim=1)),
    )


def loss_terms(encoder: McgateEncoder, inputs: MaskedInputs) -> Terms:
    """The loss terms of an epoch: per modality the squared error of the rebuilt input, on masked spots."""
    network = encoder.network

    def terms(epoch: int) -> dict[str, Tensor]:
        mask = inputs.mask(epoch)
        around = encoder.prepare(epoch)
        z, weights = network(torch.cat(inputs.seen(mask), dim=1), around)
        network.latest.copy_(z.detach())
        rebuilt = network.decode(z, around, weights)
        return inputs.reconstruction_terms(rebuilt.split(inputs.widths, dim=1), mask)

    return terms


def attention_table(around: Neighbourhood, weights: AttentionWeights, spots: pd.Index) -> pd.DataFrame:
    """Where each spot's attention goes, mean over heads: to itself, its neighbours, its long-range neighbours."""
    fractions = []
    for graph, given in ((around.local, weights.local), (around.distant, weights.distant)):
        if graph is None or given is None:
            fractions.append((torch.ones(len(spots)), torch.zeros(len(spots))))
            continue
        mean = given.float().mean(dim=1, keepdim=True)
        own = graph.sum(mean * (graph.receivers == graph.senders)[:, None])[:, 0].cpu()
        fractions.append((own, 1 - own))
    alpha = 0.0 if around.distant is None else around.alpha
    (itself, others), (itself_again, distant) = fractions
    values = torch.stack(
        [(1 - alpha) * itself + alpha * itself_again, (1 - alpha) * others, alpha * distant], dim=1
    ).numpy()
    return pd.DataFrame(values, index=spots, columns=["itself", "neighbours", "long range"])
