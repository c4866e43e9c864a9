"""GraphST (Long et al., Nature Communications 14:1155, 2023), by its authors' package: RNA alone.

The package holds its graph as a dense matrix of spots x spots, whose several copies take 10 GB for the 20,000 spots
that its preset allows.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.baselines.spots import on_all_spots, rna_spots
from spatialweave.method import Fitted
from spatialweave.settings import option
from spatialweave.training.session import every_epoch

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of GraphST, those of the package."""

    n_dims: int = option(20, "Principal components of the rebuilt genes, which are the embedding.", low=1, high=1000)
    n_hidden: int = option(64, "Width of the network's own representation.", low=1, aliases=("dim_output",))
    epochs: int = option(600, "Epochs.", low=1)
    learning_rate: float = option(1e-3, "Step size of Adam.", above=0, aliases=("lr",))
    reconstruction_weight: float = option(10.0, "Weight of the reconstruction.", low=0, aliases=("alpha",))
    contrast_weight: float = option(1.0, "Weight of the contrastive losses.", low=0, aliases=("beta",))


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset` by the log values of its RNA, scaled to unit variance, over the spatial neighbours."""
    from GraphST.GraphST import GraphST
    from sklearn.decomposition import PCA

    measured, spots = rna_spots(dataset)
    spread = spots.X.std(axis=0)
    # As the package scales them.
    spots.X = np.minimum(spots.X / np.where(spread > 0, spread, 1), 10).astype(np.float32)
    spots.var["highly_variable"] = True
    graph = dataset.spatial_graph()[measured][:, measured].toarray()
    spots.obsm["adj"] = spots.obsm["graph_neigh"] = graph
    with contextlib.redirect_stdout(sys.stderr):
        model = GraphST(
            spots,
            epochs=config.epochs,
            learning_rate=config.learning_rate,
            dim_output=config.n_hidden,
            random_seed=run.seed,
            alpha=config.reconstruction_weight,
            beta=config.contrast_weight,
        )
        rebuilt = model.train().obsm["emb"]
    components = PCA(min(config.n_dims, *rebuilt.shape), random_state=run.seed).fit_transform(rebuilt)
    return Fitted(on_all_spots(dataset, measured, components), record=every_epoch(config.epochs, "graphst"))
