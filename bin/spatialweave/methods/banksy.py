"""BANKSY (Singhal et al., Nature Genetics 56:431, 2024), with its package: own values, neighbours' means, gradients."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.graphs.complete import complete
from spatialweave.method import Fitted
from spatialweave.settings import option
from spatialweave.training.run import versions_of

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

DECAY = "scaled_gaussian"
"""Decay of a neighbour's weight with its distance: the package's default."""


@dataclass(frozen=True)
class Config:
    """Settings of BANKSY; the defaults are those of its authors for domains."""

    n_dims: int = option(20, "Principal components of the BANKSY matrix.", low=1, high=200)
    spatial_share: float = option(
        0.8, "Fraction of the variance that neighbours have.", low=0, high=1, aliases=("lambda_param",)
    )
    n_neighbours: int = option(15, "Neighbours of a spot; twice as many for gradients.", low=1, aliases=("k_geom",))
    max_order: int = option(1, "Order of the gradients (azimuthal Gabor filters); 0: none.", low=0, aliases=("max_m",))


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset` by the principal components of the BANKSY matrix of the features of all modalities.

    A spot without a modality enters with the mean of its neighbours (:func:`spatialweave.graphs.complete.complete`).
    """
    import anndata
    from banksy.embed_banksy import generate_banksy_matrix
    from banksy.initialize_banksy import initialize_banksy
    from sklearn.decomposition import PCA

    graph = dataset.spatial_graph()
    values = np.concatenate([complete(modality, graph) for modality in dataset.modalities], axis=1)
    spots = anndata.AnnData(values, obs=pd.DataFrame(index=dataset.obs.index))
    spots.obsm["spatial"] = side_by_side(dataset)
    neighbours = min(config.n_neighbours, (dataset.n_spots - 1) // (config.max_order + 1))
    # The package prints its progress.
    with contextlib.redirect_stdout(sys.stderr):
        found = initialize_banksy(
            spots,
            ("x", "y", "spatial"),
            neighbours,
            nbr_weight_decay=DECAY,
            max_m=config.max_order,
            plt_edge_hist=False,
            plt_nbr_weights=False,
            plt_theta=False,
        )
        _, matrix = generate_banksy_matrix(spots, found, [config.spatial_share], config.max_order, verbose=False)
    # A feature without variance has no z-score.
    scores = np.nan_to_num(np.asarray(matrix.X, dtype=np.float32), nan=0.0)
    components = min(config.n_dims, *scores.shape)
    return Fitted(
        PCA(components, random_state=run.seed).fit_transform(scores).astype(np.float32),
        record={"versions": versions_of("pybanksy")},
    )


def side_by_side(dataset: Dataset) -> np.ndarray:
    """Return coordinates with sections so far apart that no spot has neighbours in another, as the authors do."""
    placed = np.array(dataset.coordinates, dtype=np.float64)
    step = 10 * np.ptp(placed, axis=0).max()
    for number, rows in enumerate(dataset.section_rows().values()):
        placed[rows] -= placed[rows].min(axis=0)
        placed[rows, 0] += number * step
    return placed
