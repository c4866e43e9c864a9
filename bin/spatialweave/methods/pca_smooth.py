"""The control: latents of equal weight, concatenated and averaged over the spatial neighbours. Nothing is trained.

Any method worth its training should beat it; it runs beside every method, under the same clustering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialweave.errors import InputError
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.method import Fitted
from spatialweave.settings import nearest_name, option

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of the control."""

    rounds: int = option(CONTROL_ROUNDS, "How often each spot is averaged with its neighbours.", low=0, high=100)
    modality: str = option("all", "The one modality that is used, or all.")


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`: each modality scaled to total variance 1, averaged over neighbours and self, concatenated."""
    chosen = [modality for modality in dataset.modalities if config.modality in ("all", modality.name)]
    if not chosen:
        known = nearest_name(config.modality, [modality.name for modality in dataset.modalities])
        raise InputError(dataset.name, f"has no modality '{config.modality}'", known)
    return Fitted(smoothed(chosen, dataset.spatial_graph(), config.rounds))
