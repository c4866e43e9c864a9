"""From latents back to features: the loadings that preprocessing leaves in a latents file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.io.dataset import open_latents
from spatialweave.modalities import MODALITIES

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Loadings:
    """What turns the latents of one modality into values of its features.

    Attributes
    ----------
    features
        Names of the features behind the latents.
    matrix
        float32, features x latent dimensions.
    mean
        float64, mean of each feature's prepared values.
    scale
        float64, what each feature's log values were divided by; 1 where they were not.
    """

    features: pd.Index
    matrix: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def log_values(self, latent: np.ndarray, features: np.ndarray) -> np.ndarray:
        """The log values (float32, spots x features) of some features, by position, that latents predict."""
        prepared = latent @ self.matrix[features].T + self.mean[features]
        return np.asarray(prepared * self.scale[features], dtype=np.float32)

    def variance(self, latent: np.ndarray) -> np.ndarray:
        """Variance over the spots of each feature's prepared value that latents lead to, without these values.

        Where features were scaled, it is the fraction of a feature's variance that the latents hold.
        """
        covariance = np.atleast_2d(np.cov(latent.astype(np.float64), rowvar=False, bias=True))
        return np.asarray(np.einsum("fd,fd->f", self.matrix @ covariance, self.matrix))


def read_loadings(path: Path) -> dict[str, Loadings]:
    """The loadings of each modality of a latents file; latents that are no linear map of features have none."""
    from anndata.io import read_elem

    found = {}
    with open_latents(path) as file:
        for name in MODALITIES:
            if f"{name}/varm/loadings" not in file["mod"]:
                continue
            var = read_elem(file["mod"][name]["var"])
            matrix = np.asarray(read_elem(file["mod"][name]["varm/loadings"]), dtype=np.float32)
            found[name] = Loadings(var.index, matrix, var["mean"].to_numpy(), var["scale"].to_numpy())
    return found


def column_name(feature: str) -> str:
    """A feature's name as that of a table's column: a slash, which HDF5 keeps for itself, becomes "_"."""
    return feature.replace("/", "_")
