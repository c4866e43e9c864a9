"""Latents of one modality, with the record of the steps that made them: a part of a latents file (docs/design.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.io.notices import warn
from spatialweave.preprocess.frozen import FROZEN, FrozenPreparation, frozen_uns

if TYPE_CHECKING:
    import anndata
    import pandas as pd


@dataclass(frozen=True)
class Loadings:
    """Map of latents back to features: ``(scores @ matrix.T + mean) * scale`` is near the values before the PCA.

    Attributes
    ----------
    names
        Names of the features.
    matrix
        float32, features x components.
    mean, scale
        One per feature: the mean that the PCA subtracted, and what the feature was divided by before it.
    """

    names: pd.Index
    matrix: np.ndarray
    mean: np.ndarray
    scale: np.ndarray


def modality_latents(
    modality: str,
    names: pd.Index,
    scores: np.ndarray,
    record: Mapping[str, Any],
    frozen: FrozenPreparation | None = None,
    loadings: Loadings | None = None,
) -> anndata.AnnData:
    """Return the latents of a modality; the notes of its record are warned of.

    Parameters
    ----------
    names
        Names of the spots.
    scores
        float32, spots x dimensions.
    record
        The steps, with numbers of spots, features and dimensions, and the notes.
    frozen
        The preparation that makes the latents of other spots in the same way; None if they were given.
    loadings
        None if the latents are not a linear map of features.
    """
    import anndata
    import pandas as pd

    var, varm = None, None
    if loadings is not None:
        var = pd.DataFrame({"mean": loadings.mean, "scale": loadings.scale}, index=loadings.names)
        varm = {"loadings": loadings.matrix}
    latents = anndata.AnnData(obs=pd.DataFrame(index=names), var=var, obsm={"X_latent": scores}, varm=varm)
    if frozen is not None:
        latents.uns[FROZEN] = frozen_uns(frozen)
    for line in record["notes"]:
        warn(f"modality {modality}", line)
    latents.uns["preprocess"] = json.dumps(record, sort_keys=True)
    return latents
