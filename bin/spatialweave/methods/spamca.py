"""SpaMCA: a masked graph autoencoder whose modalities agree spot by spot and cluster by cluster.

Each modality has one linear GCN layer, with the same weights on the spatial and the feature graph, attention over the
two views, and a linear GCN decoder; a linear map fuses the modalities. Spots are masked and rebuilt. Heads align the
modalities and draw the embedding towards confident clusters. docs/methods/spamca.md lists the differences from the
publication and the effect of each part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from spatialweave.method import Fitted
from spatialweave.nn.attention import ViewAttention
from spatialweave.nn.cluster_heads import (
    ClusterHead,
    InstanceHead,
    cluster_contrast,
    cluster_imbalance,
    instance_loss,
    largest_probabilities,
    released_target,
    sharpened_target,
    target_loss,
)
from spatialweave.nn.gcn import GcnLayer, gcn_propagation
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.over_spots import counting
from spatialweave.nn.propagation import Propagation
from spatialweave.nn.unit_rows import unit_rows
from spatialweave.settings import option
from spatialweave.training.batches import EMBEDDING, Batches
from spatialweave.training.frozen import State, frozen_inputs, restore, state_of, statistics_of
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, ScaledInputs, TrainingConfig, random_masks, scale_inputs
from spatialweave.training.part_graphs import PartGraphs
from spatialweave.training.tiles import Patch, TileConfig, Tiling

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

TEMPERATURE = 0.5
"""Temperature of the contrast between clusters, as published."""

LAYERS = 2
"""Number of graph convolutions between the visible and the rebuilt values: encoder and decoder."""


@dataclass(frozen=True)
class Config(TileConfig, TrainingConfig):
    """Settings; the defaults are the same for all tissues."""

    variant: Literal["tuned", "paper", "released"] = option(
        "tuned", "`tuned`; `paper`: masked spots are zero, rows of unit length; `released`: also what the code does."
    )
    n_dims: int = option(
        32, "Dimensions of the encodings and of the embedding.", low=1, high=4096, aliases=("dim_output",)
    )
    n_clusters: int = option(10, "Clusters of the head; not the number of domains.", low=2, high=1000)
    reconstruction_weight: float = option(1.0, "Weight of each modality's reconstruction loss.", low=0)
    instance_weight: float = option(0.05, "Weight of the agreement of modalities on each spot.", low=0)
    cluster_weight: float = option(0.05, "Weight of the agreement of modalities on clusters, and of even sizes.", low=0)
    target_weight: float = option(0.05, "Weight of the distance from confident cluster probabilities.", low=0)


@dataclass
class SpaMcaGraphs:
    """Matrices D^-1/2 (A + I) D^-1/2 of the spatial graph and of each modality's feature graph."""

    spatial: Propagation
    features: list[Propagation]


@dataclass
class Batch:
    """Training data of a network at a time."""

    inputs: MaskedInputs
    graphs: SpaMcaGraphs


class SpaMcaOutput(NamedTuple):
    """Output of the network for all modalities.

    Attributes
    ----------
    encodings
        For each modality both views together: spots x dimensions.
    views
        For each modality the weights of the spatial and of the feature view: spots x 2.
    embedding
        Spots x dimensions.
    """

    encodings: list[Tensor]
    views: list[Tensor]
    embedding: Tensor


class SpaMca(nn.Module):
    """Autoencoder with its heads; with one modality there is nothing to align, and there are no instance heads."""

    def __init__(self, widths: Sequence[int], n_dims: int, n_clusters: int, scaled: bool = True) -> None:
        super().__init__()
        several = len(widths) > 1
        self.encoders = nn.ModuleList([GcnLayer(width, n_dims) for width in widths])
        self.attentions = nn.ModuleList([ViewAttention(n_dims, scaled) for _ in widths])
        # Two linear maps in a row, as published: the same functions as one map, but learned along other paths.
        self.fusion = nn.Sequential(nn.Linear(n_dims * len(widths), n_dims), nn.Linear(n_dims, n_dims))
        self.decoders = nn.ModuleList([GcnLayer(n_dims, width) for width in widths])
        self.instance_heads = nn.ModuleList([InstanceHead(n_dims) for _ in widths if several])
        self.cluster_head = ClusterHead(n_dims, n_clusters)

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights."""
        layers = [*self.encoders, *self.attentions, *self.decoders, *self.instance_heads, self.cluster_head]
        for layer in cast(Iterable[GcnLayer], layers):
            layer.reset_parameters(generator)
        reset_linear(self.fusion, generator)

    def forward(self, spatial: Sequence[Tensor], features: Sequence[Tensor], graphs: SpaMcaGraphs) -> SpaMcaOutput:
        """Embed; `spatial` and `features` are the inputs of the spatial and of the feature view, one per modality."""
        encodings, views = [], []
        for m, (encoder, attention) in enumerate(zip(self.encoders, self.attentions, strict=True)):
            both = [encoder(spatial[m], graphs.spatial), encoder(features[m], graphs.features[m])]
            encoding, weights = attention(both)
            encodings.append(encoding)
            views.append(weights)
        return SpaMcaOutput(encodings, views, self.fusion(torch.cat(encodings, dim=1)))

    def rebuild(self, embedding: Tensor, graphs: SpaMcaGraphs) -> list[Tensor]:
        """Return each modality's features, decoded from the embedding."""
        return [decoder(embedding, graphs.spatial) for decoder in self.decoders]


@dataclass
class MaskedViews:
    """Network input of each modality, and the spots to rebuild (bool); one entry per modality."""

    spatial: list[Tensor]
    features: list[Tensor]
    masks: list[Tensor]


def mask_views(inputs: MaskedInputs, variant: str, epoch: int) -> MaskedViews:
    """Return the inputs of an epoch (counted from 1); the released code also masks at inference (epoch 0)."""
    if variant == "tuned":
        mask = inputs.mask(epoch)
        seen = inputs.seen(mask)
        return MaskedViews(seen, seen, [mask] * len(seen))
    seen, n_masks = inputs.seen(), 1 if variant == "paper" else 2 * len(inputs.modalities)
    drawn = random_masks(n_masks, inputs.patch.n_all, inputs.mask_fraction, inputs.run, epoch)
    masks = [inputs.patch.taken(mask) for mask in drawn] * (2 * len(seen) // n_masks)
    zeroed = [x * ~mask[:, None] for x, mask in zip([x for x in seen for _ in range(2)], masks, strict=True)]
    return MaskedViews(zeroed[::2], zeroed[1::2], masks[::2])


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph and every modality's feature graph."""
    tiling = Tiling(dataset, config.batch_spots, config.epochs, run)
    inputs = scale_inputs(tiling, config, run)
    batches = make_batches(tiling, inputs)
    network = SpaMca(inputs.widths, config.n_dims, config.n_clusters, scaled=config.variant == "tuned")
    network.reset_parameters(run.torch_generator())
    network.to(run.device)
    history = train(network, loss_terms(network, config), config.schedule(), run, batches=batches)

    def function(batch: Batch) -> dict[str, Tensor]:
        return embedded(network, batch, config.variant)

    fitted = fitted_tables(batches.everywhere(function), dataset, inputs, config)
    fitted.record = history.record(receptive_field=inputs.record(), **tiling.record())
    fitted.state = state_of(network, inputs, batches.statistics(function))
    return fitted


def embed(dataset: Dataset, config: Config, run: Run, state: State) -> Fitted:
    """Embed spots with a network trained on others; needs the spatial graph and the feature graphs."""
    tiling = Tiling(dataset, config.batch_spots, 1, run)
    inputs = frozen_inputs(dataset, state, config, run)
    batches = make_batches(tiling, inputs)
    network = SpaMca(inputs.widths, config.n_dims, config.n_clusters, scaled=config.variant == "tuned")
    restore(network, state)
    network.to(run.device)
    statistics = statistics_of(state, run.device)
    tables = batches.everywhere(lambda batch: embedded(network, batch, config.variant), statistics)
    fitted = fitted_tables(tables, dataset, inputs, config)
    fitted.record = dict(tiling.record())
    return fitted


def fitted_tables(tables: dict[str, np.ndarray], dataset: Dataset, inputs: ScaledInputs, config: Config) -> Fitted:
    """Return the result of :func:`embedded` for every spot in the form that the method returns."""
    spots = dataset.obs.index
    names = [f"{one.name} {view}" for one in inputs.modalities for view in ("spatial", "features")]
    extras = {
        "view_weights": pd.DataFrame(tables.pop("view_weights"), spots, names),
        "cluster_probabilities": pd.DataFrame(
            tables.pop("cluster_probabilities"), spots, [str(k + 1) for k in range(config.n_clusters)]
        ),
    }
    embedding = tables.pop(EMBEDDING)
    return Fitted(embedding, extras=extras, denoised=inputs.to_latents(tables))


def make_batches(tiling: Tiling, inputs: ScaledInputs) -> Batches[Batch]:
    """Return the batches of a dataset."""
    # The convolutions gather from spots whose own inputs must be complete.
    graphs = PartGraphs(tiling, LAYERS)
    return Batches(tiling, lambda patch: make_batch(graphs.added(patch), inputs), inputs.reach + LAYERS)


def make_batch(patch: Patch, scaled: ScaledInputs) -> Batch:
    """Return a part of the dataset as a batch; needs its feature graphs."""
    own = patch.dataset
    features = [gcn_propagation(own.feature_graph(one.name), patch.device) for one in own.modalities]
    return Batch(scaled.at(patch), SpaMcaGraphs(gcn_propagation(own.spatial_graph(), patch.device), features))


def embedded(network: SpaMca, batch: Batch, variant: str) -> dict[str, Tensor]:
    """Return the embedding, view weights, cluster probabilities, and every rebuilt modality, by name."""
    inputs, seen = batch.inputs, batch.inputs.seen()
    shown = mask_views(inputs, "released", epoch=0) if variant == "released" else MaskedViews(seen, seen, [])
    encoded = network(shown.spatial, shown.features, batch.graphs)
    rebuilt = network.rebuild(encoded.embedding, batch.graphs)
    return {
        EMBEDDING: encoded.embedding if variant == "tuned" else unit_rows(encoded.embedding),
        "view_weights": torch.cat(encoded.views, dim=1),
        "cluster_probabilities": network.cluster_head(encoded.embedding).exp(),
        **{one.name: x for one, x in zip(inputs.modalities, rebuilt, strict=True)},
    }


def loss_terms(network: SpaMca, config: Config) -> Terms:
    """Return the weighted loss terms of an epoch: error on masked spots, and the terms of the heads."""

    def terms(epoch: int, batch: Batch) -> dict[str, Tensor]:
        inputs, graphs = batch.inputs, batch.graphs
        shown = mask_views(inputs, config.variant, epoch)
        encoded = network(shown.spatial, shown.features, graphs)
        values = {}
        for m, features in enumerate(network.rebuild(encoded.embedding, graphs)):
            loss = inputs.reconstruction_term(m, features, shown.masks[m])
            values[f"reconstruction_{inputs.modalities[m].name}"] = config.reconstruction_weight * loss
        counted = inputs.patch.counted
        core = SpaMcaOutput(list(map(counted, encoded.encodings)), [], counted(encoded.embedding))
        present = [counted(one.present) for one in inputs.modalities]
        # Only counted spots are among these rows.
        with counting(None):
            return values | head_terms(network, core, present, config, inputs.weight)

    return terms


def head_terms(
    network: SpaMca,
    encoded: SpaMcaOutput,
    present: Sequence[Tensor],
    config: Config,
    weight: Callable[..., float] = lambda *_: 1.0,
) -> dict[str, Tensor]:
    """Return losses between modalities on spots and on clusters (mean over pairs), and of clusters from the target.

    A spot that lacks a modality does not count in that modality's clusters.

    Parameters
    ----------
    present
        For each modality the spots that have it (bool).
    weight
        Function from modality numbers to the weight of terms of spots that have them (:meth:`MaskedInputs.weight`).
    """
    head = network.cluster_head
    own = [head(y).exp() * there[:, None] for y, there in zip(encoded.encodings, present, strict=True)]
    log_fused = head(encoded.embedding)
    # Two tables per pair, as in the mean over pairs.
    cluster = 2 * torch.stack([weight(m) * cluster_imbalance(table) for m, table in enumerate(own)]).mean()
    values = {}
    pairs = list(combinations(range(len(own)), 2))
    if pairs:
        projected = [project(y) for project, y in zip(network.instance_heads, encoded.encodings, strict=True)]
        instance, contrast = [], []
        for a, b in pairs:
            both = present[a] & present[b]
            counts = weight(a, b)
            instance.append(counts * instance_loss(projected[a], projected[b], both))
            contrast.append(counts * cluster_contrast(own[a] * both[:, None], own[b] * both[:, None], TEMPERATURE))
        values["instance"] = config.instance_weight * torch.stack(instance).mean()
        cluster = cluster + torch.stack(contrast).mean()
    values["cluster"] = config.cluster_weight * cluster
    sharpened = released_target if config.variant == "released" else sharpened_target
    target = sharpened(largest_probabilities([*own, log_fused.exp()]))
    values["target"] = config.target_weight * target_loss(target, log_fused)
    return values
