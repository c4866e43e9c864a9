"""Control without information: the embedding is drawn from a standard normal distribution. Nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.method import Fitted
from spatialweave.settings import option

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of the control."""

    n_dims: int = option(32, "Dimensions of the embedding.", low=1, high=1000)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset` at random, by the seed."""
    drawn = run.numpy_generator().standard_normal((dataset.n_spots, config.n_dims))
    return Fitted(drawn.astype(np.float32))
