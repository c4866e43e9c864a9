"""What a network sees of each modality: scaled latents, averaged over a receptive field, with some spots hidden.

A network that sees a spot's latent and must give it back is rewarded for copying the spot's noise. Methods therefore
hide a random share of the spots in every epoch and rebuild those from their neighbours (:mod:`spatialweave.nn.hiding`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import with_self
from spatialweave.nn.hiding import explained_by_neighbours, network_input, smallest_sufficient
from spatialweave.nn.losses import reconstruction_loss
from spatialweave.nn.propagation import Propagation, neighbour_mean
from spatialweave.settings import option
from spatialweave.training.loop import Schedule

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset, Modality
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class InputConfig:
    """Settings of the input that methods share."""

    hidden_share: float = option(0.5, "Share of the spots hidden, and predicted, in an epoch; 0 = none.", 0.0, 0.99)
    most_rounds: int = option(6, "Widest receptive field tried, in rounds of averaging; 0 = plain latents.", 0, 20)
    field_share: float = option(0.9, "Take the fewest rounds that explain this share of the most explained.", 0.0, 1.0)
    spread_power: float = option(0.5, "A latent dimension of deviation s gets s to this power.", 0.0, 1.0)


@dataclass(frozen=True)
class TrainingConfig(InputConfig):
    """Settings of the input and of the training that methods share."""

    epochs: int = option(150, "Epochs; one update each.", low=0)
    learning_rate: float = option(3e-3, "Step size of Adam.", low=0)
    weight_decay: float = option(1e-5, "Decay of the weights, added to the gradient.", low=0)

    def schedule(self) -> Schedule:
        """How long and how fast to train."""
        return Schedule(self.epochs, self.learning_rate, self.weight_decay)


@dataclass
class HiddenInput:
    """One modality on the device.

    Attributes
    ----------
    features
        float32, spots x dimensions, of mean square 1; zero where missing.
    present
        bool, one per spot: where it was measured.
    rounds
        Of averaging over neighbours before the network.
    explained
        Share of the variance of hidden spots that 1, 2, ... rounds explain.
    centre, factor
        features = (latent - centre) * factor, per dimension.
    """

    name: str
    features: Tensor
    present: Tensor
    rounds: int
    explained: np.ndarray
    centre: np.ndarray
    factor: np.ndarray

    def to_latents(self, features: Tensor) -> np.ndarray:
        """Features, e.g. as rebuilt by a decoder, in the units of the latents; a constant dimension is its centre."""
        values = features.detach().float().cpu().numpy()
        inverse = np.divide(1.0, self.factor, out=np.zeros_like(self.factor), where=self.factor > 0)
        return (values * inverse + self.centre).astype(np.float32)


@dataclass
class HiddenInputs:
    """All modalities of a dataset.

    Attributes
    ----------
    neighbours
        Mean over the spatial neighbours, the spot itself among them.
    share, seed
        Of the spots hidden in an epoch, and what they are drawn by.
    """

    modalities: list[HiddenInput]
    neighbours: Propagation
    share: float
    seed: int

    @property
    def n_spots(self) -> int:
        """Number of spots."""
        return len(self.modalities[0].features)

    @property
    def widths(self) -> list[int]:
        """Dimensions of each modality."""
        return [one.features.shape[1] for one in self.modalities]

    def hidden(self, epoch: int) -> Tensor:
        """The spots hidden in an epoch (bool)."""
        return hidden_spots(self.n_spots, self.share, self.seed, epoch).to(self.modalities[0].features.device)

    def seen(self, hidden: Tensor | None = None) -> list[Tensor]:
        """Per modality what the network sees while `hidden` spots (None = none) are: spots x dimensions."""
        return [
            network_input(
                one.features, one.present if hidden is None else one.present & ~hidden, self.neighbours, one.rounds
            )
            for one in self.modalities
        ]

    def reconstruction_terms(self, rebuilt: Sequence[Tensor], hidden: Tensor) -> dict[str, Tensor]:
        """Per modality the mean squared error over the hidden spots, or over all spots where none are ever hidden."""
        values = {}
        for one, features in zip(self.modalities, rebuilt, strict=True):
            target = one.present & hidden if self.share > 0 else one.present
            values[f"reconstruction_{one.name}"] = reconstruction_loss(one.features, features, target)
        return values

    def to_latents(self, rebuilt: Sequence[Tensor]) -> dict[str, np.ndarray]:
        """Rebuilt features by modality, in the units of the latents."""
        return {one.name: one.to_latents(x) for one, x in zip(self.modalities, rebuilt, strict=True)}

    def record(self) -> dict[str, Any]:
        """For the training record: per modality the rounds of averaging and what they were chosen by."""
        return {
            one.name: {"rounds": one.rounds, "explained": [round(float(value), 5) for value in one.explained]}
            for one in self.modalities
        }


def prepare_inputs(
    dataset: Dataset, config: InputConfig, run: Run, rng: np.random.Generator | None = None
) -> HiddenInputs:
    """Scale every modality of `dataset` and choose its receptive field; needs the spatial graph.

    `rng` draws the spots that receptive fields are tried on; None = a generator of its own from the run's seed.
    """
    graph = spatial_graph(dataset)
    neighbours = neighbour_mean(with_self(graph), device=run.device)
    rng = run.numpy_generator() if rng is None else rng
    modalities = []
    for modality in dataset.modalities:
        one = prepare_input(modality, neighbours, config, rng, run.device)
        modalities.append(one)
        run.log(f"{one.name}: input averaged over {one.rounds} rounds of neighbours")
    return HiddenInputs(modalities, neighbours, config.hidden_share, run.seed)


def spatial_graph(dataset: Dataset) -> sparse.csr_matrix:
    """The undirected spatial graph of `dataset`."""
    return _graph(dataset, "spatial_connectivities", "spatial")


def feature_graph(dataset: Dataset, modality: str) -> sparse.csr_matrix:
    """The undirected feature graph of a modality of `dataset`."""
    return _graph(dataset, f"{modality}_connectivities", "tissue")


def feature_distances(dataset: Dataset, modality: str) -> sparse.csr_matrix:
    """The directed feature graph of a modality of `dataset`, with its distances."""
    return _graph(dataset, f"{modality}_distances", "tissue")


def near_spots(dataset: Dataset, modalities: Iterable[str]) -> sparse.csr_matrix:
    """For every spot itself, its spatial neighbours and its neighbours in the features of `modalities`: a pattern."""
    return with_self(spatial_graph(dataset), *(feature_distances(dataset, name) for name in modalities))


def _graph(dataset: Dataset, key: str, recipe: str) -> sparse.csr_matrix:
    if key not in dataset.graphs:
        raise InputError("graph", f"has no obsp['{key}']", fix=f"build it with the recipe '{recipe}'")
    return dataset.graphs[key]


def prepare_input(
    modality: Modality, neighbours: Propagation, config: InputConfig, rng: np.random.Generator, device: torch.device
) -> HiddenInput:
    """Scale a modality, and choose its rounds of averaging by how well they predict hidden spots.

    The network's own layers reach further, so the input is averaged one round less than is best.
    """
    present = torch.as_tensor(modality.present, device=device)
    explained, rounds = np.empty(0), 0
    if config.most_rounds > 0:
        plain, _, _ = scaled(modality, 1.0)
        field = torch.as_tensor(plain, device=device)
        explained = explained_by_neighbours(field, present, neighbours, config.most_rounds, rng)
        rounds = smallest_sufficient(explained, config.field_share) - 1
    features, centre, factor = scaled(modality, config.spread_power)
    return HiddenInput(
        modality.name, torch.as_tensor(features, device=device), present, rounds, explained, centre, factor
    )


def scaled(modality: Modality, power: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The latent centred, each dimension's deviation s changed to s^power, to mean square 1; zero where missing.

    Returns
    -------
    features
        float32, spots x dimensions.
    centre, factor
        Per dimension, so that features = (latent - centre) * factor where the modality was measured; the factor is 0
        for a dimension that does not vary.
    """
    measured = modality.latent[modality.present].astype(np.float64)
    n_dims = modality.latent.shape[1]
    centre = measured.mean(axis=0) if len(measured) else np.zeros(n_dims)
    deviation = measured.std(axis=0) if len(measured) else np.zeros(n_dims)
    factor = np.where(deviation > 0, np.maximum(deviation, 1e-300) ** (power - 1), 0)
    centred = (measured - centre) * factor
    size = np.sqrt(np.mean(centred**2)) if centred.size else 0.0
    factor = factor / size if size > 0 else np.zeros(n_dims)
    features = np.zeros(modality.latent.shape, dtype=np.float32)
    features[modality.present] = (measured - centre) * factor
    return features, centre, factor


def hidden_spots(n_spots: int, share: float, seed: int, epoch: int) -> Tensor:
    """Which spots are hidden in an epoch (bool); by seed and epoch only, so that a resumed run hides the same ones."""
    return torch.rand(n_spots, generator=epoch_generator(seed, epoch)) < share


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """A CPU generator of an epoch's own, so that its draws do not depend on the epochs before it."""
    # The first numbers of a generator seeded by consecutive small integers are alike; a large odd factor spreads them.
    return torch.Generator().manual_seed((seed * 1_000_003 + epoch) * 0x9E3779B1 % 2**63)
