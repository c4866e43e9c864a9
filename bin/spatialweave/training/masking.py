"""Input of a network from each modality: scaled latents, averaged over a receptive field, with some spots masked.

A network that sees a spot's latent and reconstructs it is rewarded for copying the spot's noise. Methods therefore mask
a random fraction of the spots in every epoch and predict them from their neighbours (:mod:`spatialweave.nn.masking`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from spatialweave.nn.losses import reconstruction_loss
from spatialweave.nn.masking import explained_by_neighbours, network_input, smallest_sufficient
from spatialweave.nn.propagation import Propagation
from spatialweave.settings import option
from spatialweave.training.optimisers import OptimiserConfig
from spatialweave.training.tiles import Patch, Tiling

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset, Modality
    from spatialweave.training.run import Run

SAMPLE_SPOTS = 262_144
"""Number of spots in the sample that receptive fields are chosen on, if a dataset is trained on by parts."""


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
        float32, spots x dimensions, of mean square 1 or as measured; zero if missing.
    present
        bool, one per spot: whether it was measured.
    rounds
        Rounds of averaging over neighbours before the network.
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

    def to_latents(self, features: Tensor | np.ndarray) -> np.ndarray:
        """Convert features, e.g. from a decoder, to the units of the latents; a constant dimension gets its centre."""
        values = features if isinstance(features, np.ndarray) else features.detach().float().cpu().numpy()
        inverse = np.divide(1.0, self.factor, out=np.zeros_like(self.factor), where=self.factor > 0)
        return (values * inverse + self.centre).astype(np.float32)


@dataclass
class ScaledInputs:
    """All modalities of a dataset, scaled, with the receptive field of each; inputs of parts are made from it.

    Attributes
    ----------
    mask_fraction
        Fraction of the spots masked in an epoch.
    run
        Run that has the random stream of the masks.
    """

    modalities: list[MaskedInput]
    mask_fraction: float
    run: Run
    _numbers: dict[tuple[int, ...], int] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def widths(self) -> list[int]:
        """Number of dimensions of each modality."""
        return [one.features.shape[1] for one in self.modalities]

    @property
    def reach(self) -> int:
        """Number of steps of the spatial graph that :meth:`MaskedInputs.seen` gathers over."""
        return max(1, *(one.rounds for one in self.modalities))

    def signal(self) -> list[float]:
        """Root of each modality's predictability: standard deviation of what neighbours predict, as a fraction of 1.

        Strengths of nonlinear layers are set for a modality that is all signal, and multiplied by this number: a
        nonlinear map of single spots spreads their noise over the embedding.
        """
        return [one.predictability**0.5 for one in self.modalities]

    def at(self, patch: Patch) -> MaskedInputs:
        """Return the inputs of a part of the dataset, or of all of it."""
        modalities = self.modalities
        if patch.rows is not None:
            modalities = [
                replace(one, features=patch.taken(one.features), present=patch.taken(one.present)) for one in modalities
            ]
        return MaskedInputs(modalities, self.mask_fraction, self.run, patch, self.n_measured)

    def n_measured(self, *numbers: int) -> int:
        """Return the number of spots that have all modalities `numbers`; counted once."""
        if numbers not in self._numbers:
            self._numbers[numbers] = int(measured_together(self.modalities, numbers).sum())
        return self._numbers[numbers]

    def to_latents(self, reconstructed: Sequence[Tensor] | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Convert reconstructed features of all modalities, in their order or by name, to the units of the latents."""
        if isinstance(reconstructed, Mapping):
            return {one.name: one.to_latents(reconstructed[one.name]) for one in self.modalities}
        return {one.name: one.to_latents(x) for one, x in zip(self.modalities, reconstructed, strict=True)}

    def record(self) -> dict[str, Any]:
        """Return the training record: for each modality the rounds of averaging and what they were chosen by."""
        return {
            one.name: {"rounds": one.rounds, "explained": [round(float(value), 5) for value in one.explained]}
            for one in self.modalities
        }


@dataclass
class MaskedInputs(ScaledInputs):
    """Inputs of the network from all modalities of a part of the dataset (or of all of it), and what it must predict.

    Attributes
    ----------
    patch
        The part.
    n_measured_everywhere
        Function from modality numbers to the number of spots of the whole dataset that have them.
    """

    patch: Patch
    n_measured_everywhere: Callable[..., int]
    _spots: dict[tuple[int, ...], Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def n_spots(self) -> int:
        """Number of spots, including those of a halo."""
        return len(self.modalities[0].features)

    @property
    def neighbours(self) -> Propagation:
        """Mean over the spatial neighbours and the spot itself."""
        return self.patch.neighbours

    def mask(self, epoch: int) -> Tensor:
        """Return the spots masked in an epoch (bool): the same ones, whichever part of the dataset is used."""
        return self.patch.taken(random_mask(self.patch.n_all, self.mask_fraction, self.run, epoch))

    def seen(self, mask: Tensor | None = None) -> list[Tensor]:
        """Return the network's inputs (spots x dimensions) with the spots in `mask` masked; None = no masked spots."""
        return [
            network_input(
                one.features, one.present if mask is None else one.present & ~mask, self.neighbours, one.rounds
            )
            for one in self.modalities
        ]

    def reconstruction_terms(self, reconstructed: Sequence[Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Return :meth:`reconstruction_term` of each modality."""
        terms = [self.reconstruction_term(m, features, mask) for m, features in enumerate(reconstructed)]
        return {f"reconstruction_{one.name}": term for one, term in zip(self.modalities, terms, strict=True)}

    def reconstruction_term(self, m: int, reconstructed: Tensor, mask: Tensor) -> Tensor:
        """Return the mean squared error of a modality over the masked spots, or over all if none are ever masked.

        In a part, the sum over its spots is divided by their number in an average part, so that the terms of all parts
        add up to that of the whole dataset (:meth:`weight`).
        """
        one = self.modalities[m]
        target = one.present & mask if self.mask_fraction > 0 else one.present
        if self.patch.core is None:
            return reconstruction_loss(one.features, reconstructed, target)
        expected = self.patch.share * self.n_measured_everywhere(m) * (self.mask_fraction or 1)
        features, rebuilt, target = map(self.patch.counted, (one.features, reconstructed, target))
        return reconstruction_loss(features, rebuilt, target, expected)

    def weight(self, *numbers: int) -> float:
        """Return the factor on a mean over the spots of a part that have all modalities `numbers`.

        It is the number of these spots over that in an average part. Means so weighted, and weighted by the parts'
        fractions of all spots, add up to the mean over all such spots of the dataset. Without it, a spot of a part in
        which few have a modality would count many times as much as others. It is 1 for the whole dataset.
        """
        if self.patch.core is None:
            return 1.0
        return self.n_counted(*numbers) / max(self.patch.share * self.n_measured_everywhere(*numbers), 1.0)

    def n_counted(self, *numbers: int) -> int:
        """Return the number of counted spots here that have all modalities `numbers`; counted once."""
        if numbers not in self._numbers:
            self._numbers[numbers] = len(self.counted_with(*numbers))
        return self._numbers[numbers]

    def counted_with(self, *numbers: int) -> Tensor:
        """Return the counted spots that have all modalities `numbers` (int64, ascending); found once."""
        if numbers not in self._spots:
            there = measured_together(self.modalities, numbers)
            core = self.patch.core
            found = torch.nonzero(there if core is None else there[core])[:, 0]
            self._spots[numbers] = found if core is None else core[found]
        return self._spots[numbers]


def scale_inputs(tiling: Tiling, config: InputConfig, run: Run, rng: np.random.Generator | None = None) -> ScaledInputs:
    """Scale every modality of a dataset and choose its receptive field; needs the spatial graph.

    Parameters
    ----------
    rng
        Draws the spots that receptive fields are tried on; None = a generator from the run's seed.
    """
    # If a dataset is trained on by parts, receptive fields are tried on a sample.
    return scale_by_sample(tiling.dataset, tiling.sample(SAMPLE_SPOTS, config.max_rounds), config, run, rng)


def scale_by_sample(
    dataset: Dataset, sample: Patch, config: InputConfig, run: Run, rng: np.random.Generator | None = None
) -> ScaledInputs:
    """Apply :func:`scale_inputs`, with receptive fields chosen on a `sample` of the dataset."""
    rng = run.numpy_generator() if rng is None else rng
    modalities = []
    for modality, tried in zip(dataset.modalities, sample.dataset.modalities, strict=True):
        one = prepare_input(modality, sample.neighbours, config, rng, run.device, tried, sample.within(0))
        modalities.append(one)
        run.log(f"{one.name}: input averaged over {one.rounds} rounds of neighbours")
    return ScaledInputs(modalities, config.mask_fraction, run)


def prepare_input(
    modality: Modality,
    neighbours: Propagation,
    config: InputConfig,
    rng: np.random.Generator,
    device: str,
    sample: Modality | None = None,
    counted: np.ndarray | None = None,
) -> MaskedInput:
    """Scale a modality, and choose its rounds of averaging by how well they predict masked spots.

    The network's layers reach further, so the input is averaged one round less than is best.

    Parameters
    ----------
    neighbours
        Mean over the neighbours and the spot itself; of the `sample`, if the rounds are chosen on one.
    sample
        The modality on some of the spots; None = all.
    counted
        bool, one per spot of the sample: the spots to predict; None = all.
    """
    explained, rounds = np.empty(0), 0
    if config.max_rounds > 0:
        tried = modality if sample is None else sample
        field = torch.as_tensor(scaled(tried, 1.0)[0], device=device)
        present = torch.as_tensor(tried.present, device=device)
        target = present if counted is None else present & torch.as_tensor(counted, device=device)
        explained = explained_by_neighbours(field, present, neighbours, config.max_rounds, rng, target)
        rounds = smallest_sufficient(explained, config.field_fraction) - 1
    features, centre, factor = scaled(modality, config.scale_power) if config.unit_scale else as_measured(modality)
    present = torch.as_tensor(modality.present, device=device)
    return MaskedInput(
        modality.name, torch.as_tensor(features, device=device), present, rounds, explained, centre, factor
    )


def scaled(modality: Modality, power: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre the latent, scale dimensions of standard deviation s to s^power, then to mean square 1; zero if missing.

    Returns
    -------
    features
        float32, spots x dimensions.
    centre, factor
        Per dimension, so that features = (latent - centre) * factor for measured spots; the factor is 0 for a dimension
        that does not vary.
    """
    measured = modality.latent[modality.present].astype(np.float64)
    n_dims = modality.latent.shape[1]
    centre = measured.mean(axis=0) if len(measured) else np.zeros(n_dims)
    sd = measured.std(axis=0) if len(measured) else np.zeros(n_dims)
    factor = np.where(sd > 0, np.maximum(sd, 1e-300) ** (power - 1), 0)
    centred = (measured - centre) * factor
    size = np.sqrt(np.mean(centred**2)) if centred.size else 0.0
    factor = factor / size if size > 0 else np.zeros(n_dims)
    return scaled_by(modality, centre, factor), centre, factor


def scaled_by(modality: Modality, centre: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return (latent - centre) * factor (float32, spots x dimensions), zero if missing."""
    features = np.zeros(modality.latent.shape, dtype=np.float32)
    features[modality.present] = (modality.latent[modality.present].astype(np.float64) - centre) * factor
    return features


def as_measured(modality: Modality) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the latent as it is, zero if missing, with a centre of 0 and factors of 1, like :func:`scaled`."""
    n_dims = modality.latent.shape[1]
    features = np.where(modality.present[:, None], modality.latent, 0).astype(np.float32)
    return features, np.zeros(n_dims), np.ones(n_dims)


def measured_together(modalities: Sequence[MaskedInput], numbers: Sequence[int]) -> Tensor:
    """Return the spots that have all modalities `numbers` (bool)."""
    return torch.stack([modalities[m].present for m in numbers]).all(dim=0)


def random_mask(n_spots: int, fraction: float, run: Run, epoch: int) -> Tensor:
    """Return the one mask of :func:`random_masks` (bool, one per spot)."""
    return random_masks(1, n_spots, fraction, run, epoch)[0]


_latest: WeakKeyDictionary[Run, tuple[tuple[int, int, float, int], Tensor]] = WeakKeyDictionary()
"""The last masks of each run that still exists, and what they were drawn for."""


def random_masks(n_masks: int, n_spots: int, fraction: float, run: Run, epoch: int) -> Tensor:
    """Draw the spots masked in an epoch (bool, masks x spots, on the run's device), each with probability `fraction`.

    The last result is kept, so that an epoch draws once, and not once for every part.
    """
    wanted = (n_masks, n_spots, fraction, epoch)
    if run not in _latest or _latest[run][0] != wanted:
        drawn = torch.rand(n_masks, n_spots, generator=run.generator(epoch, "masking"))
        _latest[run] = wanted, (drawn < fraction).to(run.device)
    return _latest[run][1]
