"""STAGATE (Dong and Zhang, Nature Communications 13:1739, 2022), by its package stagate-modern: RNA alone."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import edges
from spatialweave.io.notices import warn
from spatialweave.method import Fitted
from spatialweave.methods.totalvi import on_all_spots
from spatialweave.settings import option
from spatialweave.training.session import every_epoch

if TYPE_CHECKING:
    from anndata import AnnData

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of STAGATE, those of the package."""

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


def rna_spots(dataset: Dataset) -> tuple[np.ndarray, AnnData]:
    """The spots with RNA (bool, one per spot of the dataset), and their log values with their coordinates.

    Raises
    ------
    InputError
        When the dataset has no RNA.
    """
    import anndata

    rna = next((modality for modality in dataset.modalities if modality.name == "rna"), None)
    if rna is None:
        raise InputError(dataset.name, "has no rna", "rna", "leave the method out")
    if unused := [modality.name for modality in dataset.modalities if modality.name != "rna"]:
        warn(dataset.name, f"{' and '.join(unused)} are not used: the method takes rna alone")
    names = dataset.obs.index[rna.present]
    spots = anndata.AnnData(rna.latent[rna.present], obs=pd.DataFrame(index=names))
    spots.obsm["spatial"] = dataset.coordinates[rna.present]
    return rna.present, spots
