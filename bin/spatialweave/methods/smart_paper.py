"""SMART as published: GraphSAGE encoders, a linear fusion, GraphSAGE decoders, triplets of mutual nearest spots.

Du et al., Nat Commun 17:2876, 2026, doi 10.1038/s41467-026-70821-5. docs/methods/smart.md explains each variant and its
differences from the publication. The default is :mod:`spatialweave.methods.smart`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import edges
from spatialweave.method import Fitted
from spatialweave.mining.triplets import mine_triplets
from spatialweave.nn.convolutions import ConvolutionStack, messages, shared_sums
from spatialweave.nn.initial_weights import reset_uniform
from spatialweave.nn.inputs import ModalityInput
from spatialweave.nn.losses import pair_distance, reconstruction_loss, smoothness, triplet_loss
from spatialweave.nn.propagation import row_differences
from spatialweave.nn.unit_rows import unit_rows
from spatialweave.settings import option
from spatialweave.training.loop import Terms, train
from spatialweave.training.named_values import by_modality
from spatialweave.training.optimisers import OptimiserConfig
from spatialweave.training.smart_settings import SmartConfig
from spatialweave.training.stopping import SlopeRule, StopRule, never

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset, Modality
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config(SmartConfig, OptimiserConfig):
    """Settings of SMART; the defaults are the published ones, the presets those of the published analyses."""

    variant: Literal["released", "paper"] = option("paper", "Which SMART: see docs/methods/smart.md.")
    n_dims: int = option(
        64, "Dimensions of the encodings and of the embedding.", low=1, high=4096, aliases=("emb_dim",)
    )
    epochs: int = option(300, "Most epochs; one update each.", low=0, aliases=("n_epochs",))
    learning_rate: float = option(1e-3, "Step size of the optimiser.", low=0, aliases=("lr",))
    weight_decay: float = option(1e-6, "Decay of the weights, added to the gradient.", low=0)
    stop_window: int = option(
        10, "Epochs over which the slope of a loss is fitted; 0 = run all epochs.", low=0, aliases=("window_size",)
    )
    stop_slope: float = option(
        1e-4, "Training stops when the slope of either loss is below this.", low=0, aliases=("slope",)
    )
    margin: float = option(0.5, "Margin of the triplet loss.", low=0)
    n_nearest: int = option(3, "Nearest spots among which mutual pairs are searched.", low=1, high=100)
    reconstruction_weight: float = option(1.0, "Weight of the reconstruction losses.", low=0)
    triplet_weight: float = option(1.0, "Weight of the triplet losses.", low=0)

    def __post_init__(self) -> None:
        if self.stop_window == 1:
            raise InputError("setting 'stop_window'", "1 epoch has no slope", "0 (never stop early), or 2 and more")


@dataclass(frozen=True)
class Variant:
    """Differences between the variants.

    Attributes
    ----------
    train_all
        Train every weight; otherwise only the fusion, on encodings that never change.
    after_layer
        Function applied after every convolution.
    summed
        Sum the reconstruction loss over the dimensions of a modality, instead of averaging it.
    directed
        Average over the spots that list a spot as a neighbour, instead of over both directions.
    mining_cap
        Maximal number of spots in triplets, drawn at random; None = all.
    """

    train_all: bool
    after_layer: Callable[[Tensor], Tensor]
    summed: bool
    directed: bool
    mining_cap: int | None


def unit_relu(x: Tensor) -> Tensor:
    """Apply ReLU, then divide each row by its norm (Hamilton et al., NeurIPS 2017, algorithm 1)."""
    return unit_rows(functional.relu(x))


VARIANTS = {
    "released": Variant(train_all=False, after_layer=unit_rows, summed=False, directed=True, mining_cap=20_000),
    "paper": Variant(train_all=True, after_layer=unit_relu, summed=True, directed=False, mining_cap=None),
}

# The published code initialises each layer twice; this reproduces its weights from a seed.
RESETS = 2


class PublishedSmart(nn.Module):
    """Encoders (one per modality), the linear fusion of their outputs, decoders (one per modality)."""

    def __init__(self, n_inputs: Sequence[int], config: Config) -> None:
        super().__init__()
        n_dims, after = config.n_dims, VARIANTS[config.variant].after_layer
        hidden = [n_dims] * config.layers
        self.encoders = nn.ModuleList([ConvolutionStack(config.encoder, [n, *hidden], after, after) for n in n_inputs])
        self.fusion = nn.Linear(n_dims * len(n_inputs), n_dims)
        self.decoders = nn.ModuleList([ConvolutionStack(config.encoder, [*hidden, n], after, after) for n in n_inputs])

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights: encoders, fusion, decoders."""
        for encoder in cast(Iterable[ConvolutionStack], self.encoders):
            encoder.reset_parameters(generator, times=RESETS)
        for parameter in (self.fusion.weight, self.fusion.bias):
            reset_uniform(parameter, self.fusion.in_features, generator)
        for decoder in cast(Iterable[ConvolutionStack], self.decoders):
            decoder.reset_parameters(generator, times=RESETS)

    def encode(self, inputs: Sequence[ModalityInput]) -> Tensor:
        """Return all encodings side by side: spots x (dimensions * modalities)."""
        return torch.cat([one.encode(encoder) for one, encoder in zip(inputs, self.encoders, strict=True)], dim=1)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset` with SMART; needs the spatial graph."""
    triplets = [mine(modality, config, run) for modality in dataset.modalities]
    for modality, found in zip(dataset.modalities, triplets, strict=True):
        run.log(f"{modality.name}: {found.shape[1]} triplets")
    return fit_triplets(dataset, triplets, config, run)


def mine(modality: Modality, config: Config, run: Run) -> np.ndarray:
    """Find triplets (3 x triplets) of one modality among the spots that have it."""
    spots = np.flatnonzero(modality.present)
    cap = VARIANTS[config.variant].mining_cap
    if cap is not None and len(spots) > cap:
        # The published code draws the same spots for every modality and every seed.
        spots = np.random.RandomState(42).choice(spots, cap, replace=False)
    return mine_triplets(modality.latent, config.n_nearest, config.far_fraction, run.numpy_generator(), spots)


def fit_triplets(dataset: Dataset, triplets: Sequence[np.ndarray], config: Config, run: Run) -> Fitted:
    """Train SMART on given triplets (3 x triplets, one array per modality) and embed all spots."""
    variant = VARIANTS[config.variant]
    graph = sending_graph(dataset, variant.directed)
    inputs = [ModalityInput(modality, graph, run.device, config.encoder) for modality in dataset.modalities]
    network = build(inputs, config, run)
    encode = encoder(network, inputs, variant)
    terms = loss_terms(network, encode, inputs, graph, triplets, config)
    history = train(network, terms, config.schedule(), run, stop_rule(config))
    with torch.no_grad():
        embedding = network.fusion(encode()).float().cpu().numpy()
    mined = {one.name: found.shape[1] for one, found in zip(inputs, triplets, strict=True)}
    return Fitted(embedding, history.record(triplets=mined))


def sending_graph(dataset: Dataset, directed: bool) -> sparse.csr_matrix:
    """Return the graph whose row i holds the spots that send to i.

    Directed: those that list i among their nearest, as in the published code. Otherwise: both directions.
    """
    return dataset.spatial_distances().T.tocsr() if directed else dataset.spatial_graph()


def build(inputs: Sequence[ModalityInput], config: Config, run: Run) -> PublishedSmart:
    """Build the network with the initial weights of the seed; weights that the variant does not train are frozen."""
    network = PublishedSmart([one.n_dims for one in inputs], config)
    network.reset_parameters(run.torch_generator())
    if not VARIANTS[config.variant].train_all:
        network.encoders.requires_grad_(False)
        network.decoders.requires_grad_(False)
    return network.to(run.device)


def encoder(network: PublishedSmart, inputs: Sequence[ModalityInput], variant: Variant) -> Callable[[], Tensor]:
    """Return a function that gives the current encodings; computed only once if the encoders are not trained."""
    if variant.train_all:
        return lambda: network.encode(inputs)
    with torch.no_grad():
        fixed = network.encode(inputs)
    return lambda: fixed


def loss_terms(
    network: PublishedSmart,
    encode: Callable[[], Tensor],
    inputs: Sequence[ModalityInput],
    graph: sparse.csr_matrix,
    triplets: Sequence[np.ndarray],
    config: Config,
) -> Terms:
    """Return the weighted loss terms of an epoch: for each modality the triplet loss and the reconstruction."""
    device = inputs[0].features.device
    n_spots = len(inputs[0].features)
    sums = messages(config.encoder, graph, device=device)
    names = [one.name for one in inputs]
    reconstruction_weights = by_modality(config.reconstruction_weights, names, "reconstruction_weights")
    triplet_weights = by_modality(config.triplet_weights, names, "triplet_weights")
    along_edges = row_differences(*edges(graph), n_spots, device) if config.smoothness_weight > 0 else None
    pairs = np.concatenate([found[[0, other]] for found in triplets for other in (1, 2)], axis=1)
    differences = row_differences(pairs[0], pairs[1], n_spots, device)
    variant = VARIANTS[config.variant]
    sizes = [found.shape[1] for found in triplets for _ in range(2)]

    def terms(_epoch: int, _batch: None) -> dict[str, Tensor]:
        z = network.fusion(encode())
        # All decoders start with the same sums over neighbours.
        first = shared_sums(config.encoder, sums, z)
        distances = pair_distance(differences(z)).split(sizes)
        values = {}
        for m, one in enumerate(inputs):
            loss = triplet_loss(distances[2 * m], distances[2 * m + 1], config.margin)
            values[f"triplet_{one.name}"] = config.triplet_weight * triplet_weights[one.name] * loss
        for one, decoder in zip(inputs, network.decoders, strict=True):
            loss = reconstruction_loss(one.features, decoder(z, sums, first), one.present)
            weight = config.reconstruction_weight * reconstruction_weights[one.name]
            values[f"reconstruction_{one.name}"] = weight * (one.n_dims if variant.summed else 1) * loss
        if along_edges is not None:
            values["smoothness"] = config.smoothness_weight * smoothness(along_edges(z))
        return values

    return terms


def stop_rule(config: Config) -> StopRule:
    """Return SMART's stop rule, or none for a window of 0."""
    if config.stop_window == 0:
        return never
    return SlopeRule(config.stop_window, config.stop_slope, ("triplet", "reconstruction"))
