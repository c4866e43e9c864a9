"""Simulated tissues as CHARACTERISE sees them: tables of features, and latents to find domains in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import anndata
import numpy as np
import pandas as pd

from spatialweave.characterise.features import FeatureValues, transformed
from spatialweave.domains.initial_partitions import kmeans_partition
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.graphs.spatial import knn
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.preprocess.pca import principal_components


@dataclass
class Tissue:
    """A dataset of one section, its tables of features, and the known domains (from 0)."""

    dataset: Dataset
    tables: list[FeatureValues]
    truth: np.ndarray

    @property
    def rows(self) -> dict[str, np.ndarray]:
        return self.dataset.section_rows()

    def control(self, n_domains: int) -> np.ndarray:
        """The control's domains of all spots."""
        sections = self.dataset.obs["section"].to_numpy().astype(str)
        graph = symmetrise(knn(self.dataset.coordinates, sections, 8))
        return kmeans_partition(smoothed(self.dataset.modalities, graph, CONTROL_ROUNDS).astype(float), n_domains, 0)


def tissue(parts: Mapping[str, anndata.AnnData], order: np.ndarray | None = None, section: str = "one") -> Tissue:
    """What `simulate` returns, ready; with `order`, spot i has the measurements of spot order[i]."""
    first = next(iter(parts.values()))
    n_spots = first.n_obs
    order = np.arange(n_spots) if order is None else order
    everywhere = np.ones(n_spots, dtype=bool)
    tables, modalities = [], []
    for name, part in parts.items():
        values, back = transformed(name, part.X.tocsr()[order], {})
        tables.append(FeatureValues(name, list(part.var_names), values.tocsc(), everywhere, back))
        scores = principal_components(values, 20, 0).scores.astype(np.float32)
        modalities.append(Modality(name, scores, everywhere))
    obs = pd.DataFrame({"barcode": first.obs_names, "section": section}, index=first.obs_names)
    truth = np.unique(first.obs["label"].astype(str).to_numpy()[order], return_inverse=True)[1]
    return Tissue(Dataset("toy", obs, first.obsm["spatial"], modalities, layout="square"), tables, truth)
