"""Spots used by a method of another library, and its embedding on all spots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.graphs.complete import complete
from spatialweave.io.dataset import Modality
from spatialweave.io.notices import warn

if TYPE_CHECKING:
    from anndata import AnnData

    from spatialweave.io.dataset import Dataset


def rna_spots(dataset: Dataset) -> tuple[np.ndarray, AnnData]:
    """Return the spots with RNA (bool, one per spot of the dataset), and their log values with their coordinates.

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


def on_all_spots(dataset: Dataset, measured: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """Return the embedding of all spots; those without the embedded modality take the mean of their neighbours."""
    full = np.zeros((dataset.n_spots, embedding.shape[1]), dtype=np.float32)
    full[measured] = embedding
    return complete(Modality("embedding", full, measured), dataset.spatial_graph())
