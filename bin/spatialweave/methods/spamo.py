"""SPAMO: graph encoders that blend a spatial and a learned feature graph, attention between modalities, gated fusion.

After Su et al. (SPAMO: Spatial Multi-Omics Integration via Dual-Graph Encoding and Cross-Modal Interaction), for any
number of modalities. docs/methods/spamo.md lists the differences from the publication and the effect of each part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
from spatialweave.training.batches import EMBEDDING, Batches
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, TrainingConfig, scale_inputs
from spatialweave.training.part_graphs import PartGraphs, landmarks_of
from spatialweave.training.tiles import Patch, TileConfig, Tiling

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


WEIGHTS = "modality_weights"

ENCODED, REACH = 2, 4
"""Steps around a spot whose encodings its losses depend on (attention and decoder gather from neighbours), and steps
around it whose inputs they depend on (both layers of an encoder gather)."""


@dataclass(frozen=True)
class Config(TileConfig, TrainingConfig):
    """Settings of SPAMO; the defaults are the same for all tissues."""

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
    """Graphs that stay fixed in training: the spatial graph, and for each modality the spots that each spot attends to.

    `around` computes the means around a spot that the smoothness term compares it with.
    """

    spatial: Propagation
    around: Propagation
    near: list[EdgeGraph | None]
    landmarks: Tensor


@dataclass
class Batch:
    """Training data of a network at a time, with the learned graphs of its spots."""

    inputs: MaskedInputs
    fixed: FixedGraphs
    learned: Sequence[LearnedGraph]


class Spamo(nn.Module):
    """Encoders, fusion, decoders (dropout and a linear graph convolution) and the discriminator of shuffled spots.

    `graphs` are the learned graphs: one for each modality of every part of the dataset.
    """

    def __init__(
        self, n_inputs: Sequence[int], graphs: Sequence[Sequence[LearnedGraph]], config: Config, signal: Sequence[float]
    ) -> None:
        super().__init__()
        strengths = [config.nonlinear_strength * one if config.linear_path else None for one in signal]
        highest_gate = config.highest_gate * sum(signal) / len(signal) if config.linear_path else None
        self.encoders = nn.ModuleList(
            [
                DualGraphEncoder((n, config.n_hidden, config.n_dims), config.dropout, config.balance_start, strength)
                for n, strength in zip(n_inputs, strengths, strict=True)
            ]
        )
        self.graphs = nn.ModuleList([nn.ModuleList(own) for own in graphs])
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

    def forward(self, inputs: Sequence[Tensor], batch: Batch, weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the embedding and the encodings of all modalities, each spots x dimensions."""
        fixed = batch.fixed
        encodings = [
            encoder(x, fixed.spatial, graph, own)
            for encoder, x, graph, own in zip(self.encoders, inputs, batch.learned, weights, strict=True)
        ]
        return self.fusion(encodings, fixed.near, fixed.landmarks), encodings

    def rebuild(self, z: Tensor, spatial: Propagation) -> list[Tensor]:
        """Rebuild every modality's features from the embedding."""
        kept = self.dropout(z)
        return [decoder(kept, spatial) for decoder in self.decoders]


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph and feature graphs with correlation distances."""
    tiling = Tiling(dataset, config.batch_spots, config.epochs, run)
    inputs = scale_inputs(tiling, config, run)
    part_graphs, depth = PartGraphs(tiling, ENCODED), inputs.reach + REACH
    graphs = [learned_graphs(part_graphs.added(patch).dataset, config, run.device) for patch in tiling.patches(depth)]
    generator = run.torch_generator()
    network = Spamo(inputs.widths, graphs, config, inputs.signal())
    network.reset_parameters(generator)
    network.to(run.device)
    landmarks = choose_landmarks(dataset.n_spots, config.landmarks, generator)

    def make_batch(patch: Patch) -> Batch:
        fixed = fixed_graphs(part_graphs.added(patch).dataset, config, landmarks_of(patch, landmarks, run), run.device)
        return Batch(inputs.at(patch), fixed, graphs[patch.number])

    batches = Batches(tiling, make_batch, depth)
    history = train(network, loss_terms(network, config, run), config.schedule(), run, batches=batches)
    network.eval()
    tables = batches.everywhere(lambda batch: embedded(network, batch))
    names = [one.name for one in inputs.modalities]
    balance = [torch.sigmoid(encoder.balance).item() for encoder in cast(Iterable[DualGraphEncoder], network.encoders)]
    record = history.record(
        receptive_field=inputs.record(),
        spatial_fraction={name: round(fraction, 5) for name, fraction in zip(names, balance, strict=True)},
        learned_edges={name: sum(len(own[m].strengths) for own in graphs) for m, name in enumerate(names)},
        **tiling.record(),
    )
    extras = {WEIGHTS: pd.DataFrame(tables.pop(WEIGHTS), index=dataset.obs.index, columns=names)}
    embedding = tables.pop(EMBEDDING)
    return Fitted(embedding, record, extras, inputs.to_latents(tables))


def embedded(network: Spamo, batch: Batch) -> dict[str, Tensor]:
    """Return the embedding, the modalities' weights in it, and every modality's features rebuilt from it, by name."""
    z, encodings = network(batch.inputs.seen(), batch, [graph.weights() for graph in batch.learned])
    rebuilt = network.rebuild(z, batch.fixed.spatial)
    tables = {EMBEDDING: z, WEIGHTS: sizes(encodings)}
    return tables | {one.name: x for one, x in zip(batch.inputs.modalities, rebuilt, strict=True)}


def fixed_graphs(dataset: Dataset, config: Config, landmarks: Tensor, device: str) -> FixedGraphs:
    """Return the fixed graphs, with the landmarks; if these are all spots, nothing else is attended to."""
    unused = not config.cross_attention or len(landmarks) == dataset.n_spots
    near = [None if unused else attended(dataset, m, device) for m in range(len(dataset.modalities))]
    graph = dataset.spatial_graph()
    return FixedGraphs(gcn_propagation(graph, device), weighted_means(graph, device), near, landmarks)


def learned_graphs(dataset: Dataset, config: Config, device: str) -> list[LearnedGraph]:
    """Return the initial learned graph of every modality."""
    count = len(dataset.modalities)
    return [learned_graph(dataset.feature_distances(one.name), count, config, device) for one in dataset.modalities]


def learned_graph(distances: sparse.csr_matrix, n_modalities: int, config: Config, device: str) -> LearnedGraph:
    """Return the graph of a modality from the correlation distances of its nearest spots.

    As published, the graphs of two modalities start from the distances (so far neighbours weigh more), added up if both
    spots list each other, at most 1; those of three modalities start from weights of 1. Both are normalised before they
    are learned, and again with every use.
    """
    if config.learned_graph == "default":
        return LearnedGraph(correlation_similarity(distances), config.graph_momentum, device)
    start = distances if n_modalities < 3 else structure(distances)
    return LearnedGraph((start + start.T).minimum(1).tocsr(), config.graph_momentum, device, normalised=True)


def attended(dataset: Dataset, receiver: int, device: str) -> EdgeGraph:
    """Return the spots that each spot always attends to: itself, its neighbours in space and in other modalities."""
    names = [one.name for k, one in enumerate(dataset.modalities) if k != receiver] or [
        dataset.modalities[receiver].name
    ]
    distances = (dataset.feature_distances(name) for name in names)
    return EdgeGraph(with_self(dataset.spatial_graph(), *distances), device)


def sizes(encodings: Sequence[Tensor]) -> Tensor:
    """Return the length of each modality's encoding as a fraction of all lengths; all enter the mean equally."""
    lengths = torch.stack([encoding.norm(dim=1) for encoding in encodings], dim=1).clamp_min(1e-12)
    return lengths / lengths.sum(dim=1, keepdim=True)


def loss_terms(network: Spamo, config: Config, run: Run) -> Terms:
    """Return the weighted loss terms of an epoch; graph, smoothness and infomax of weight 0 are not computed."""
    published = config.learned_graph == "published"

    def terms(epoch: int, batch: Batch) -> dict[str, Tensor]:
        inputs, fixed, graphs, counted = batch.inputs, batch.fixed, batch.learned, batch.inputs.patch.counted
        learned = [graph.weights() for graph in graphs]
        if epoch > 1:
            for graph, own in zip(graphs, learned, strict=True):
                graph.follow(own)
        mask = inputs.mask(epoch)
        # As published, the first epoch propagates over the initial graphs of the learned ones.
        weights = [graph.target for graph in graphs] if published and epoch == 1 else learned
        seen = inputs.seen(mask)
        z, _ = network(seen, batch, weights)
        values = inputs.reconstruction_terms(network.rebuild(z, fixed.spatial), mask)
        for name in values:
            values[name] = values[name] * config.reconstruction_weight(name.removeprefix("reconstruction_"))
        if config.graph_weight > 0:
            per_spot = 1.0 if published else len(counted(z)) ** -0.5
            moved = [graph.distance(own, inputs.patch.core) for graph, own in zip(graphs, learned, strict=True)]
            values["graph"] = config.graph_weight * per_spot * torch.stack(moved).mean()
        if config.smooth_weight > 0:
            values["smoothness"] = config.smooth_weight * dissimilarity(z, fixed.around, counted)
        if config.infomax_weight > 0:
            order = torch.randperm(inputs.n_spots, generator=run.generator(epoch, "shuffling")).to(run.device)
            shuffled, _ = network([x[order] for x in seen], batch, weights)
            z, shuffled = counted(z), counted(shuffled)
            # Shuffling does not change the mean of the linear path, so a linear score could not distinguish them.
            true, false = (functional.elu(z), functional.elu(shuffled)) if config.linear_path else (z, shuffled)
            summary = torch.sigmoid(network.summary(true.mean(dim=0)))
            logits = [network.discriminator(rows, summary) for rows in (true, false)]
            values["infomax"] = config.infomax_weight * infomax_loss(*logits)
        return values

    return terms


def dissimilarity(z: Tensor, around: Propagation, counted: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
    """Return 1 minus the mean product of a spot's unit row and the mean of those around it; 0 if all are parallel.

    `counted` takes the spots that count from a table of all spots.
    """
    unit = functional.normalize(z, dim=1)
    return 1 - counted((unit * around(unit)).sum(dim=1)).mean()


def weighted_means(graph: sparse.csr_matrix, device: str) -> Propagation:
    """Return means around each spot and itself, by D^-1/2 (A + I) D^-1/2 with rows over their sum if it exceeds 1."""
    weights = gcn_normalise(graph)
    return Propagation(weights, 1 / np.maximum(np.asarray(weights.sum(axis=1)).ravel(), 1), device)
