"""SPAMO: graph encoders that blend a spatial and a learned feature graph, attention between modalities, gated fusion.

After Su et al. (SPAMO: Spatial Multi-Omics Integration via Dual-Graph Encoding and Cross-Modal Interaction), for any
number of modalities. docs/methods/spamo.md lists what differs from the publication and what each part is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.graphs.matrices import with_self
from spatialweave.method import Fitted
from spatialweave.nn.attention import SpotAttention, choose_landmarks
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.gcn import GcnLayer, gcn_propagation
from spatialweave.nn.infomax import Discriminator, infomax_loss
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.learned_graph import LearnedGraph, correlation_similarity
from spatialweave.nn.propagation import Propagation
from spatialweave.settings import option
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, TrainingConfig, prepare_inputs

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of SPAMO: one set for all tissues."""

    n_dims: int = option(32, "Dimensions of the embedding and of the encodings.", low=1, high=4096)
    n_hidden: int = option(64, "Dimensions of the hidden layer of each encoder.", low=1, high=4096)
    dropout: float = option(0.1, "Fraction of inputs, attention weights and embedding dropped in training.", 0.0, 0.9)
    linear_path: bool = option(True, "Let encoders pass a linear map of what is near, beside their two layers.")
    nonlinear_strength: float = option(
        0.005, "Weight of the encoders' two layers, and highest gate of the fusion.", 0.0, 1.0
    )
    landmarks: int = option(128, "Random spots that represent all that are not near, in the attention.", low=1)
    attention_strength: float = option(0.2, "Factor on what a spot gathers from other modalities.", low=0)
    balance_start: float = option(1.0, "a at the start: sigmoid(a) is the weight of the spatial graph.", -10, 10)
    graph_momentum: float = option(0.9, "Weight of the old target as it follows the learned graphs.", 0, 1)
    rna_weight: float = option(1.0, "Weight of the reconstruction of RNA.", low=0)
    other_weight: float = option(1.0, "Weight of the reconstruction of every other modality.", low=0)
    graph_weight: float = option(1.0, "Weight of the distance of learned graphs from their targets.", low=0)
    smooth_weight: float = option(0.01, "Weight of the dissimilarity of an embedding and its neighbours'.", low=0)
    infomax_weight: float = option(1e-3, "Weight of the infomax loss: true against shuffled spots.", low=0)


class DualGraphEncoder(nn.Module):
    """Two graph convolutions over A = s S + (1 - s) G, of the spatial graph S and the learned graph G of a modality.

    E = A x W0 + r LN(A relu(A x W1) W2), with s = sigmoid(a) learned; without the linear path W0 is left out.
    """

    def __init__(self, n_inputs: int, config: Config, graph: LearnedGraph) -> None:
        super().__init__()
        self.graph = graph
        self.strength = config.nonlinear_strength
        self.balance = nn.Parameter(torch.tensor(config.balance_start))
        self.dropout = nn.Dropout(config.dropout)
        self.first = nn.Linear(n_inputs, config.n_hidden, bias=False)
        self.second = nn.Linear(config.n_hidden, config.n_dims, bias=False)
        self.norm = nn.LayerNorm(config.n_dims)
        self.linear = nn.Linear(n_inputs, config.n_dims, bias=False) if config.linear_path else None

    def reset_parameters(self, generator: torch.Generator) -> None:
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
        encoding = self.strength * self.norm(blend(self.second(functional.relu(self.first(near)))))
        return encoding if self.linear is None else encoding + self.linear(near)


class GatedFusion(nn.Module):
    """The embedding g MLP(c) + (1 - g) mean(E) with g = r sigmoid(gate(c)).

    c are the encodings E of all modalities and, beside them, LN(E + strength * gathered), with what the spots gather by
    attention from the other modalities' encodings (from its own where there is no other).
    """

    def __init__(self, n_modalities: int, config: Config) -> None:
        super().__init__()
        n_dims, n_others = config.n_dims, max(n_modalities - 1, 1)
        self.highest_gate, self.strength = config.nonlinear_strength, config.attention_strength
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
        """Fuse encodings (each spots x dimensions); `near` are the spots that each modality always attends to."""
        enhanced = []
        for m, encoding in enumerate(encodings):
            others = [other for k, other in enumerate(encodings) if k != m] or [encoding]
            sending = self.merge[m](torch.cat(others, dim=1))
            gathered = self.attention[m](encoding, sending, near[m], landmarks)
            enhanced.append(self.norms[m](encoding + self.strength * gathered))
        both = torch.cat([*encodings, *enhanced], dim=1)
        gate = self.highest_gate * torch.sigmoid(self.gate(both))
        return gate * self.mlp(both) + (1 - gate) * torch.stack(list(encodings)).mean(dim=0)


@dataclass
class FixedGraphs:
    """What does not change in training: the spatial graph, and by modality the spots that each spot attends to."""

    spatial: Propagation
    near: list[EdgeGraph | None]
    landmarks: Tensor


class Spamo(nn.Module):
    """Encoders, fusion, decoders (dropout and a linear graph convolution) and the discriminator of shuffled spots."""

    def __init__(self, n_inputs: Sequence[int], graphs: Sequence[LearnedGraph], config: Config) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            [DualGraphEncoder(n, config, graph) for n, graph in zip(n_inputs, graphs, strict=True)]
        )
        self.fusion = GatedFusion(len(n_inputs), config)
        self.dropout = nn.Dropout(config.dropout)
        self.decoders = nn.ModuleList([GcnLayer(config.n_dims, n) for n in n_inputs])
        self.summary = nn.Linear(config.n_dims, config.n_dims)
        self.discriminator = Discriminator(config.n_dims)

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights: encoders, fusion, decoders, discriminator."""
        for encoder in cast(Iterable[DualGraphEncoder], self.encoders):
            encoder.reset_parameters(generator)
        reset_linear(self.fusion, generator)
        for decoder in cast(Iterable[GcnLayer], self.decoders):
            decoder.reset_parameters(generator)
        reset_linear(self.summary, generator)
        self.discriminator.reset_parameters(generator)

    def forward(
        self, inputs: Sequence[Tensor], fixed: FixedGraphs, weights: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """The embedding and the encodings of all modalities, each spots x dimensions."""
        encodings = [
            encoder(x, fixed.spatial, own) for encoder, x, own in zip(self.encoders, inputs, weights, strict=True)
        ]
        return self.fusion(encodings, fixed.near, fixed.landmarks), encodings

    def rebuild(self, z: Tensor, spatial: Propagation) -> list[Tensor]:
        """Every modality's features from the embedding."""
        kept = self.dropout(z)
        return [decoder(kept, spatial) for decoder in self.decoders]

    def weights(self) -> list[Tensor]:
        """Edge weights of the learned graphs."""
        return [encoder.graph.weights() for encoder in cast(Iterable[DualGraphEncoder], self.encoders)]


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph and the feature graphs' distances by correlation."""
    inputs = prepare_inputs(dataset, config, run)
    graphs = [
        LearnedGraph(correlation_similarity(dataset.feature_distances(one.name)), config.graph_momentum, run.device)
        for one in dataset.modalities
    ]
    generator = run.torch_generator()
    network = Spamo(inputs.widths, graphs, config)
    network.reset_parameters(generator)
    network.to(run.device)
    landmarks = choose_landmarks(dataset.n_spots, config.landmarks, generator).to(run.device)
    exact = len(landmarks) == dataset.n_spots
    near = [None if exact else attended(dataset, m, run.device) for m in range(len(graphs))]
    fixed = FixedGraphs(gcn_propagation(dataset.spatial_graph(), run.device), near, landmarks)
    history = train(network, loss_terms(network, inputs, fixed, config, run), config.schedule(), run)
    network.eval()
    with torch.no_grad():
        z, encodings = network(inputs.seen(), fixed, network.weights())
        rebuilt = network.rebuild(z, fixed.spatial)
    names = [one.name for one in inputs.modalities]
    balance = [torch.sigmoid(encoder.balance).item() for encoder in cast(Iterable[DualGraphEncoder], network.encoders)]
    record = history.record(
        receptive_field=inputs.record(),
        spatial_fraction={name: round(fraction, 5) for name, fraction in zip(names, balance, strict=True)},
        learned_edges={name: len(graph.strengths) for name, graph in zip(names, graphs, strict=True)},
    )
    extras = {"modality_weights": pd.DataFrame(sizes(encodings), index=dataset.obs.index, columns=names)}
    return Fitted(z.float().cpu().numpy(), record, extras, inputs.to_latents(rebuilt))


def attended(dataset: Dataset, receiver: int, device: str) -> EdgeGraph:
    """The spots that each spot always attends to: itself, its neighbours in space and in the other modalities."""
    names = [one.name for k, one in enumerate(dataset.modalities) if k != receiver] or [
        dataset.modalities[receiver].name
    ]
    distances = (dataset.feature_distances(name) for name in names)
    return EdgeGraph(with_self(dataset.spatial_graph(), *distances), device)


def sizes(encodings: Sequence[Tensor]) -> np.ndarray:
    """By spot the length of each modality's encoding as a fraction of all lengths; all enter the mean equally."""
    lengths = torch.stack([encoding.norm(dim=1) for encoding in encodings], dim=1).clamp_min(1e-12)
    return (lengths / lengths.sum(dim=1, keepdim=True)).float().cpu().numpy()


def loss_terms(network: Spamo, inputs: MaskedInputs, fixed: FixedGraphs, config: Config, run: Run) -> Terms:
    """The weighted loss terms of an epoch; one of weight 0 is not computed."""
    graphs = [encoder.graph for encoder in cast(Iterable[DualGraphEncoder], network.encoders)]

    def terms(epoch: int) -> dict[str, Tensor]:
        for graph in graphs:
            graph.follow()
        mask = inputs.mask(epoch)
        seen, weights = inputs.seen(mask), network.weights()
        z, _ = network(seen, fixed, weights)
        values = inputs.reconstruction_terms(network.rebuild(z, fixed.spatial), mask)
        for name in values:
            values[name] = values[name] * (config.rna_weight if name.endswith("_rna") else config.other_weight)
        if config.graph_weight > 0:
            moved = torch.stack([graph.distance(own) for graph, own in zip(graphs, weights, strict=True)]).mean()
            values["graph"] = config.graph_weight * moved / inputs.n_spots**0.5
        if config.smooth_weight > 0:
            values["smoothness"] = config.smooth_weight * dissimilarity(z, inputs.neighbours)
        if config.infomax_weight > 0:
            order = torch.randperm(inputs.n_spots, generator=run.generator(epoch, "shuffling")).to(run.device)
            shuffled, _ = network([x[order] for x in seen], fixed, weights)
            # Shuffling does not change the mean of a linear map: without a nonlinearity nothing would differ.
            true, false = functional.elu(z), functional.elu(shuffled)
            summary = torch.sigmoid(network.summary(true.mean(dim=0)))
            logits = [network.discriminator(rows, summary) for rows in (true, false)]
            values["infomax"] = config.infomax_weight * infomax_loss(*logits)
        return values

    return terms


def dissimilarity(z: Tensor, neighbours: Propagation) -> Tensor:
    """1 less the mean cosine of a spot's row and those near it (itself included): 0 where all rows point one way."""
    unit = functional.normalize(z, dim=1)
    return 1 - (unit * neighbours(unit)).sum(dim=1).mean()
