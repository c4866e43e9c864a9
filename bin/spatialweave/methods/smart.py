"""SMART (Du et al. 2026), trained to predict masked spots instead of the noise of visible ones.

GraphSAGE encoders per modality, a linear fusion, GraphSAGE decoders, reconstruction and triplet losses, as in
:mod:`spatialweave.methods.smart_paper`. docs/methods/smart.md lists the differences and the effect of each.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.graphs.matrices import edges
from spatialweave.method import Fitted
from spatialweave.mining.beyond_window import mine_distant_triplets, within
from spatialweave.nn.convolutions import ConvolutionStack, Messages, messages, shared_sums
from spatialweave.nn.initial_weights import reset_uniform
from spatialweave.nn.losses import pair_distance, smoothness, triplet_loss
from spatialweave.nn.masking import visible_average
from spatialweave.nn.propagation import Propagation, row_differences
from spatialweave.settings import option
from spatialweave.training.batches import EMBEDDING, Batches
from spatialweave.training.frozen import State, frozen_inputs, restore, state_of
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInput, MaskedInputs, ScaledInputs, TrainingConfig, scale_inputs
from spatialweave.training.named_values import by_modality
from spatialweave.training.smart_settings import SmartConfig
from spatialweave.training.tiles import TILES_PER_PART, Patch, TileConfig, Tiling

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

MINING = zlib.crc32(b"mining")
"""Separates the random numbers of the mining in parts from those of other purposes."""

MINING_ROUNDS = 2
"""Averaging rounds before mining; a positive lies outside the window of its anchor, but their windows may overlap."""

Miner = Callable[[Sequence[MaskedInput], Patch, np.random.Generator], list[np.ndarray]]
"""Function that finds the triplets (3 x triplets) of a modality among the counted spots of a part."""


@dataclass(frozen=True)
class Config(SmartConfig, TileConfig, TrainingConfig):
    """Settings; the defaults are the same for all tissues."""

    n_dims: int = option(32, "Dimensions of the embedding.", low=1, high=4096, aliases=("emb_dim",))
    n_hidden: int = option(64, "Dimensions of the encodings and of the hidden layers.", low=1, high=4096)
    margin: float = option(1.0, "Margin of the triplet loss, in mean standard deviations of the embedding.", low=0)
    n_nearest: int = option(3, "Nearest spots beyond the window among which mutual pairs are searched.", low=1, high=20)
    triplet_weight: float = option(0.1, "Weight of the triplet losses, averaged over modalities.", low=0)
    triplet_signal: float = option(
        0.07,
        "Standard deviation that neighbours predict of a modality, of 1, from which on its triplets have their full "
        "weight; below it the weight is in proportion. 0 = always the full weight.",
        0.0,
        1.0,
    )


class Smart(nn.Module):
    """Encoders (one per modality), the linear fusion of their outputs, decoders (one per modality)."""

    def __init__(self, n_inputs: Sequence[int], config: Config) -> None:
        super().__init__()
        kind, hidden = config.encoder, [config.n_hidden] * config.layers
        self.encoders = nn.ModuleList([ConvolutionStack(kind, [n, *hidden], functional.elu) for n in n_inputs])
        self.fusion = nn.Linear(config.n_hidden * len(n_inputs), config.n_dims)
        self.decoders = nn.ModuleList(
            [ConvolutionStack(kind, [config.n_dims, *hidden[1:], n], functional.elu) for n in n_inputs]
        )

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights: encoders, fusion, decoders."""
        for stack in cast(Iterable[ConvolutionStack], [*self.encoders, *self.decoders]):
            stack.reset_parameters(generator)
        for parameter in (self.fusion.weight, self.fusion.bias):
            reset_uniform(parameter, self.fusion.in_features, generator)

    def forward(self, inputs: Sequence[Tensor], sums: Messages) -> Tensor:
        """Return the embedding (spots x dimensions); `sums` is what the convolutions gather by."""
        encodings = [encoder(x, sums) for encoder, x in zip(self.encoders, inputs, strict=True)]
        return self.fusion(torch.cat(encodings, dim=1))


@dataclass
class Batch:
    """Training data of a network at a time: spots with what they gather by, and the triplets among them.

    Attributes
    ----------
    sums
        Argument that the convolutions gather by.
    triplets
        Maps an embedding to the differences of anchor and positive, and of anchor and negative, of every modality.
    sizes
        Number of triplets of each modality.
    triplet_weights
        For each modality its triplets over those of an average part.
    along_edges
        Maps an embedding to the differences along the edges of the counted spots; None = they are not needed.
    """

    inputs: MaskedInputs
    sums: Messages
    triplets: Propagation
    sizes: list[int]
    triplet_weights: list[float]
    along_edges: Propagation | None


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph."""

    def miner(modalities: Sequence[MaskedInput], patch: Patch, rng: np.random.Generator) -> list[np.ndarray]:
        return mine(modalities, patch, config, rng)

    return fit_mined(dataset, config, run, miner)


def fit_mined(dataset: Dataset, config: Config, run: Run, miner: Miner, tiles_per_part: int = TILES_PER_PART) -> Fitted:
    """Embed `dataset` with the triplets that `miner` finds in each modality."""
    rng = run.numpy_generator()
    tiling = Tiling(dataset, config.batch_spots, config.epochs, run, tiles_per_part)
    inputs = scale_inputs(tiling, config, run, rng)
    depth = reach(inputs, config)
    triplets = mined(tiling, inputs, depth, rng, miner)
    totals = [sum(found[m].shape[1] for found in triplets) for m in range(len(inputs.modalities))]
    batches = Batches(tiling, lambda patch: make_batch(patch, inputs, triplets[patch.number], totals, config), depth)
    network = Smart(inputs.widths, config)
    network.reset_parameters(run.torch_generator())
    network.to(run.device)
    terms = loss_terms(
        network, {one.name: x for one, x in zip(inputs.modalities, inputs.signal(), strict=True)}, config
    )
    history = train(network, terms, config.schedule(), run, batches=batches)
    tables = batches.everywhere(lambda batch: embedded(network, batch))
    record = history.record(
        receptive_field=inputs.record(),
        triplets={one.name: total for one, total in zip(inputs.modalities, totals, strict=True)},
        **tiling.record(),
    )
    embedding = tables.pop(EMBEDDING)
    return Fitted(embedding, record, denoised=inputs.to_latents(tables), state=state_of(network, inputs, []))


def embed(dataset: Dataset, config: Config, run: Run, state: State) -> Fitted:
    """Embed spots with a network trained on others; needs the spatial graph."""
    tiling = Tiling(dataset, config.batch_spots, 1, run)
    inputs = frozen_inputs(dataset, state, config, run)
    network = Smart(inputs.widths, config)
    restore(network, state)
    network.to(run.device)
    none = [np.empty((3, 0), dtype=np.int64) for _ in inputs.modalities]
    depth = reach(inputs, config)
    batches = Batches(tiling, lambda patch: make_batch(patch, inputs, none, [0] * len(none), config), depth)
    tables = batches.everywhere(lambda batch: embedded(network, batch))
    embedding = tables.pop(EMBEDDING)
    return Fitted(embedding, tiling.record(), denoised=inputs.to_latents(tables))


def mined(
    tiling: Tiling, inputs: ScaledInputs, depth: int, rng: np.random.Generator, miner: Miner
) -> list[list[np.ndarray]]:
    """Return the triplets of every part and modality; `rng` draws those of a dataset that is one part."""
    found, team = [], tiling.run.team
    for number in team.own(range(tiling.n_parts)):
        patch = tiling.patch(number, depth)
        drawing = rng if tiling.whole else tiling.run.numpy_generator(MINING, number)
        found.append(miner(inputs.at(patch).modalities, patch, drawing))
    return team.all_of(found)


def reach(inputs: ScaledInputs, config: Config) -> int:
    """Return how many steps of the spatial graph a spot's losses depend on: the input, encoder and decoder."""
    return inputs.reach + 2 * config.layers


def embedded(network: Smart, batch: Batch) -> dict[str, Tensor]:
    """Return the embedding, and the features of every modality rebuilt from it, by name."""
    z = network(batch.inputs.seen(), batch.sums)
    rebuilt = [decoder(z, batch.sums) for decoder in network.decoders]
    return {EMBEDDING: z, **{one.name: x for one, x in zip(batch.inputs.modalities, rebuilt, strict=True)}}


def make_batch(
    patch: Patch, scaled: ScaledInputs, triplets: Sequence[np.ndarray], totals: Sequence[int], config: Config
) -> Batch:
    """Return a part of the dataset with the triplets (3 x triplets) of each modality, of `totals` in all parts."""
    graph, n_spots = patch.dataset.spatial_graph(), patch.dataset.n_spots
    # For GraphSAGE, the means that also make the input; they include the spot itself.
    sage = config.encoder == "sage"
    sums = patch.neighbours if sage else messages(config.encoder, graph, device=patch.device)
    pairs = np.concatenate([found[[0, other]] for found in triplets for other in (1, 2)], axis=1)
    along_edges = None
    if config.smoothness_weight > 0:
        here, there = edges(graph)
        counts = patch.within(0)[here]
        along_edges = row_differences(here[counts], there[counts], n_spots, patch.device)
    return Batch(
        scaled.at(patch),
        sums,
        row_differences(pairs[0], pairs[1], n_spots, patch.device),
        [found.shape[1] for found in triplets],
        [found.shape[1] / max(patch.share * total, 1) for found, total in zip(triplets, totals, strict=True)],
        along_edges,
    )


def mine(modalities: Sequence[MaskedInput], patch: Patch, config: Config, rng: np.random.Generator) -> list[np.ndarray]:
    """Find triplets (3 x triplets) of each modality in averages over neighbours; positives lie outside the window."""
    close, found = within(patch.dataset.spatial_graph(), MINING_ROUNDS + 1), []
    for one in modalities:
        spots = np.flatnonzero(one.present.cpu().numpy() & patch.within(0))
        features = mining_features(one, patch.neighbours)
        found.append(mine_distant_triplets(features, close, config.n_nearest, config.far_fraction, rng, spots))
    return found


def mining_features(one: MaskedInput, neighbours: Propagation) -> np.ndarray:
    """Return a modality averaged over neighbours, in which triplets are mined (float32, spots x dimensions)."""
    return np.asarray(visible_average(one.features, one.present, neighbours, MINING_ROUNDS).cpu().numpy())


def loss_terms(network: Smart, signal: Mapping[str, float], config: Config) -> Terms:
    """Return the weighted loss terms of an epoch: error on masked spots and triplet loss per modality; smoothness.

    `signal` holds for each modality, in order, the standard deviation that neighbours predict
    (:meth:`~spatialweave.training.masking.ScaledInputs.signal`). In a modality that is mostly noise, the nearest spots
    are alike by chance.
    """
    names = list(signal)
    reconstruction_weights = by_modality(config.reconstruction_weights, names, "reconstruction_weights")
    triplet_weights = by_modality(config.triplet_weights, names, "triplet_weights")
    full = config.triplet_signal
    strength = {name: min(1.0, found / full) if full > 0 else 1.0 for name, found in signal.items()}

    def terms(epoch: int, batch: Batch) -> dict[str, Tensor]:
        inputs, sums = batch.inputs, batch.sums
        mask = inputs.mask(epoch)
        z = network(inputs.seen(mask), sums)
        # All decoders start with the same sums over neighbours.
        first = shared_sums(config.encoder, sums, z)
        values = inputs.reconstruction_terms([decoder(z, sums, first) for decoder in network.decoders], mask)
        # In units of the embedding's scale; otherwise a larger embedding would meet the margin.
        scale = inputs.patch.counted(z.detach()).std(dim=0).mean().clamp_min(1e-6)
        distances = pair_distance(batch.triplets(z / scale)).split([size for size in batch.sizes for _ in range(2)])
        if batch.along_edges is not None:
            values["smoothness"] = config.smoothness_weight * smoothness(batch.along_edges(z / scale))
        for m, name in enumerate(names):
            values[f"reconstruction_{name}"] = reconstruction_weights[name] * values[f"reconstruction_{name}"]
            # A mean over the triplets of a part; those of a part with few triplets must not count more.
            loss = batch.triplet_weights[m] * triplet_loss(distances[2 * m], distances[2 * m + 1], config.margin)
            weight = config.triplet_weight * strength[name] * triplet_weights[name] / len(names)
            values[f"triplet_{name}"] = weight * loss
        return values

    return terms
