"""SpaMCA: a masked graph autoencoder whose modalities agree spot by spot and cluster by cluster.

Per modality one linear GCN layer, with the same weights on the spatial and on the feature graph; attention over the two
views; a linear fusion; linear GCN decoders. Spots are masked and rebuilt; heads align the modalities and draw the
embedding towards confident clusters. docs/methods/spamca.md lists what differs from the publication and what each part
is worth.
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
from spatialweave.nn.propagation import Propagation
from spatialweave.nn.unit_rows import unit_rows
from spatialweave.settings import option
from spatialweave.training.batches import EMBEDDING, Batches
from spatialweave.training.frozen import State, frozen_inputs, restore, state_of, statistics_of
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, ScaledInputs, TrainingConfig, scale_inputs
from spatialweave.training.part_graphs import PartGraphs
from spatialweave.training.tiles import Patch, TileConfig, Tiling

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

TEMPERATURE = 0.5
"""Of the contrast between clusters, as published."""

LAYERS = 2
"""Graph convolutions between what is seen and what is rebuilt: encoder and decoder."""


@dataclass(frozen=True)
class Config(TileConfig, TrainingConfig):
    """Settings: one set for all tissues."""

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
    """D^-1/2 (A + I) D^-1/2 of the spatial graph and of each modality's feature graph."""

    spatial: Propagation
    features: list[Propagation]


@dataclass
class Batch:
    """What a network learns from at a time."""

    inputs: MaskedInputs
    graphs: SpaMcaGraphs


class SpaMcaOutput(NamedTuple):
    """What the network makes of all modalities.

    Attributes
    ----------
    encodings
        Per modality, both views together: spots x dimensions.
    views
        Per modality the weights of the spatial and of the feature view: spots x 2.
    embedding
        Spots x dimensions.
    """

    encodings: list[Tensor]
    views: list[Tensor]
    embedding: Tensor


class SpaMca(nn.Module):
    """The autoencoder and its heads; with one modality there is nothing to align, and no instance heads."""

    def __init__(self, widths: Sequence[int], n_dims: int, n_clusters: int, scaled: bool = True) -> None:
        super().__init__()
        several = len(widths) > 1
        self.encoders = nn.ModuleList([GcnLayer(width, n_dims) for width in widths])
        self.attentions = nn.ModuleList([ViewAttention(n_dims, scaled) for _ in widths])
        # Two linear maps in a row, as published: the same functions as one, but learned along other paths.
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
        """Each modality's features as its decoder sees them in the embedding."""
        return [decoder(embedding, graphs.spatial) for decoder in self.decoders]


@dataclass
class MaskedViews:
    """What the network sees of each modality, and which spots it has to rebuild (bool); one entry per modality."""

    spatial: list[Tensor]
    features: list[Tensor]
    masks: list[Tensor]


def mask_views(inputs: MaskedInputs, variant: str, epoch: int) -> MaskedViews:
    """The inputs of an epoch (counted from 1); the released code masks at inference (epoch 0) as well."""
    if variant == "tuned":
        mask = inputs.mask(epoch)
        seen = inputs.seen(mask)
        return MaskedViews(seen, seen, [mask] * len(seen))
    seen, n_masks = inputs.seen(), 1 if variant == "paper" else 2 * len(inputs.modalities)
    generator = inputs.run.generator(epoch, "masking")
    drawn = torch.rand(n_masks, inputs.patch.n_all, generator=generator) < inputs.mask_fraction
    masks = [inputs.patch.taken(mask) for mask in drawn.to(seen[0].device)] * (2 * len(seen) // n_masks)
    zeroed = [x * ~mask[:, None] for x, mask in zip([x for x in seen for _ in range(2)], masks, strict=True)]
    return MaskedViews(zeroed[::2], zeroed[1::2], masks[::2])


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph and every modality's feature graph."""
    tiling = Tiling(dataset, config.batch_spots, config.epochs, run)
    inputs = scale_inputs(tiling, config, run)
    # What the convolutions gather from must have been seen in full.
    graphs = PartGraphs(tiling, LAYERS)
    batches = Batches(tiling, lambda patch: make_batch(graphs.added(patch), inputs), inputs.reach + LAYERS)
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
    """Embed spots by a network that was trained on others; needs the spatial graph and the feature graphs."""
    tiling = Tiling(dataset, config.batch_spots, 1, run)
    inputs = frozen_inputs(dataset, state, config, run)
    graphs = PartGraphs(tiling, LAYERS)
    batches = Batches(tiling, lambda patch: make_batch(graphs.added(patch), inputs), inputs.reach + LAYERS)
    network = SpaMca(inputs.widths, config.n_dims, config.n_clusters, scaled=config.variant == "tuned")
    restore(network, state)
    network.to(run.device)
    statistics = statistics_of(state, run.device)
    tables = batches.everywhere(lambda batch: embedded(network, batch, config.variant), statistics)
    fitted = fitted_tables(tables, dataset, inputs, config)
    fitted.record = dict(tiling.record())
    return fitted


def fitted_tables(tables: dict[str, np.ndarray], dataset: Dataset, inputs: ScaledInputs, config: Config) -> Fitted:
    """What :func:`embedded` makes of every spot, as the method returns it."""
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


def make_batch(patch: Patch, scaled: ScaledInputs) -> Batch:
    """A part of the dataset; needs its feature graphs."""
    own = patch.dataset
    features = [gcn_propagation(own.feature_graph(one.name), patch.device) for one in own.modalities]
    return Batch(scaled.at(patch), SpaMcaGraphs(gcn_propagation(own.spatial_graph(), patch.device), features))


def embedded(network: SpaMca, batch: Batch, variant: str) -> dict[str, Tensor]:
    """The embedding, the weights of the views, cluster probabilities, and every modality rebuilt, by name."""
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
    """The weighted loss terms of an epoch: error on masked spots, and what the heads add."""

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
        return values | head_terms(network, core, present, config, inputs.weight)

    return terms


def head_terms(
    network: SpaMca,
    encoded: SpaMcaOutput,
    present: Sequence[Tensor],
    config: Config,
    weight: Callable[..., float] = lambda *_: 1.0,
) -> dict[str, Tensor]:
    """Return how far modalities differ on spots and on clusters (mean over pairs), and clusters from the target.

    A spot that lacks a modality does not count in that modality's clusters.

    Parameters
    ----------
    present
        Per modality the spots that have it (bool).
    weight
        Of the terms of spots that have some modalities, by their numbers (:meth:`MaskedInputs.weight`).
    """
    head = network.cluster_head
    own = [head(y).exp() * there[:, None] for y, there in zip(encoded.encodings, present, strict=True)]
    log_fused = head(encoded.embedding)
    # Two tables a pair, as in the mean over pairs.
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
