"""SPAMO: graph encoders that blend a spatial and a learned feature graph, attention between modalities, gated fusion.

After Su et al. (SPAMO: Spatial Multi-Omics Integration via Dual-Graph Encoding and Cross-Modal Interaction), for any
number of modalities. docs/methods/spamo.md lists what differs from the publication and what each part is worth.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.method import Fitted
from spatialweave.nn.attention import SpotAttention, draw_landmarks
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.gcn import GcnLayer, draw_linear, gcn_propagation
from spatialweave.nn.infomax import Discriminator, infomax_loss
from spatialweave.nn.learned_graph import LearnedGraph, correlation_similarity
from spatialweave.nn.propagation import Propagation
from spatialweave.settings import option
from spatialweave.training.hidden_inputs import (
    HiddenInputs,
    TrainingConfig,
    epoch_generator,
    feature_distances,
    near_spots,
    prepare_inputs,
    spatial_graph,
)
from spatialweave.training.loop import Terms, train

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of SPAMO: one set for all tissues."""

    n_dims: int = option(32, "Dimensions of the embedding and of the encodings.", low=1, high=4096)
    n_hidden: int = option(64, "Dimensions of the hidden layer of each encoder.", low=1, high=4096)
    dropout: float = option(0.1, "Share of inputs, attention weights and embedding dropped in training.", 0.0, 0.9)
    linear_path: bool = option(True, "Let encoders pass a linear map of what is near, beside their two layers.")
    nonlinear_share: float = option(
        0.005, "Weight of the encoders' two layers, and highest gate of the fusion.", 0.0, 1.0
    )
    landmarks: int = option(128, "Spots that stand for all that are not near, in the attention.", low=1)
    attention_share: float = option(0.2, "What a spot gathers from other modalities is added times this.", low=0)
    balance_start: float = option(1.0, "a at the start: sigmoid(a) is the share of the spatial graph.", -10, 10)
    graph_momentum: float = option(0.9, "Share of the old target that stays as it follows the learned graphs.", 0, 1)
    rna_weight: float = option(1.0, "Weight of the reconstruction of RNA.", low=0)
    other_weight: float = option(1.0, "Weight of the reconstruction of every other modality.", low=0)
    graph_weight: float = option(1.0, "Weight of the distance of learned graphs from their targets.", low=0)
    smooth_weight: float = option(0.01, "Weight of the unlikeness of an embedding and its neighbours'.", low=0)
    infomax_weight: float = option(1e-3, "Weight of telling the tissue from one with shuffled spots.", low=0)


class Encoder(nn.Module):
    """Two graph convolutions over A = s S + (1 - s) G, of the spatial graph S and the learned graph G of a modality.

    E = A x W0 + r LN(A relu(A x W1) W2), with s = sigmoid(a) learned; without the linear path W0 is left out.
    """

    def __init__(self, n_inputs: int, config: Config, graph: LearnedGraph) -> None:
        super().__init__()
        self.graph = graph
        self.share = config.nonlinear_share
        self.balance = nn.Parameter(torch.tensor(config.balance_start))
        self.dropout = nn.Dropout(config.dropout)
        self.first = nn.Linear(n_inputs, config.n_hidden, bias=False)
        self.second = nn.Linear(config.n_hidden, config.n_dims, bias=False)
        self.norm = nn.LayerNorm(config.n_dims)
        self.linear = nn.Linear(n_inputs, config.n_dims, bias=False) if config.linear_path else None

    def draw(self, generator: torch.Generator) -> None:
        """Set the initial weights: Xavier uniform."""
        for layer in (self.first, self.second, self.linear):
            if layer is not None:
                nn.init.xavier_uniform_(layer.weight, generator=generator)

    def forward(self, x: Tensor, spatial: Propagation, weights: Tensor) -> Tensor:
        """Encode `x` (spots x inputs) as spots x dimensions; `weights` are those of the learned graph."""
        balance = torch.sigmoid(self.balance)

        def blend(y: Tensor) -> Tensor:
            return balance * spatial(y) + (1 - balance) * self.graph(y, weights)

        near = blend(self.dropout(x))
        encoding: Tensor = self.share * self.norm(blend(self.second(functional.relu(self.first(near)))))
        return encoding if self.linear is None else encoding + self.linear(near)


class Fusion(nn.Module):
    """The embedding g MLP(c) + (1 - g) mean(E) with g = r sigmoid(gate(c)).

    c are the encodings E of all modalities and, beside them, LN(E + share * what the spots gather by attention from the
    other modalities' encodings; from its own where there is no other).
    """

    def __init__(self, n_modalities: int, config: Config) -> None:
        super().__init__()
        n_dims, n_others = config.n_dims, max(n_modalities - 1, 1)
        self.highest, self.share = config.nonlinear_share, config.attention_share
        self.attention = nn.ModuleList(
            [SpotAttention(n_dims, n_dims, dropout=config.dropout) for _ in range(n_modalities)]
        )
        # Keys and values are made from one row per spot: several others first go through one map.
        self.merge = nn.ModuleList(
            [nn.Linear(n_others * n_dims, n_dims) if n_others > 1 else nn.Identity() for _ in range(n_modalities)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(n_dims) for _ in range(n_modalities)])
        self.gate = nn.Linear(2 * n_modalities * n_dims, n_dims)
        self.mlp = nn.Sequential(
            nn.Linear(2 * n_modalities * n_dims, 2 * n_dims),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * n_dims, n_dims),
            nn.LayerNorm(n_dims),
        )

    def forward(self, encodings: Sequence[Tensor], near: Sequence[EdgeGraph | None], landmarks: Tensor) -> Tensor:
        """Fuse encodings (each spots x dimensions); `near` are the spots that each modality surely attends to."""
        enhanced = []
        for m, encoding in enumerate(encodings):
            others = [other for k, other in enumerate(encodings) if k != m] or [encoding]
            asked = self.merge[m](torch.cat(others, dim=1))
            gathered = self.attention[m](encoding, asked, near[m], landmarks)
            enhanced.append(self.norms[m](encoding + self.share * gathered))
        both = torch.cat([*encodings, *enhanced], dim=1)
        gate = self.highest * torch.sigmoid(self.gate(both))
        fused: Tensor = gate * self.mlp(both) + (1 - gate) * torch.stack(list(encodings)).mean(dim=0)
        return fused


@dataclass
class Surroundings:
    """What does not change in training: the spatial graph, and by modality the spots that each spot attends to."""

    spatial: Propagation
    near: list[EdgeGraph | None]
    landmarks: Tensor


class Network(nn.Module):
    """Encoders, fusion, decoders (dropout and a linear graph convolution) and what tells shuffled spots."""

    def __init__(self, n_inputs: Sequence[int], graphs: Sequence[LearnedGraph], config: Config) -> None:
        super().__init__()
        self.encoders = nn.ModuleList([Encoder(n, config, graph) for n, graph in zip(n_inputs, graphs, strict=True)])
        self.fusion = Fusion(len(n_inputs), config)
        self.dropout = nn.Dropout(config.dropout)
        self.decoders = nn.ModuleList([GcnLayer(config.n_dims, n) for n in n_inputs])
        self.summary = nn.Linear(config.n_dims, config.n_dims)
        self.discriminator = Discriminator(config.n_dims)

    def draw(self, generator: torch.Generator) -> None:
        """Set the initial weights: encoders, fusion, decoders, discriminator."""
        for encoder in cast(Iterable[Encoder], self.encoders):
            encoder.draw(generator)
        draw_linear(self.fusion, generator)
        for decoder in cast(Iterable[GcnLayer], self.decoders):
            decoder.draw(generator)
        draw_linear(self.summary, generator)
        self.discriminator.draw(generator)

    def forward(
        self, inputs: Sequence[Tensor], surroundings: Surroundings, weights: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """The embedding and the encodings of all modalities, each spots x dimensions."""
        encodings = [
            encoder(x, surroundings.spatial, own)
            for encoder, x, own in zip(self.encoders, inputs, weights, strict=True)
        ]
        return self.fusion(encodings, surroundings.near, surroundings.landmarks), encodings

    def rebuild(self, z: Tensor, spatial: Propagation) -> list[Tensor]:
        """Every modality's features from the embedding."""
        kept = self.dropout(z)
        return [decoder(kept, spatial) for decoder in self.decoders]

    def weights(self) -> list[Tensor]:
        """Edge weights of the learned graphs."""
        return [encoder.graph.weights() for encoder in cast(Iterable[Encoder], self.encoders)]


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph and the feature graphs' distances by correlation."""
    started = time.monotonic()
    inputs = prepare_inputs(dataset, config, run)
    graphs = [
        LearnedGraph(correlation_similarity(feature_distances(dataset, one.name)), config.graph_momentum, run.device)
        for one in dataset.modalities
    ]
    generator = run.torch_generator()
    network = Network(inputs.widths, graphs, config)
    network.draw(generator)
    network.to(run.device)
    landmarks = draw_landmarks(dataset.n_spots, config.landmarks, generator).to(run.device)
    exact = len(landmarks) == dataset.n_spots
    near = [None if exact else attended(dataset, m, run.device) for m in range(len(graphs))]
    surroundings = Surroundings(gcn_propagation(spatial_graph(dataset), run.device), near, landmarks)
    prepared = time.monotonic() - started
    history = train(network, loss_terms(network, inputs, surroundings, config, run), config.schedule(), run)
    network.eval()
    with torch.no_grad():
        z, encodings = network(inputs.seen(), surroundings, network.weights())
        rebuilt = network.rebuild(z, surroundings.spatial)
    names = [one.name for one in inputs.modalities]
    balance = [torch.sigmoid(encoder.balance).item() for encoder in cast(Iterable[Encoder], network.encoders)]
    record = {
        "variant": "",
        **history.record(),
        "receptive_field": inputs.record(),
        "spatial_share": {name: round(share, 5) for name, share in zip(names, balance, strict=True)},
        "learned_edges": {name: len(graph.strengths) for name, graph in zip(names, graphs, strict=True)},
        "timings": {"preparation": round(prepared, 3), "training": round(history.seconds, 3)},
    }
    extras = {"modality_weights": pd.DataFrame(sizes(encodings), index=dataset.obs.index, columns=names)}
    return Fitted(z.float().cpu().numpy(), record, extras, inputs.to_latents(rebuilt))


def attended(dataset: Dataset, asking: int, device: torch.device) -> EdgeGraph:
    """The spots that each spot surely attends to: itself, its spatial neighbours, those in the asked modalities."""
    names = [one.name for k, one in enumerate(dataset.modalities) if k != asking] or [dataset.modalities[asking].name]
    return EdgeGraph(near_spots(dataset, names), device)


def sizes(encodings: Sequence[Tensor]) -> np.ndarray:
    """By spot the length of each modality's encoding as a share of all lengths; all enter the mean alike."""
    lengths = torch.stack([encoding.norm(dim=1) for encoding in encodings], dim=1).clamp_min(1e-12)
    return (lengths / lengths.sum(dim=1, keepdim=True)).float().cpu().numpy()


def loss_terms(network: Network, inputs: HiddenInputs, surroundings: Surroundings, config: Config, run: Run) -> Terms:
    """The weighted loss terms of an epoch; one of weight 0 is not computed."""
    graphs = [encoder.graph for encoder in cast(Iterable[Encoder], network.encoders)]

    def terms(epoch: int) -> dict[str, Tensor]:
        for graph in graphs:
            graph.follow()
        hidden = inputs.hidden(epoch)
        seen, weights = inputs.seen(hidden), network.weights()
        z, _ = network(seen, surroundings, weights)
        values = inputs.reconstruction_terms(network.rebuild(z, surroundings.spatial), hidden)
        for name in values:
            values[name] = values[name] * (config.rna_weight if name.endswith("_rna") else config.other_weight)
        if config.graph_weight > 0:
            moved = torch.stack([graph.distance(own) for graph, own in zip(graphs, weights, strict=True)]).mean()
            values["graph"] = config.graph_weight * moved / inputs.n_spots**0.5
        if config.smooth_weight > 0:
            values["smoothness"] = config.smooth_weight * unlikeness(z, inputs.neighbours)
        if config.infomax_weight > 0:
            # Other draws than those of the hidden spots, which this epoch's own generator gives.
            order = torch.randperm(inputs.n_spots, generator=epoch_generator(run.seed, -epoch)).to(run.device)
            shuffled, _ = network([x[order] for x in seen], surroundings, weights)
            # Shuffling leaves the mean of a linear map as it is: without a bend there is nothing to tell.
            true, false = functional.elu(z), functional.elu(shuffled)
            summary = torch.sigmoid(network.summary(true.mean(dim=0)))
            logits = [network.discriminator(rows, summary) for rows in (true, false)]
            values["infomax"] = config.infomax_weight * infomax_loss(*logits)
        return values

    return terms


def unlikeness(z: Tensor, neighbours: Propagation) -> Tensor:
    """1 less the mean cosine of a spot's row and those near it (itself included): 0 where all rows point one way."""
    unit = functional.normalize(z, dim=1)
    return 1 - (unit * neighbours(unit)).sum(dim=1).mean()
