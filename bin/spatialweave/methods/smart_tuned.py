"""SMART, variant `tuned`: the same parts, trained to predict hidden spots instead of the noise of visible ones.

GraphSAGE encoders per modality, a linear fusion, GraphSAGE decoders, reconstruction and triplet losses, as in
:mod:`spatialweave.methods.smart`. docs/methods/smart.md lists what differs and what each change is worth.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.errors import InputError
from spatialweave.methods import Fitted
from spatialweave.nn.distant_pairs import mine_distant_triplets
from spatialweave.nn.hiding import explained_by_neighbours, network_input, smallest_sufficient, visible_average
from spatialweave.nn.losses import pair_distance, reconstruction_loss, triplet_loss
from spatialweave.nn.propagation import Propagation, neighbour_mean, pattern_of, row_differences
from spatialweave.nn.sage import SageLayer, draw_uniform
from spatialweave.training.loop import Schedule, Terms, train
from spatialweave.training.options import option

if TYPE_CHECKING:
    from spatialweave.io.contract import Dataset, Modality
    from spatialweave.training.run import Run

MINING_ROUNDS = 2
"""Averages over the neighbours before mining; positives lie at least one step beyond what shares such an average."""


@dataclass(frozen=True)
class Config:
    """Settings of `tuned`: one set for all tissues."""

    n_dims: int = option(32, "Dimensions of the embedding.", low=1, high=4096)
    n_hidden: int = option(64, "Dimensions of the encodings and of the hidden layers.", low=1, high=4096)
    epochs: int = option(150, "Epochs; one update each.", low=0)
    learning_rate: float = option(3e-3, "Step size of Adam.", low=0)
    weight_decay: float = option(1e-5, "Decay of the weights, added to the gradient.", low=0)
    hidden_share: float = option(0.5, "Share of the spots hidden, and predicted, in an epoch.", low=0.01, high=0.99)
    most_rounds: int = option(6, "Widest receptive field tried, in rounds of averaging.", low=1, high=20)
    field_share: float = option(0.9, "Take the fewest rounds that explain this share of the most explained.", 0.0, 1.0)
    spread_power: float = option(0.5, "A latent dimension of deviation s gets s to this power.", 0.0, 1.0)
    margin: float = option(1.0, "Margin of the triplet loss, in mean deviations of the embedding.", low=0)
    n_nearest: int = option(3, "Nearest spots beyond the window among which mutual pairs are sought.", low=1, high=20)
    far_share: float = option(0.6, "Share of spots, the farthest from the anchor, that negatives come from.", 1e-6, 1.0)
    triplet_weight: float = option(0.1, "Weight of the triplet losses, averaged over modalities.", low=0)


@dataclass
class Input:
    """One modality on the device: features of mean square 1 (zero where missing), presence, rounds of averaging."""

    name: str
    features: Tensor
    present: Tensor
    rounds: int


class SageNet(nn.Module):
    """Two SAGE layers without unit norm, an ELU between them."""

    def __init__(self, n_inputs: int, n_hidden: int, n_outputs: int) -> None:
        super().__init__()
        self.first = SageLayer(n_inputs, n_hidden, unit=False)
        self.second = SageLayer(n_hidden, n_outputs, unit=False)

    def forward(self, x: Tensor, neighbours: Propagation, mean: Tensor | None = None) -> Tensor:
        """Map `x` (spots x inputs) to spots x outputs; `mean` is neighbours(x) where the caller has it already."""
        y: Tensor = self.second(functional.elu(self.first(x, neighbours, mean)), neighbours)
        return y


class Network(nn.Module):
    """Encoders (one per modality), the linear fusion of their outputs, decoders (one per modality)."""

    def __init__(self, n_inputs: Sequence[int], n_hidden: int, n_dims: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList([SageNet(n, n_hidden, n_hidden) for n in n_inputs])
        self.fusion = nn.Linear(n_hidden * len(n_inputs), n_dims)
        self.decoders = nn.ModuleList([SageNet(n_dims, n_hidden, n) for n in n_inputs])

    def draw(self, generator: torch.Generator) -> None:
        """Set the initial weights: encoders, fusion, decoders."""
        for net in cast(Iterable[SageNet], [*self.encoders, *self.decoders]):
            net.first.draw(generator)
            net.second.draw(generator)
        for parameter in (self.fusion.weight, self.fusion.bias):
            draw_uniform(parameter, self.fusion.in_features, generator)

    def forward(self, inputs: Sequence[Tensor], neighbours: Propagation) -> Tensor:
        """The embedding: spots x dimensions."""
        encodings = [encoder(x, neighbours) for encoder, x in zip(self.encoders, inputs, strict=True)]
        embedding: Tensor = self.fusion(torch.cat(encodings, dim=1))
        return embedding


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph."""
    if "spatial_connectivities" not in dataset.graphs:
        raise InputError("graph", "has no obsp['spatial_connectivities']", fix="build it with the recipe 'spatial'")
    started = time.monotonic()
    graph = dataset.graphs["spatial_connectivities"]
    itself = sparse.identity(dataset.n_spots, dtype=np.float32, format="csr")
    neighbours = neighbour_mean((pattern_of(graph) + itself).tocsr(), device=run.device)
    rng = run.numpy_generator()
    inputs, fields = [], {}
    for modality in dataset.modalities:
        one, explained = prepare_input(modality, neighbours, config, rng, run.device)
        inputs.append(one)
        fields[one.name] = {"rounds": one.rounds, "explained": [round(float(value), 5) for value in explained]}
        run.log(f"{one.name}: input averaged over {one.rounds} rounds of neighbours")
    triplets = [mine(one, graph, neighbours, config, rng) for one in inputs]
    prepared = time.monotonic() - started
    network = Network([one.features.shape[1] for one in inputs], config.n_hidden, config.n_dims)
    network.draw(run.torch_generator())
    network.to(run.device)
    terms = loss_terms(network, inputs, triplets, neighbours, config, run)
    history = train(network, terms, Schedule(config.epochs, config.learning_rate, config.weight_decay), run)
    with torch.no_grad():
        visible = [network_input(one.features, one.present, neighbours, one.rounds) for one in inputs]
        embedding = network(visible, neighbours).float().cpu().numpy()
    record = {
        "variant": "tuned",
        "losses": history.losses,
        "epochs": history.epochs,
        "stopped_by": history.stopped_by,
        "receptive_field": fields,
        "triplets": {one.name: found.shape[1] for one, found in zip(inputs, triplets, strict=True)},
        "timings": {"preparation": round(prepared, 3), "training": round(history.seconds, 3)},
    }
    return Fitted(embedding, record)


def prepare_input(
    modality: Modality, neighbours: Propagation, config: Config, rng: np.random.Generator, device: torch.device
) -> tuple[Input, np.ndarray]:
    """Scale a modality, and choose its rounds of averaging by how well they predict hidden spots.

    Returns the input, and the share of variance that 1, 2, ... rounds explain. The network's own layers reach further,
    so the input is averaged one round less than is best.
    """
    present = torch.as_tensor(modality.present, device=device)
    field = torch.as_tensor(scaled(modality, 1.0), device=device)
    explained = explained_by_neighbours(field, present, neighbours, config.most_rounds, rng)
    rounds = smallest_sufficient(explained, config.field_share) - 1
    features = torch.as_tensor(scaled(modality, config.spread_power), device=device)
    return Input(modality.name, features, present, rounds), explained


def scaled(modality: Modality, power: float) -> np.ndarray:
    """The latent centred, each dimension's deviation s changed to s^power, to mean square 1; zero where missing."""
    measured = modality.latent[modality.present].astype(np.float64)
    centred = measured - measured.mean(axis=0) if len(measured) else measured
    deviation = centred.std(axis=0) if len(measured) else np.zeros(measured.shape[1])
    centred = centred * np.where(deviation > 0, np.maximum(deviation, 1e-300) ** (power - 1), 0)
    size = np.sqrt(np.mean(centred**2)) if centred.size else 0.0
    features = np.zeros(modality.latent.shape, dtype=np.float32)
    features[modality.present] = centred / size if size > 0 else 0
    return features


def mine(
    one: Input, graph: sparse.csr_matrix, neighbours: Propagation, config: Config, rng: np.random.Generator
) -> np.ndarray:
    """Triplets (3 x triplets) of one modality, on averages over the neighbours and beyond the reach of those."""
    denoised = visible_average(one.features, one.present, neighbours, MINING_ROUNDS).cpu().numpy()
    spots = np.flatnonzero(one.present.cpu().numpy())
    return mine_distant_triplets(denoised, graph, MINING_ROUNDS + 1, config.n_nearest, config.far_share, rng, spots)


def loss_terms(
    network: Network,
    inputs: Sequence[Input],
    triplets: Sequence[np.ndarray],
    neighbours: Propagation,
    config: Config,
    run: Run,
) -> Terms:
    """The weighted loss terms of an epoch: per modality the error on hidden spots, and the triplet loss."""
    n_spots = len(inputs[0].features)
    pairs = np.concatenate([found[[0, other]] for found in triplets for other in (1, 2)], axis=1)
    differences = row_differences(pairs[0], pairs[1], n_spots, run.device)
    sizes = [found.shape[1] for found in triplets for _ in range(2)]
    triplet_weight = config.triplet_weight / len(inputs)

    def terms(epoch: int) -> dict[str, Tensor]:
        hidden = hidden_spots(n_spots, config.hidden_share, run.seed, epoch).to(run.device)
        seen = [network_input(one.features, one.present & ~hidden, neighbours, one.rounds) for one in inputs]
        z = network(seen, neighbours)
        # All decoders begin with the same neighbour mean of the embedding.
        mean = neighbours(z)
        values = {}
        for one, decoder in zip(inputs, network.decoders, strict=True):
            loss = reconstruction_loss(one.features, decoder(z, neighbours, mean), one.present & hidden)
            values[f"reconstruction_{one.name}"] = loss
        # In units of the embedding's own spread, or the margin could be met by making the embedding larger.
        spread = z.detach().std(dim=0).mean().clamp_min(1e-6)
        distances = pair_distance(differences(z / spread)).split(sizes)
        for m, one in enumerate(inputs):
            loss = triplet_loss(distances[2 * m], distances[2 * m + 1], config.margin)
            values[f"triplet_{one.name}"] = triplet_weight * loss
        return values

    return terms


def hidden_spots(n_spots: int, share: float, seed: int, epoch: int) -> Tensor:
    """Which spots are hidden in an epoch (bool); by seed and epoch only, so that a resumed run hides the same ones."""
    # The first numbers of a generator seeded by consecutive small integers are alike; a large odd factor spreads them.
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) * 0x9E3779B1 % 2**63)
    return torch.rand(n_spots, generator=generator) < share
