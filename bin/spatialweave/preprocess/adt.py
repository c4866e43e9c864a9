"""Surface proteins (ADT): centred log-ratio per protein or per spot, scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spatialweave.io.count_matrix import Counts, spot_blocks, spots_per_feature
from spatialweave.preprocess.frozen import Operation
from spatialweave.preprocess.prepared import PreparationSettings, Prepared, detected_features, normalise_and_log, scale
from spatialweave.preprocess.values import Values
from spatialweave.settings import REQUIRED, option

TARGET_SUM = 10_000.0
"""Total of every spot if proteins are not compared by ratios."""


@dataclass(frozen=True)
class AdtSettings(PreparationSettings):
    """Options for proteins."""

    clr_per: Literal["protein", "spot", "none", "counts"] = option(
        REQUIRED,
        "Whether proteins are compared with their mean over the spots, or with the mean of their spot; none: all "
        "spots are scaled to 10,000 instead; counts: the counts themselves.",
    )
    scale: bool = option(REQUIRED, "Whether features are divided by their standard deviation.")


def prepare(counts: Counts, settings: AdtSettings) -> Prepared:
    """Prepare raw protein counts (spots x proteins): centred log-ratio, then division by the standard deviation.

    By `clr_per`, the ratio is taken over each protein or each spot; or values are log(1 + x) of spots with equal
    totals; or the counts themselves.
    """
    steps: list[dict[str, Any]] = []
    kept = detected_features(counts, settings.min_spots, steps)
    values = Values(counts, np.flatnonzero(kept))
    if settings.clr_per == "none":
        values = normalise_and_log(values, TARGET_SUM, steps)
    elif settings.clr_per != "counts":
        values = values.then(*clr(values, settings.clr_per))
        steps.append({"step": "clr", "over": "proteins" if settings.clr_per == "spot" else "spots"})
    values, divisors = scale(values, settings.scale, steps)
    return Prepared(values, divisors, steps)


def clr(values: Counts, per: str = "protein") -> list[Operation]:
    """Return the operations of the centred log-ratio, with the means of these spots; zeros stay zeros.

    x becomes log(1 + x / exp(mean of log(1 + x))), with the mean over all spots for each "protein" (the variant of
    Seurat and muon) or over all proteins for each "spot" (the variant of SpatialGlue and later methods).
    """
    if per == "spot":
        return [Operation("clr_spots")]
    n_spots, n_proteins = values.shape
    means = np.zeros(n_proteins)
    for block in spot_blocks(values):
        means += np.bincount(block.indices, np.log1p(block.data) * (1.0 / n_spots), minlength=n_proteins)
    return [Operation("columns", numbers=np.exp(-means)), Operation("log1p")]


def panel_size(counts: Counts, min_spots: int) -> int:
    """Return the number of proteins detected in at least `min_spots` spots."""
    return int((spots_per_feature(counts) >= min_spots).sum())
