"""Weighted nearest neighbours (Hao et al., Cell 184:3573, 2021) by muon, and the spectral embedding of their graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from spatialweave.graphs.complete import complete
from spatialweave.graphs.spectral import spectral_embedding
from spatialweave.method import Fitted
from spatialweave.settings import option
from spatialweave.training.run import versions_of

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of WNN."""

    n_dims: int = option(15, "Dimensions of the spectral embedding.", low=1, high=200)
    n_neighbours: int = option(20, "Neighbours of a spot, by each modality and by all.", low=2, high=200)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset` by its graph of weighted nearest neighbours; one modality has its own graph.

    A spot without a modality enters with the mean of its neighbours (:func:`spatialweave.graphs.complete.complete`).
    """
    import anndata
    import mudata
    import muon
    import scanpy

    graph = dataset.spatial_graph()
    k = min(config.n_neighbours, dataset.n_spots - 1)
    parts = {}
    for modality in dataset.modalities:
        parts[modality.name] = anndata.AnnData(obs=pd.DataFrame(index=dataset.obs.index))
        parts[modality.name].obsm["X_latent"] = complete(modality, graph)
        scanpy.pp.neighbors(parts[modality.name], k, use_rep="X_latent", random_state=run.seed)
    if len(parts) == 1:
        (only,) = parts.values()
        return Fitted(
            spectral_embedding(only.obsp["connectivities"], config.n_dims, run.seed),
            record={"versions": versions_of("muon")},
        )
    joined = mudata.MuData(parts)
    # More candidates than its default of 200 would exceed the smallest tissues.
    candidates = min(200, dataset.n_spots - 1)
    muon.pp.neighbors(joined, n_neighbors=k, n_multineighbors=candidates, random_state=run.seed)
    weights = pd.DataFrame({name: joined.obs[f"{name}:mod_weight"] for name in parts}, index=dataset.obs.index)
    embedding = spectral_embedding(joined.obsp["connectivities"], config.n_dims, run.seed)
    return Fitted(embedding, extras={"modality_weights": weights}, record={"versions": versions_of("muon")})
