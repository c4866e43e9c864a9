"""What a network sees of each modality: scaled latents, averaged over a receptive field, with some spots masked.

A network that sees a spot's latent and reconstructs it is rewarded for copying the spot's noise. Methods therefore mask
a random fraction of the spots in every epoch and predict those from their neighbours (:mod:`spatialweave.nn.masking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spatialweave.graphs.matrices import with_self
from spatialweave.nn.losses import reconstruction_loss
from spatialweave.nn.masking import explained_by_neighbours, network_input, smallest_sufficient
from spatialweave.nn.propagation import Propagation, neighbour_mean
from spatialweave.settings import option
from spatialweave.training.optimisers import OptimiserConfig

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset, Modality
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class InputConfig:
    """Settings of the input that methods share."""

    mask_fraction: float = option(
        0.5, "Fraction of the spots that is masked, and predicted, in an epoch; 0 = none.", 0.0, 0.99
    )
    max_rounds: int = option(6, "Widest receptive field tried, in rounds of averaging; 0 = plain latents.", 0, 20)
    field_fraction: float = option(
        0.9, "Take the fewest rounds that explain this fraction of the largest explained variance.", 0.0, 1.0
    )
    scale_power: float = option(
        0.5, "A latent dimension of standard deviation s is scaled to s to this power.", 0.0, 1.0
    )
    unit_scale: bool = option(True, "Centre each modality and scale it to mean square 1; false = latents as they are.")


@dataclass(frozen=True)
class TrainingConfig(InputConfig, OptimiserConfig):
    """Settings of the input and of the training that methods share."""


@dataclass
class MaskedInput:
    """One modality on the device.

    Attributes
    ----------
    features
        float32, spots x dimensions, of mean square 1 or as measured; zero where missing.
    present
        bool, one per spot: where it was measured.
    rounds
        Of averaging over neighbours before the network.
    explained
        Fraction of the variance of masked spots that 1, 2, ... rounds explain.
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

    @property
    def predictability(self) -> float:
        """Largest fraction of the variance of masked spots that averages over neighbours explain; 1 if not tried."""
        return float(self.explained.max()) if len(self.explained) else 1.0

    def to_latents(self, features: Tensor) -> np.ndarray:
        """Features, e.g. from a decoder, in the units of the latents; a constant dimension is its centre."""
        values = features.detach().float().cpu().numpy()
        inverse = np.divide(1.0, self.factor, out=np.zeros_like(self.factor), where=self.factor > 0)
        return (values * inverse + self.centre).astype(np.float32)


@dataclass
class MaskedInputs:
    """All modalities of a dataset.

    Attributes
    ----------
    neighbours
        Mean over the spatial neighbours, the spot itself among them.
    mask_fraction
        Of the spots, in an epoch.
    run
        Has the random stream of the masks.
    """

    modalities: list[MaskedInput]
    neighbours: Propagation
    mask_fraction: float
    run: Run

    @property
    def n_spots(self) -> int:
        """Number of spots."""
        return len(self.modalities[0].features)

    @property
    def widths(self) -> list[int]:
        """Dimensions of each modality."""
        return [one.features.shape[1] for one in self.modalities]

    def signal(self) -> list[float]:
        """Per modality the root of its predictability: the standard deviation of what its neighbours predict, of 1.

        Strengths of layers that may bend the latents are given for a modality that is all signal, and multiplied by
        this: a nonlinear map of single spots spreads their noise over the embedding.
        """
        return [one.predictability**0.5 for one in self.modalities]

    def mask(self, epoch: int) -> Tensor:
        """The spots masked in an epoch (bool)."""
        return random_mask(self.n_spots, self.mask_fraction, self.run, epoch)

    def seen(self, mask: Tensor | None = None) -> list[Tensor]:
        """Per modality what the network sees (spots x dimensions) while the spots in `mask` are masked; None = none."""
        return [
            network_input(
                one.features, one.present if mask is None else one.present & ~mask, self.neighbours, one.rounds
            )
            for one in self.modalities
        ]

    def reconstruction_terms(self, reconstructed: Sequence[Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Per modality the mean squared error over the masked spots, or over all spots where none are ever masked."""
        values = {}
        for one, features in zip(self.modalities, reconstructed, strict=True):
            target = one.present & mask if self.mask_fraction > 0 else one.present
            values[f"reconstruction_{one.name}"] = reconstruction_loss(one.features, features, target)
        return values

    def to_latents(self, reconstructed: Sequence[Tensor]) -> dict[str, np.ndarray]:
        """Reconstructed features by modality, in the units of the latents."""
        return {one.name: one.to_latents(x) for one, x in zip(self.modalities, reconstructed, strict=True)}

    def record(self) -> dict[str, Any]:
        """For the training record: per modality the rounds of averaging and what they were chosen by."""
        return {
            one.name: {"rounds": one.rounds, "explained": [round(float(value), 5) for value in one.explained]}
            for one in self.modalities
        }


def prepare_inputs(
    dataset: Dataset, config: InputConfig, run: Run, rng: np.random.Generator | None = None
) -> MaskedInputs:
    """Scale every modality and choose its receptive field; needs the spatial graph.

    `rng` draws the spots that receptive fields are tried on; None = a generator of its own from the run's seed.
    """
    neighbours = neighbour_mean(with_self(dataset.spatial_graph()), device=run.device)
    rng = run.numpy_generator() if rng is None else rng
    modalities = []
    for modality in dataset.modalities:
        one = prepare_input(modality, neighbours, config, rng, run.device)
        modalities.append(one)
        run.log(f"{one.name}: input averaged over {one.rounds} rounds of neighbours")
    return MaskedInputs(modalities, neighbours, config.mask_fraction, run)


def prepare_input(
    modality: Modality, neighbours: Propagation, config: InputConfig, rng: np.random.Generator, device: str
) -> MaskedInput:
    """Scale a modality, and choose its rounds of averaging by how well they predict masked spots.

    The network's own layers reach further, so the input is averaged one round less than is best.
    """
    present = torch.as_tensor(modality.present, device=device)
    explained, rounds = np.empty(0), 0
    if config.max_rounds > 0:
        plain, _, _ = scaled(modality, 1.0)
        field = torch.as_tensor(plain, device=device)
        explained = explained_by_neighbours(field, present, neighbours, config.max_rounds, rng)
        rounds = smallest_sufficient(explained, config.field_fraction) - 1
    features, centre, factor = scaled(modality, config.scale_power) if config.unit_scale else as_measured(modality)
    return MaskedInput(
        modality.name, torch.as_tensor(features, device=device), present, rounds, explained, centre, factor
    )


def scaled(modality: Modality, power: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The latent centred, dimensions of standard deviation s scaled to s^power, to mean square 1; zero where missing.

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
    sd = measured.std(axis=0) if len(measured) else np.zeros(n_dims)
    factor = np.where(sd > 0, np.maximum(sd, 1e-300) ** (power - 1), 0)
    centred = (measured - centre) * factor
    size = np.sqrt(np.mean(centred**2)) if centred.size else 0.0
    factor = factor / size if size > 0 else np.zeros(n_dims)
    features = np.zeros(modality.latent.shape, dtype=np.float32)
    features[modality.present] = (measured - centre) * factor
    return features, centre, factor


def as_measured(modality: Modality) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The latent as it is, zero where missing; a centre of 0 and factors of 1, as :func:`scaled` returns them."""
    n_dims = modality.latent.shape[1]
    features = np.where(modality.present[:, None], modality.latent, 0).astype(np.float32)
    return features, np.zeros(n_dims), np.ones(n_dims)


def random_mask(n_spots: int, fraction: float, run: Run, epoch: int) -> Tensor:
    """The spots masked in an epoch (bool, on the run's device), each with probability `fraction`."""
    drawn = torch.rand(n_spots, generator=run.generator(epoch, "masking"))
    return (drawn < fraction).to(run.device)
