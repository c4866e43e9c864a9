"""The control: latents of equal weight, concatenated and averaged over the spatial neighbours. Nothing is trained.

Any method worth its training should beat it; it runs beside every method, under the same clustering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.method import Fitted
from spatialweave.settings import option

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of the control."""

    rounds: int = option(CONTROL_ROUNDS, "How often each spot is averaged with its neighbours.", low=0, high=100)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`: each modality scaled to total variance 1, averaged over neighbours and self, concatenated."""
    return Fitted(smoothed(dataset.modalities, dataset.spatial_graph(), config.rounds))
