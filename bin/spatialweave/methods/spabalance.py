"""SpaBalance (Advanced Science 2025): what each modality explains alone and what they share, balanced in training.

Each modality has a GCN encoder on the spatial and the feature graph, a mixer of the two views, and a linear GCN
decoder. Attention joins the modalities' spots, and a gate weighs the modalities spot by spot. The losses of each
modality (reconstruction, infomax) and those of the modalities together (cycle consistency, Barlow twins) are balanced.
docs/methods/spabalance.md lists the differences from the publication and the effect of each part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import with_self
from spatialweave.method import Fitted
from spatialweave.nn.attention import SpotAttention, choose_landmarks
from spatialweave.nn.barlow import barlow_loss
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.gcn import GcnLayer, gcn_propagation
from spatialweave.nn.infomax import Discriminator, neighbourhood_infomax
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.propagation import Propagation
from spatialweave.nn.strength import spread
from spatialweave.nn.view_mixer import ViewMixer
from spatialweave.settings import option
from spatialweave.training.balance import TOGETHER, balanced_backward
from spatialweave.training.batches import EMBEDDING, Batches
from spatialweave.training.frozen import State, frozen_inputs, restore, state_of, statistics_of
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, ScaledInputs, TrainingConfig, scale_inputs
from spatialweave.training.part_graphs import PartGraphs, landmarks_of
from spatialweave.training.tiles import Patch, TileConfig, Tiling

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


WEIGHTS = "modality_weights"

MIXED, REACH = 2, 3
"""Steps around a spot whose mixed encodings its losses depend on (a cycle decodes and encodes; attention and decoder
gather from neighbours), and steps around it whose inputs they depend on."""


@dataclass(frozen=True)
class Config(TileConfig, TrainingConfig):
    """Settings; the defaults are the same for all tissues."""

    n_dims: int = option(32, "Dimensions of the embedding.", low=1, high=4096, aliases=("dim_output",))
    n_hidden: int = option(64, "Dimensions of the encodings of each view.", low=1, high=4096)
    linear_path: bool = option(True, "Let mixers pass a linear map of the views' mean, beside their layers.")
    spatial_fraction: float = option(
        0.75, "With the linear path: weight of the spatial view in the mean of a modality's views, 0 to 1.", 0.0, 1.0
    )
    nonlinear_strength: float = option(
        0.2,
        "With the linear path: size of the mixer layers' output relative to it, if all variance were signal.",
        0.0,
        10.0,
    )
    mixer_width: int = option(64, "Width of the hidden layers of the mixer.", low=1, high=4096)
    dropout: float = option(0.0, "Fraction of the inputs of the mixer's layers that is dropped.", 0.0, 0.9)
    heads: int = option(4, "Heads of the attention between modalities; 0 = no attention.", low=0, high=64)
    gate_strength: float = option(
        1.0, "Factor on the gate's scores, if all variance were signal; 0 = equal weights.", 0.0, 100.0
    )
    n_landmarks: int = option(64, "Random spots that represent all others in the attention.", low=1)
    reconstruction_weight: float = option(1.0, "Weight of each modality's reconstruction loss.", low=0)
    infomax_weight: float = option(0.02, "Weight of each modality's infomax loss.", low=0)
    consistency_weight: float = option(0.03, "Weight of the cycle losses between modalities.", low=0)
    barlow_weight: float = option(5e-4, "Weight of the Barlow twins losses between modalities.", low=0)
    off_diagonal: float = option(0.005, "Weight of different dimensions in the Barlow twins loss.", low=0)
    uncertainty_from: float = option(
        0.75, "Fraction of the epochs after which the cycle losses' weights are learned.", 0, 1
    )
    balance: Literal["projected", "min_norm", "none"] = option(
        "projected", "How conflicting gradients of the groups of losses are combined; published: min_norm."
    )


@dataclass
class SpaBalanceGraphs:
    """Graphs that the network propagates and attends over.

    Attributes
    ----------
    spatial, features
        D^-1/2 (A + I) D^-1/2 of the spatial graph and of each modality's feature graph.
    near
        For each modality the spots that a spot always attends to: itself, its spatial neighbours, and its neighbours in
        the modality's features. None if every spot is a landmark.
    landmarks
        Indices of the spots that represent all others.
    """

    spatial: Propagation
    features: list[Propagation]
    near: list[EdgeGraph | None]
    landmarks: Tensor


@dataclass
class Batch:
    """Training data of a network at a time."""

    inputs: MaskedInputs
    graphs: SpaBalanceGraphs


class SpaBalanceOutput(NamedTuple):
    """Output of the network for all modalities: lists with one entry per modality, each spots x dimensions.

    Attributes
    ----------
    features
        Encodings on the feature graph, before the ReLU.
    mixed
        Mixtures of both views of each modality.
    embedding
        Spots x dimensions.
    weights
        Weights of the modalities in the embedding: spots x modalities.
    """

    features: list[Tensor]
    mixed: list[Tensor]
    embedding: Tensor
    weights: Tensor


class SpaBalance(nn.Module):
    """Encoders, mixers, decoders and discriminators (one per modality), attention (per ordered pair), gate."""

    def __init__(self, widths: Sequence[int], config: Config, signal: Sequence[float]) -> None:
        super().__init__()
        n_dims = config.n_dims
        self.pairs = list(permutations(range(len(widths)), 2))
        self.encoders = nn.ModuleList([GcnLayer(n, config.n_hidden) for n in widths])
        strengths = [config.nonlinear_strength * one if config.linear_path else None for one in signal]
        widths_of_mixer = (config.n_hidden, config.mixer_width, n_dims)
        self.mixers = nn.ModuleList(
            [ViewMixer(widths_of_mixer, config.dropout, one, config.spatial_fraction) for one in strengths]
        )
        pairs = self.pairs if config.heads else []
        self.attention = nn.ModuleList([SpotAttention(n_dims, n_dims, config.heads) for _ in pairs])
        self.gate_strength = config.gate_strength * sum(signal) / len(signal)
        self.gate = nn.Sequential(nn.Linear(n_dims * len(widths), n_dims), nn.ReLU(), nn.Linear(n_dims, len(widths)))
        self.decoders = nn.ModuleList([GcnLayer(n_dims, n) for n in widths])
        self.discriminators = nn.ModuleList([Discriminator(config.n_hidden) for _ in widths])
        self.log_variances = nn.Parameter(torch.zeros(len(self.pairs)))

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights; the gate starts close to equal weights."""
        for module in cast(Iterable[GcnLayer], [*self.encoders, *self.decoders, *self.discriminators]):
            module.reset_parameters(generator)
        for part in (self.mixers, self.gate):
            reset_linear(part, generator)
        for attention in cast(Iterable[SpotAttention], self.attention):
            attention.reset_parameters(generator)
        nn.init.zeros_(cast(nn.Linear, self.gate[-1]).bias)

    def forward(self, seen: Sequence[Tensor], graphs: SpaBalanceGraphs) -> SpaBalanceOutput:
        """Encode the visible values of each modality (spots x its dimensions), and fuse them."""
        spatial = [encoder(x, graphs.spatial) for encoder, x in zip(self.encoders, seen, strict=True)]
        features = [encoder(x, own) for encoder, x, own in zip(self.encoders, seen, graphs.features, strict=True)]
        mixed = [mixer(*views) for mixer, *views in zip(self.mixers, spatial, features, strict=True)]
        # Input of the gate: each modality's own row and what it gathers from the others, all of spread 1.
        rows = [one / spread(one).detach() for one in mixed]
        informed = list(rows)
        for attention, (receiver, sender) in zip(self.attention, self.pairs, strict=False):
            gathered = attention(rows[receiver], rows[sender], graphs.near[sender], graphs.landmarks)
            informed[receiver] = informed[receiver] + gathered / (len(mixed) - 1)
        weights = torch.softmax(self.gate_strength * self.gate(torch.cat(informed, dim=1)), dim=1)
        embedding = (weights[:, :, None] * torch.stack(mixed, dim=1)).sum(dim=1)
        return SpaBalanceOutput(features, mixed, embedding, weights)

    def decode(self, embedding: Tensor, graphs: SpaBalanceGraphs) -> list[Tensor]:
        """Rebuild the features of every modality from the embedding."""
        return [decoder(embedding, graphs.spatial) for decoder in self.decoders]

    def cycle(self, encoding: Tensor, through: int, graphs: SpaBalanceGraphs) -> Tensor:
        """Decode an encoding as the features of another modality, and encode these with that modality's encoder."""
        encoded = self.encoders[through](self.decoders[through](encoding, graphs.spatial), graphs.spatial)
        return cast(ViewMixer, self.mixers[through]).of_one_view(encoded)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph and every modality's feature graph."""
    if config.heads and config.n_dims % config.heads:
        raise InputError("setting 'heads'", f"{config.heads} does not divide n_dims = {config.n_dims}", "a divisor")
    if not config.linear_path and config.n_hidden != config.n_dims:
        found = f"n_hidden = {config.n_hidden} differs from n_dims = {config.n_dims}"
        raise InputError("setting 'linear_path'", f"without the path {found}", "equal widths, for the cycles")
    tiling = Tiling(dataset, config.batch_spots, config.epochs, run)
    inputs = scale_inputs(tiling, config, run)
    generator = run.torch_generator()
    landmarks = choose_landmarks(dataset.n_spots, config.n_landmarks, generator)
    batches = make_batches(tiling, inputs, landmarks, config, run)
    network = SpaBalance(inputs.widths, config, inputs.signal())
    network.reset_parameters(generator)
    network.to(run.device)
    terms = loss_terms(network, config, run)
    backward = (
        None if config.balance == "none" else balanced_backward(list(network.parameters()), group_of, config.balance)
    )
    history = train(network, terms, config.schedule(), run, backward=backward, batches=batches)
    network.eval()

    def function(batch: Batch) -> dict[str, Tensor]:
        return embedded(network, batch)

    fitted = fitted_tables(batches.everywhere(function), dataset, inputs)
    fitted.record = history.record(receptive_field=inputs.record(), landmarks=len(landmarks), **tiling.record())
    fitted.state = state_of(network, inputs, batches.statistics(function))
    return fitted


def embed(dataset: Dataset, config: Config, run: Run, state: State) -> Fitted:
    """Embed spots with a network trained on others, whose landmarks represent all spots that are not near.

    Needs the spatial graph and every modality's feature graph.
    """
    tiling = Tiling(dataset, config.batch_spots, 1, run)
    inputs = frozen_inputs(dataset, state, config, run)
    # Only their positions; keys and values are those of the training's landmarks.
    landmarks = choose_landmarks(dataset.n_spots, config.n_landmarks, run.torch_generator())
    batches = make_batches(tiling, inputs, landmarks, config, run)
    network = SpaBalance(inputs.widths, config, inputs.signal())
    restore(network, state)
    network.to(run.device)
    statistics = statistics_of(state, run.device)
    fitted = fitted_tables(batches.everywhere(lambda batch: embedded(network, batch), statistics), dataset, inputs)
    fitted.record = dict(tiling.record())
    return fitted


def fitted_tables(tables: dict[str, np.ndarray], dataset: Dataset, inputs: ScaledInputs) -> Fitted:
    """Return the result of :func:`embedded` for every spot in the form that the method returns."""
    names = [one.name for one in inputs.modalities]
    weights = pd.DataFrame(tables.pop(WEIGHTS), index=dataset.obs.index, columns=names)
    embedding = tables.pop(EMBEDDING)
    return Fitted(embedding, extras={WEIGHTS: weights}, denoised=inputs.to_latents(tables))


def embedded(network: SpaBalance, batch: Batch) -> dict[str, Tensor]:
    """Return the embedding, the modalities' weights in it, and every modality's features rebuilt from it, by name."""
    encoded = network(batch.inputs.seen(), batch.graphs)
    rebuilt = network.decode(encoded.embedding, batch.graphs)
    tables = {EMBEDDING: encoded.embedding, WEIGHTS: encoded.weights}
    return tables | {one.name: x for one, x in zip(batch.inputs.modalities, rebuilt, strict=True)}


def make_batches(tiling: Tiling, inputs: ScaledInputs, landmarks: Tensor, config: Config, run: Run) -> Batches[Batch]:
    """Return the batches of a dataset; `landmarks` are those of the whole dataset, a part has its own."""
    part_graphs = PartGraphs(tiling, MIXED)

    def make_batch(patch: Patch) -> Batch:
        graphs = make_graphs(part_graphs.added(patch).dataset, config, landmarks_of(patch, landmarks, run), run.device)
        return Batch(inputs.at(patch), graphs)

    return Batches(tiling, make_batch, inputs.reach + REACH)


def make_graphs(dataset: Dataset, config: Config, landmarks: Tensor, device: str) -> SpaBalanceGraphs:
    """Return the graphs on the device, with the landmarks."""
    spatial = dataset.spatial_graph()
    names = [modality.name for modality in dataset.modalities]
    features = [gcn_propagation(dataset.feature_graph(name), device) for name in names]
    near: list[EdgeGraph | None] = [None] * len(names)
    if config.heads and len(names) > 1 and len(landmarks) < dataset.n_spots:
        near = [EdgeGraph(with_self(spatial, dataset.feature_distances(name)), device) for name in names]
    return SpaBalanceGraphs(gcn_propagation(spatial, device), features, near, landmarks)


def group_of(term: str) -> str:
    """Return the group of a loss, whose losses are summed before balancing: one modality, or all together."""
    kind, _, modality = term.partition("_")
    return modality if kind in ("reconstruction", "infomax") else TOGETHER


def loss_terms(network: SpaBalance, config: Config, run: Run) -> Terms:
    """Return the weighted loss terms of an epoch."""

    def terms(epoch: int, batch: Batch) -> dict[str, Tensor]:
        inputs, graphs = batch.inputs, batch.graphs
        names = [one.name for one in inputs.modalities]
        mask = inputs.mask(epoch)
        seen = inputs.seen(mask)
        encoded = network(seen, graphs)
        rebuilt = inputs.reconstruction_terms(network.decode(encoded.embedding, graphs), mask)
        values = {name: config.reconstruction_weight * value for name, value in rebuilt.items()}
        if config.infomax_weight > 0:
            orders = shuffles([torch.from_numpy(one.present) for one in inputs.patch.dataset.modalities], run, epoch)
            for m, name in enumerate(names):
                shuffled = network.encoders[m](seen[m][orders[m].to(run.device)], graphs.features[m])
                discriminator = cast(Discriminator, network.discriminators[m])
                views = functional.relu(encoded.features[m]), functional.relu(shuffled)
                measured = counted_with(inputs, m)
                loss = neighbourhood_infomax(discriminator, *views, graphs.features[m], measured)
                values[f"infomax_{name}"] = config.infomax_weight * inputs.weight(m) * loss
        learned = epoch > config.uncertainty_from * config.epochs
        values |= shared_terms(network, batch, encoded, config, learned)
        return values

    return terms


def shared_terms(
    network: SpaBalance, batch: Batch, encoded: SpaBalanceOutput, config: Config, learned: bool
) -> dict[str, Tensor]:
    """Return losses of what modalities should share: cycles over ordered pairs, Barlow twins over all pairs.

    With a linear path, both are scaled to the number of pairs of two modalities.

    With a linear path, a cycle's error is also in units of the encoding's mean square; otherwise smaller encodings
    would lower it. Without one, layer normalisation fixes their size. With `learned` the error is weighted by
    uncertainty, error / (2 e^s) + s / 2 (Kendall et al., CVPR 2018). A cycle counts at the spots that have the modality
    from which it starts, Barlow twins at those that have both.
    """
    names = [one.name for one in batch.inputs.modalities]
    counted = batch.inputs.patch.counted
    present, mixed = [counted(one.present) for one in batch.inputs.modalities], list(map(counted, encoded.mixed))
    # The published sums over pairs grow with the square of the number of modalities, and would dominate with three.
    of_two = 2 / len(network.pairs) if config.linear_path and network.pairs else 1.0
    values = {}
    for p, (i, j) in enumerate(network.pairs):
        if config.consistency_weight > 0:
            measured = counted_with(batch.inputs, i)
            cycled, start = measured(network.cycle(encoded.mixed[i], j, batch.graphs)), measured(encoded.mixed[i])
            error = functional.mse_loss(cycled, start)
            if config.linear_path:
                error = error / start.detach().square().mean().clamp_min(1e-6)
            if learned:
                log_variance = network.log_variances[p]
                error = error / (2 * log_variance.exp()) + log_variance / 2
            factor = of_two * config.consistency_weight * batch.inputs.weight(i)
            values[f"consistency_{names[i]}_{names[j]}"] = factor * error
        if config.barlow_weight > 0 and i < j:
            weight = batch.inputs.weight(i, j)
            difference = weight * barlow_loss(mixed[i], mixed[j], config.off_diagonal, present[i] & present[j])
            values[f"barlow_{names[i]}_{names[j]}"] = of_two * config.barlow_weight * difference
    return values


def counted_with(inputs: MaskedInputs, m: int) -> Callable[[Tensor], Tensor]:
    """Return a function that takes the counted spots with modality `m` from a table of all spots.

    If none has it, all are taken: their loss has the weight 0 in a part of a dataset (:meth:`MaskedInputs.weight`).
    """
    spots = inputs.counted_with(m)
    return (lambda rows: rows[spots]) if len(spots) else inputs.patch.counted


def shuffles(present: Sequence[Tensor], run: Run, epoch: int) -> list[Tensor]:
    """Return a random order of the spots that have each modality, by seed and epoch; the others keep their places.

    `present` (bool) is on the CPU, where the orders are drawn.
    """
    generator = run.generator(epoch, "shuffling")
    orders = []
    for there in present:
        drawn = torch.randperm(len(there), generator=generator)
        order = torch.arange(len(there))
        order[there] = drawn[there[drawn]]
        orders.append(order)
    return orders
