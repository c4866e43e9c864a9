"""STAGATE (Dong and Zhang, Nature Communications 13:1739, 2022), with its package stagate-modern: RNA only."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.baselines.spots import on_all_spots, rna_spots
from spatialweave.graphs.matrices import edges
from spatialweave.method import Fitted
from spatialweave.settings import option
from spatialweave.training.session import every_epoch

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of STAGATE; the defaults are the package's."""

    n_dims: int = option(30, "Dimensions of the embedding.", low=1, high=1000)
    n_hidden: int = option(512, "Width of the hidden layer.", low=1)
    epochs: int = option(1000, "Epochs.", low=1, aliases=("n_epochs",))
    learning_rate: float = option(1e-3, "Step size of Adam.", above=0, aliases=("lr",))


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset` by the log values of its RNA, over the spatial neighbours of the graph recipe."""
    import STAGATE_pyG

    measured, spots = rna_spots(dataset)
    i, j = edges(dataset.spatial_graph()[measured][:, measured])
    names = spots.obs_names.to_numpy()
    spots.uns["Spatial_Net"] = pd.DataFrame({"Cell1": names[i], "Cell2": names[j], "Distance": 1.0})
    with contextlib.redirect_stdout(sys.stderr):
        STAGATE_pyG.train_STAGATE(
            spots,
            hidden_dims=[config.n_hidden, config.n_dims],
            n_epochs=config.epochs,
            lr=config.learning_rate,
            verbose=False,
            random_seed=run.seed,
            device="cpu",
        )
    return Fitted(
        on_all_spots(dataset, measured, np.asarray(spots.obsm["STAGATE"])),
        record=every_epoch(config.epochs, "stagate-modern"),
    )
