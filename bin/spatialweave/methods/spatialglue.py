"""SpatialGlue (Long et al., Nature Methods 21:1658, 2024), with its authors' package on our latents and graphs.

The package's network, losses and training loop are used unchanged. It builds its graphs from dense matrices of spots x
spots, and takes its number of epochs from a list of platforms: here both are given instead.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spatialweave.graphs.complete import complete
from spatialweave.graphs.matrices import symmetrise
from spatialweave.io.notices import warn
from spatialweave.method import Fitted
from spatialweave.settings import option
from spatialweave.training.session import every_epoch

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset, Modality
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of SpatialGlue; the defaults are those of its platform SPOTS."""

    n_dims: int = option(64, "Dimensions of the embedding.", low=1, high=1000, aliases=("dim_output",))
    epochs: int = option(600, "Epochs.", low=1)
    learning_rate: float = option(1e-4, "Step size of Adam.", above=0, aliases=("lr",))
    first_weight: float = option(1.0, "Weight of the reconstruction of the first modality.", low=0)
    second_weight: float = option(5.0, "Weight of the reconstruction of the second.", low=0)
    first_correspondence: float = option(1.0, "Weight of the correspondence loss of the first modality.", low=0)
    second_correspondence: float = option(1.0, "Weight of the correspondence loss of the second.", low=0)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`. The package takes two modalities: one is given twice; of more, all but the first are joined."""
    import torch
    from SpatialGlue.preprocess import fix_seed, preprocess_graph
    from SpatialGlue.SpatialGlue_pyG import Train_SpatialGlue

    spatial = dataset.spatial_graph()
    first, *others = dataset.modalities
    if len(others) != 1:
        how = "the one modality is given twice" if not others else "all modalities but the first are joined to one"
        warn(dataset.name, f"SpatialGlue takes two modalities: {how}")
    sides = [[first], others or [first]]
    fix_seed(run.seed)
    # Its constructor would build the graphs.
    model: Any = Train_SpatialGlue.__new__(Train_SpatialGlue)
    model.device = torch.device("cpu")
    model.epochs, model.learning_rate, model.weight_decay = config.epochs, config.learning_rate, 0.0
    model.weight_factors = [
        config.first_weight,
        config.second_weight,
        config.first_correspondence,
        config.second_correspondence,
    ]
    model.dim_output1 = model.dim_output2 = config.n_dims
    for number, side in enumerate(sides, start=1):
        features = np.concatenate([complete(modality, spatial) for modality in side], axis=1)
        setattr(model, f"features_omics{number}", torch.as_tensor(features))
        setattr(model, f"dim_input{number}", features.shape[1])
        setattr(model, f"adj_spatial_omics{number}", preprocess_graph(spatial))
        setattr(model, f"adj_feature_omics{number}", preprocess_graph(feature_graph(dataset, side)))
    with contextlib.redirect_stdout(sys.stderr):
        output = model.train()
    extras = {}
    if len(others) == 1:
        names = [modality.name for modality in dataset.modalities]
        extras["modality_weights"] = pd.DataFrame(output["alpha"], index=dataset.obs.index, columns=names)
    return Fitted(output["SpatialGlue"], extras=extras, record=every_epoch(config.epochs, "spatialglue"))


def feature_graph(dataset: Dataset, side: list[Modality]) -> sparse.csr_matrix:
    """Return the feature graph of one modality, or the edges of the graphs of several together."""
    joined = dataset.feature_graph(side[0].name)
    for modality in side[1:]:
        joined = joined + dataset.feature_graph(modality.name)
    return symmetrise(joined)
