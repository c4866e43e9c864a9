"""CellCharter (Varrone et al., Nature Genetics 56:74, 2024): aggregation of neighbourhoods, with its package.

The publication aggregates latents of scVI or totalVI. Here the latents of the recipe are used, each modality with equal
weight as in the control. The clustering is the one used for all methods.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.graphs.complete import complete
from spatialweave.graphs.smoothing import scaled
from spatialweave.method import Fitted
from spatialweave.settings import option
from spatialweave.training.run import versions_of

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of CellCharter."""

    n_layers: int = option(3, "Layers of neighbours whose means are appended to a spot's own values.", low=1, high=20)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset` by the values of each spot and the means of its neighbours 1, 2, ... steps away.

    A spot without a modality enters with the mean of its neighbours (:func:`spatialweave.graphs.complete.complete`).
    """
    import anndata
    import cellcharter
    from scipy import sparse

    graph = dataset.spatial_graph()
    blocks = [complete(replace(modality, latent=scaled(modality)), graph) for modality in dataset.modalities]
    spots = anndata.AnnData(obs=pd.DataFrame({"sample": "all"}, index=dataset.obs.index))
    spots.obsm["X_latent"] = np.concatenate(blocks, axis=1)
    # No edge joins sections, so they need no separate treatment.
    spots.obsp["spatial_connectivities"] = sparse.csr_matrix(graph)
    cellcharter.gr.aggregate_neighbors(spots, n_layers=config.n_layers, use_rep="X_latent")
    return Fitted(
        np.asarray(spots.obsm["X_cellcharter"], dtype=np.float32), record={"versions": versions_of("cellcharter")}
    )
