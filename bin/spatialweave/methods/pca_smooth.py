"""The control: latents of equal weight, concatenated and averaged over the spatial neighbours. Nothing is trained.

A method worth its training should beat it; it runs beside every method, with the same clustering.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, scaling, smoothed
from spatialweave.method import Fitted
from spatialweave.settings import nearest_name, option

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset, Modality
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of the control."""

    rounds: int = option(CONTROL_ROUNDS, "How often each spot is averaged with its neighbours.", low=0, high=100)
    modality: str = option("all", "The one modality that is used, or all.")


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`: each modality scaled to total variance 1, averaged over neighbours and self, concatenated."""
    chosen = _chosen(dataset, config)
    scalings = [scaling(modality) for modality in chosen]
    state: dict[str, np.ndarray] = {}
    for modality, (mean, factor) in zip(chosen, scalings, strict=True):
        state |= {f"input.{modality.name}.centre": mean, f"input.{modality.name}.factor": np.array(factor)}
    return Fitted(smoothed(chosen, dataset.spatial_graph(), config.rounds, scalings), state=state)


def embed(dataset: Dataset, config: Config, run: Run, state: Mapping[str, np.ndarray]) -> Fitted:
    """Embed spots with the means and scales of a saved state."""
    scalings = []
    for modality in (chosen := _chosen(dataset, config)):
        mean, factor = (state.get(f"input.{modality.name}.{what}", np.empty(0)) for what in ("centre", "factor"))
        if mean.shape != modality.latent.shape[1:] or factor.shape != ():
            found = f"is of {len(mean) if mean.ndim else 0} dimensions"
            raise InputError(f"saved model, input.{modality.name}", found, f"{modality.latent.shape[1]} and one factor")
        scalings.append((mean, float(factor)))
    return Fitted(smoothed(chosen, dataset.spatial_graph(), config.rounds, scalings))


def _chosen(dataset: Dataset, config: Config) -> list[Modality]:
    """Return the modalities to use, at least one."""
    chosen = [modality for modality in dataset.modalities if config.modality in ("all", modality.name)]
    if not chosen:
        known = nearest_name(config.modality, [modality.name for modality in dataset.modalities])
        raise InputError(dataset.name, f"has no modality '{config.modality}'", known)
    return chosen
