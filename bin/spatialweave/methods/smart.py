"""SMART (Du et al. 2026), trained to predict masked spots instead of the noise of visible ones.

GraphSAGE encoders per modality, a linear fusion, GraphSAGE decoders, reconstruction and triplet losses, as in
:mod:`spatialweave.methods.smart_paper`. docs/methods/smart.md lists what differs and what each change is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.graphs.matrices import edges
from spatialweave.method import Fitted
from spatialweave.mining.beyond_window import mine_distant_triplets
from spatialweave.nn.convolutions import ConvolutionStack, Messages, messages, shared_sums
from spatialweave.nn.initial_weights import reset_uniform
from spatialweave.nn.losses import pair_distance, smoothness, triplet_loss
from spatialweave.nn.masking import visible_average
from spatialweave.nn.propagation import Propagation, row_differences
from spatialweave.settings import option
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInput, MaskedInputs, TrainingConfig, prepare_inputs
from spatialweave.training.named_values import by_modality
from spatialweave.training.smart_settings import SmartConfig

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

MINING_ROUNDS = 2
"""Averages over the neighbours before mining; positives are at least one step beyond what shares such an average."""

Miner = Callable[[MaskedInput, Propagation, np.random.Generator], np.ndarray]
"""Finds the triplets (3 x triplets) of a modality, given the means over its neighbours."""


@dataclass(frozen=True)
class Config(SmartConfig, TrainingConfig):
    """Settings: one set for all tissues."""

    n_dims: int = option(32, "Dimensions of the embedding.", low=1, high=4096, aliases=("emb_dim",))
    n_hidden: int = option(64, "Dimensions of the encodings and of the hidden layers.", low=1, high=4096)
    margin: float = option(1.0, "Margin of the triplet loss, in mean standard deviations of the embedding.", low=0)
    n_nearest: int = option(3, "Nearest spots beyond the window among which mutual pairs are searched.", low=1, high=20)
    triplet_weight: float = option(0.1, "Weight of the triplet losses, averaged over modalities.", low=0)


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
        """The embedding: spots x dimensions; `sums` is what the convolutions gather by."""
        encodings = [encoder(x, sums) for encoder, x in zip(self.encoders, inputs, strict=True)]
        return self.fusion(torch.cat(encodings, dim=1))


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph."""
    graph = dataset.spatial_graph()

    def miner(one: MaskedInput, neighbours: Propagation, rng: np.random.Generator) -> np.ndarray:
        return mine(one, graph, neighbours, config, rng)

    return fit_mined(dataset, config, run, miner)


def fit_mined(dataset: Dataset, config: Config, run: Run, miner: Miner) -> Fitted:
    """Embed `dataset` with the triplets that `miner` finds in each modality."""
    rng = run.numpy_generator()
    inputs = prepare_inputs(dataset, config, run, rng)
    triplets = [miner(one, inputs.neighbours, rng) for one in inputs.modalities]
    sums = gathering(dataset, inputs, config)
    network = Smart(inputs.widths, config)
    network.reset_parameters(run.torch_generator())
    network.to(run.device)
    terms = loss_terms(network, inputs, sums, dataset.spatial_graph(), triplets, config)
    history = train(network, terms, config.schedule(), run)
    with torch.no_grad():
        z = network(inputs.seen(), sums)
        rebuilt = [decoder(z, sums) for decoder in network.decoders]
    record = history.record(
        receptive_field=inputs.record(),
        triplets={one.name: found.shape[1] for one, found in zip(inputs.modalities, triplets, strict=True)},
    )
    return Fitted(z.float().cpu().numpy(), record, denoised=inputs.to_latents(rebuilt))


def gathering(dataset: Dataset, inputs: MaskedInputs, config: Config) -> Messages:
    """What the convolutions gather by: for GraphSAGE the means that make the input, the spot itself included."""
    if config.encoder == "sage":
        return inputs.neighbours
    return messages(config.encoder, dataset.spatial_graph(), device=inputs.modalities[0].features.device)


def mine(
    one: MaskedInput, graph: sparse.csr_matrix, neighbours: Propagation, config: Config, rng: np.random.Generator
) -> np.ndarray:
    """Triplets (3 x triplets) of one modality, on averages over the neighbours and beyond the reach of those."""
    spots = np.flatnonzero(one.present.cpu().numpy())
    features = mining_features(one, neighbours)
    return mine_distant_triplets(features, graph, MINING_ROUNDS + 1, config.n_nearest, config.far_fraction, rng, spots)


def mining_features(one: MaskedInput, neighbours: Propagation) -> np.ndarray:
    """What triplets are mined in: a modality averaged over the neighbours (float32, spots x dimensions)."""
    return np.asarray(visible_average(one.features, one.present, neighbours, MINING_ROUNDS).cpu().numpy())


def loss_terms(
    network: Smart,
    inputs: MaskedInputs,
    sums: Messages,
    graph: sparse.csr_matrix,
    triplets: Sequence[np.ndarray],
    config: Config,
) -> Terms:
    """The weighted loss terms of an epoch: per modality the error on masked spots and the triplet loss; smoothness."""
    names = [one.name for one in inputs.modalities]
    device = inputs.modalities[0].features.device
    reconstruction_weights = by_modality(config.reconstruction_weights, names, "reconstruction_weights")
    triplet_weights = by_modality(config.triplet_weights, names, "triplet_weights")
    along_edges = row_differences(*edges(graph), inputs.n_spots, device) if config.smoothness_weight > 0 else None
    pairs = np.concatenate([found[[0, other]] for found in triplets for other in (1, 2)], axis=1)
    differences = row_differences(pairs[0], pairs[1], inputs.n_spots, device)
    sizes = [found.shape[1] for found in triplets for _ in range(2)]
    triplet_weight = config.triplet_weight / len(names)

    def terms(epoch: int) -> dict[str, Tensor]:
        mask = inputs.mask(epoch)
        z = network(inputs.seen(mask), sums)
        # All decoders begin with the same sums over neighbours.
        first = shared_sums(config.encoder, sums, z)
        values = inputs.reconstruction_terms([decoder(z, sums, first) for decoder in network.decoders], mask)
        # In units of the embedding's own scale, or the margin could be met by making the embedding larger.
        scale = z.detach().std(dim=0).mean().clamp_min(1e-6)
        distances = pair_distance(differences(z / scale)).split(sizes)
        if along_edges is not None:
            values["smoothness"] = config.smoothness_weight * smoothness(along_edges(z / scale))
        for m, name in enumerate(names):
            values[f"reconstruction_{name}"] = reconstruction_weights[name] * values[f"reconstruction_{name}"]
            loss = triplet_loss(distances[2 * m], distances[2 * m + 1], config.margin)
            values[f"triplet_{name}"] = triplet_weight * triplet_weights[name] * loss
        return values

    return terms
