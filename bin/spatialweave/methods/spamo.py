"""SPAMO: graph encoders that blend a spatial and a learned feature graph, attention between modalities, gated fusion.

After Su et al. (SPAMO: Spatial Multi-Omics Integration via Dual-Graph Encoding and Cross-Modal Interaction), for any
number of modalities. docs/methods/spamo.md lists what differs from the publication and what each part is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.graphs.matrices import gcn_normalise, structure, with_self
from spatialweave.method import Fitted
from spatialweave.nn.attention import choose_landmarks
from spatialweave.nn.dual_graph import DualGraphEncoder
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.gated_fusion import GatedFusion, LinearFusion
from spatialweave.nn.gcn import GcnLayer, gcn_propagation
from spatialweave.nn.infomax import Discriminator, infomax_loss
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.learned_graph import LearnedGraph, correlation_similarity
from spatialweave.nn.propagation import Propagation
from spatialweave.settings import option
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, TrainingConfig, prepare_inputs

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Settings of SPAMO: one set for all tissues."""

    ELSEWHERE = MappingProxyType({"KNN_k": "--feature_neighbours"})

    n_dims: int = option(
        32, "Dimensions of the embedding and of the encodings.", low=1, high=4096, aliases=("dim_output",)
    )
    n_hidden: int = option(64, "Dimensions of the hidden layer of each encoder.", low=1, high=4096)
    dropout: float = option(0.1, "Fraction of inputs, attention weights and embedding dropped in training.", 0.0, 0.9)
    linear_path: bool = option(True, "Let encoders pass a linear map of what is near, beside their two layers.")
    nonlinear_strength: float = option(
        0.5,
        "With the linear path: size of the two layers' output relative to it, if all variance were signal.",
        0.0,
        10.0,
    )
    highest_gate: float = option(0.2, "With the linear path: highest gate, if all variance were signal.", 0.0, 1.0)
    landmarks: int = option(128, "Random spots that represent all that are not near, in the attention.", low=1)
    cross_attention: bool = option(
        True, "Attention between the modalities; else the encodings are merged linearly.", aliases=("use_cross_attn",)
    )
    attention_strength: float = option(1.0, "Factor on what a spot gathers from other modalities.", low=0)
    balance_start: float = option(1.0, "a at the start: sigmoid(a) is the weight of the spatial graph.", -10, 10)
    learned_graph: Literal["default", "published"] = option(
        "default", "Where the learned graphs start, and how their distance from their targets counts."
    )
    graph_momentum: float = option(0.9, "Weight of the old target as it follows the learned graphs.", 0, 1)
    rna_weight: float = option(1.0, "Weight of the reconstruction of RNA.", low=0, aliases=("RNA_weight",))
    adt_weight: float = option(1.0, "Weight of the reconstruction of proteins.", low=0, aliases=("ADT_weight",))
    atac_weight: float = option(
        1.0, "Weight of the reconstruction of chromatin (ATAC, histone marks).", low=0, aliases=("ATAC_weight",)
    )
    other_weight: float = option(1.0, "Weight of the reconstruction of every other modality.", low=0)
    graph_weight: float = option(2.0, "Weight of the distance of learned graphs from their targets.", low=0)
    smooth_weight: float = option(
        0.05, "Weight of the dissimilarity of an embedding and its neighbours'.", low=0, aliases=("spatial_weight",)
    )
    infomax_weight: float = option(
        0.01, "Weight of the infomax loss: true against shuffled spots.", low=0, aliases=("dgi_weight",)
    )

    def reconstruction_weight(self, modality: str) -> float:
        """Weight of the reconstruction of a modality."""
        weights = {"rna": self.rna_weight, "adt": self.adt_weight}
        return weights.get(modality, self.atac_weight if modality in ("atac", "histone") else self.other_weight)


@dataclass
class FixedGraphs:
    """What does not change in training: the spatial graph, and by modality the spots that each spot attends to.

    `around` takes the means around a spot that the smoothness compares it with.
    """

    spatial: Propagation
    around: Propagation
    near: list[EdgeGraph | None]
    landmarks: Tensor


class Spamo(nn.Module):
    """Encoders, fusion, decoders (dropout and a linear graph convolution) and the discriminator of shuffled spots."""

    def __init__(
        self, n_inputs: Sequence[int], graphs: Sequence[LearnedGraph], config: Config, signal: Sequence[float]
    ) -> None:
        super().__init__()
        strengths = [config.nonlinear_strength * one if config.linear_path else None for one in signal]
        highest_gate = config.highest_gate * sum(signal) / len(signal) if config.linear_path else None
        self.encoders = nn.ModuleList(
            [
                DualGraphEncoder(
                    (n, config.n_hidden, config.n_dims), graph, config.dropout, config.balance_start, strength
                )
                for n, graph, strength in zip(n_inputs, graphs, strengths, strict=True)
            ]
        )
        self.fusion: GatedFusion | LinearFusion = (
            GatedFusion(len(n_inputs), config.n_dims, config.attention_strength, config.dropout, highest_gate)
            if config.cross_attention
            else LinearFusion(len(n_inputs), config.n_dims)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.decoders = nn.ModuleList([GcnLayer(config.n_dims, n) for n in n_inputs])
        self.summary = nn.Linear(config.n_dims, config.n_dims)
        self.discriminator = Discriminator(config.n_dims)
        self.linear_path = config.linear_path

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights: encoders, fusion, decoders, discriminator."""
        for encoder in cast(Iterable[DualGraphEncoder], self.encoders):
            encoder.reset_parameters(generator)
        self.fusion.reset_parameters(generator)
        for decoder in cast(Iterable[GcnLayer], self.decoders):
            decoder.reset_parameters(generator)
        reset_linear(self.summary, generator)
        self.discriminator.reset_parameters(generator, bilinear=not self.linear_path)

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
        learned_graph(dataset.feature_distances(one.name), len(dataset.modalities), config, run.device)
        for one in dataset.modalities
    ]
    generator = run.torch_generator()
    network = Spamo(inputs.widths, graphs, config, inputs.signal())
    network.reset_parameters(generator)
    network.to(run.device)
    landmarks = choose_landmarks(dataset.n_spots, config.landmarks, generator).to(run.device)
    unused = not config.cross_attention or len(landmarks) == dataset.n_spots
    near = [None if unused else attended(dataset, m, run.device) for m in range(len(graphs))]
    graph = dataset.spatial_graph()
    fixed = FixedGraphs(gcn_propagation(graph, run.device), weighted_means(graph, run.device), near, landmarks)
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


def learned_graph(distances: sparse.csr_matrix, n_modalities: int, config: Config, device: str) -> LearnedGraph:
    """The graph of a modality from the distances of its nearest spots by correlation.

    As published, two modalities' graphs start from the distances (so that far neighbours weigh more), added up where
    both spots list each other, at most 1; three modalities' from weights of 1. Both are normalised before they are
    learned, and again with every use.
    """
    if config.learned_graph == "default":
        return LearnedGraph(correlation_similarity(distances), config.graph_momentum, device)
    start = distances if n_modalities < 3 else structure(distances)
    return LearnedGraph((start + start.T).minimum(1).tocsr(), config.graph_momentum, device, normalised=True)


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
    """The weighted loss terms of an epoch; graph, smoothness and infomax of weight 0 are not computed."""
    graphs = [encoder.graph for encoder in cast(Iterable[DualGraphEncoder], network.encoders)]
    published = config.learned_graph == "published"
    per_spot = 1.0 if published else inputs.n_spots**-0.5

    def terms(epoch: int, batch: None = None) -> dict[str, Tensor]:
        learned = network.weights()
        if epoch > 1:
            for graph, own in zip(graphs, learned, strict=True):
                graph.follow(own)
        mask = inputs.mask(epoch)
        # As published, the first epoch propagates over the graphs that the learned ones start from.
        weights = [graph.target for graph in graphs] if published and epoch == 1 else learned
        seen = inputs.seen(mask)
        z, _ = network(seen, fixed, weights)
        values = inputs.reconstruction_terms(network.rebuild(z, fixed.spatial), mask)
        for name in values:
            values[name] = values[name] * config.reconstruction_weight(name.removeprefix("reconstruction_"))
        if config.graph_weight > 0:
            moved = torch.stack([graph.distance(own) for graph, own in zip(graphs, learned, strict=True)]).mean()
            values["graph"] = config.graph_weight * per_spot * moved
        if config.smooth_weight > 0:
            values["smoothness"] = config.smooth_weight * dissimilarity(z, fixed.around)
        if config.infomax_weight > 0:
            order = torch.randperm(inputs.n_spots, generator=run.generator(epoch, "shuffling")).to(run.device)
            shuffled, _ = network([x[order] for x in seen], fixed, weights)
            # Shuffling does not change the mean of the linear path, so that a linear score could not tell them apart.
            true, false = (functional.elu(z), functional.elu(shuffled)) if config.linear_path else (z, shuffled)
            summary = torch.sigmoid(network.summary(true.mean(dim=0)))
            logits = [network.discriminator(rows, summary) for rows in (true, false)]
            values["infomax"] = config.infomax_weight * infomax_loss(*logits)
        return values

    return terms


def dissimilarity(z: Tensor, around: Propagation) -> Tensor:
    """1 less the mean product of a spot's unit row and the mean of those around it; 0 where all point one way."""
    unit = functional.normalize(z, dim=1)
    return 1 - (unit * around(unit)).sum(dim=1).mean()


def weighted_means(graph: sparse.csr_matrix, device: str) -> Propagation:
    """Means around each spot, itself included, by D^-1/2 (A + I) D^-1/2 with rows divided by their sum if above 1."""
    weights = gcn_normalise(graph)
    return Propagation(weights, 1 / np.maximum(np.asarray(weights.sum(axis=1)).ravel(), 1), device)
