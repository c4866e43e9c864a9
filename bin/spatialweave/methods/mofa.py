"""MOFA+ (Argelaguet et al., Genome Biology 21:111, 2020), with its library mofapy2: factors of the features themselves.

It does not use spatial positions; `rounds` averages its factors over the spatial neighbours.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.graphs.matrices import with_self
from spatialweave.graphs.smoothing import smooth
from spatialweave.method import Fitted
from spatialweave.settings import option
from spatialweave.training.run import versions_of

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of MOFA+."""

    n_dims: int = option(15, "Factors.", low=1, high=200, aliases=("factors",))
    iterations: int = option(500, "Iterations at most; it stops when it has converged.", low=1)
    sparse_weights: bool = option(
        False, "Spike-and-slab and ARD on the weights, the library's default: on weak signal it leaves one factor."
    )
    rounds: int = option(0, "How often the factors are averaged over the spatial neighbours.", low=0, high=100)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`: modalities are views of equal variance, sections are groups, unmeasured values are missing."""
    from mofapy2.run.entry_point import entry_point

    groups = dataset.section_rows()
    data = [
        [np.where(modality.present[rows, None], modality.latent[rows], np.nan) for rows in groups.values()]
        for modality in dataset.modalities
    ]
    # The library prints its progress.
    with contextlib.redirect_stdout(sys.stderr):
        mofa = entry_point()
        mofa.set_data_options(scale_views=True, use_float32=True)
        mofa.set_data_matrix(
            data,
            views_names=[modality.name for modality in dataset.modalities],
            groups_names=list(groups),
            samples_names=[dataset.obs.index[rows].tolist() for rows in groups.values()],
        )
        factors = min(config.n_dims, dataset.n_spots - 1)
        mofa.set_model_options(
            factors=factors, spikeslab_weights=config.sparse_weights, ard_weights=config.sparse_weights
        )
        mofa.set_train_options(iter=config.iterations, seed=run.seed, quiet=True)
        mofa.build()
        mofa.run()
        found = mofa.model.nodes["Z"].getExpectation()
    embedding = np.empty((dataset.n_spots, found.shape[1]), dtype=np.float32)
    embedding[np.concatenate(list(groups.values()))] = found
    every = np.ones(dataset.n_spots, dtype=bool)
    averaged = smooth(embedding, every, with_self(dataset.spatial_graph()), config.rounds)
    return Fitted(averaged, record={"versions": versions_of("mofapy2")})
