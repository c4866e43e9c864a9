"""Control that ignores the measurements: the coordinates of the spots are the embedding. Nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.method import Fitted

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """The control has no settings."""


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset` by its coordinates, each section centred; root mean square 1."""
    points = np.array(dataset.coordinates, dtype=np.float64)
    for own in dataset.section_rows().values():
        points[own] -= points[own].mean(axis=0)
    scale = np.sqrt(np.square(points).mean())
    return Fitted((points / scale if scale > 0 else points).astype(np.float32))
