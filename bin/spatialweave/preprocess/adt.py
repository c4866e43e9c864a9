"""Surface proteins (ADT): centred log-ratio per protein or per spot, scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from spatialweave.io.count_matrix import spot_totals, spots_per_feature
from spatialweave.preprocess.frozen import Operation, log_ratio_of_spots
from spatialweave.preprocess.matrices import scale_columns, select_features
from spatialweave.preprocess.prepared import PreparationSettings, Prepared, detected_features, normalise_and_log, scale
from spatialweave.settings import REQUIRED, option

TARGET_SUM = 10_000.0
"""The total of every spot where proteins are not compared by ratios."""


@dataclass(frozen=True)
class AdtSettings(PreparationSettings):
    """How proteins are treated."""

    clr_per: Literal["protein", "spot", "none", "counts"] = option(
        REQUIRED,
        "Whether proteins are compared with their mean over the spots, or with the mean of their spot; none: all "
        "spots are scaled to 10,000 instead; counts: the counts themselves.",
    )
    scale: bool = option(REQUIRED, "Whether features are divided by their standard deviation.")


def prepare(counts: sparse.csr_matrix, settings: AdtSettings) -> Prepared:
    """Prepare raw protein counts (spots x proteins): centred log-ratio, then division by the standard deviation.

    The ratio is that of each protein or of each spot, by `clr_per`; or none, and log(1 + x) of spots of one total;
    or the counts themselves.
    """
    steps: list[dict[str, Any]] = []
    kept = detected_features(counts, settings.min_spots, steps)
    matrix = select_features(counts, kept)
    operations: list[Operation] = []
    if settings.clr_per == "none":
        operations = normalise_and_log(matrix, spot_totals(counts, kept), TARGET_SUM, steps)
    elif settings.clr_per != "counts":
        operations = clr(matrix, settings.clr_per)
        steps.append({"step": "clr", "over": "proteins" if settings.clr_per == "spot" else "spots"})
    divisors, scaling = scale(matrix, settings.scale, steps)
    return Prepared(matrix, np.flatnonzero(kept), divisors, steps, operations=operations + scaling)


def clr(matrix: sparse.csr_matrix, per: str = "protein") -> list[Operation]:
    """Centred log-ratio, in place: zeros stay zeros.

    x becomes log(1 + x / exp(mean of log(1 + x))), the mean over all spots for each "protein" (the variant of Seurat
    and muon) or over all proteins for each "spot" (that of SpatialGlue and the methods after it).

    Returns
    -------
    The operations that do the same with the means of these spots.
    """
    if per == "spot":
        log_ratio_of_spots(matrix)
        return [Operation("clr_spots")]
    logged = sparse.csr_matrix((np.log1p(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
    factors = np.exp(-np.asarray(logged.mean(axis=0)).ravel())
    scale_columns(matrix, factors)
    np.log1p(matrix.data, out=matrix.data)
    return [Operation("columns", numbers=factors), Operation("log1p")]


def panel_size(counts: sparse.csr_matrix, min_spots: int) -> int:
    """How many proteins are detected in at least `min_spots` spots."""
    return int((spots_per_feature(counts) >= min_spots).sum())
