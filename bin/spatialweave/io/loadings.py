"""Loadings in a latents file, with which latents are converted back to features."""

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
    """Linear map from the latents of one modality to the values of its features.

    Attributes
    ----------
    features
        Names of the features behind the latents.
    matrix
        float32, features x latent dimensions.
    mean
        float64, mean of each feature's prepared values.
    scale
        float64, divisor of each feature's log values; 1 where they were not scaled.
    """

    features: pd.Index
    matrix: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def log_values(self, latent: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return the log values (float32, spots x features) that latents predict for features, given by position."""
        prepared = latent @ self.matrix[features].T + self.mean[features]
        return np.asarray(prepared * self.scale[features], dtype=np.float32)

    def variance(self, latent: np.ndarray) -> np.ndarray:
        """Return the variance over the spots of each feature's prepared value, without computing these values.

        If features were scaled, this is the fraction of a feature's variance that the latents hold.
        """
        covariance = np.atleast_2d(np.cov(latent.astype(np.float64), rowvar=False, bias=True))
        return np.asarray(np.einsum("fd,fd->f", self.matrix @ covariance, self.matrix))


def read_loadings(path: Path) -> dict[str, Loadings]:
    """Read the loadings of each modality of a latents file; latents that are not a linear map of features have none."""
    from anndata.io import read_elem

    loadings = {}
    with open_latents(path) as file:
        for name in MODALITIES:
            if f"{name}/varm/loadings" not in file["mod"]:
                continue
            var = read_elem(file["mod"][name]["var"])
            matrix = np.asarray(read_elem(file["mod"][name]["varm/loadings"]), dtype=np.float32)
            loadings[name] = Loadings(var.index, matrix, var["mean"].to_numpy(), var["scale"].to_numpy())
    return loadings


def column_name(feature: str) -> str:
    """Return a feature's name as a column name: a slash, which has a meaning in HDF5, becomes "_"."""
    return feature.replace("/", "_")
