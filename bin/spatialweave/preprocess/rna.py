"""RNA: variable genes on raw counts, totals over all genes, log, scaling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spatialweave.io.count_matrix import Counts, feature_sums
from spatialweave.preprocess.prepared import PreparationSettings, Prepared, detected_features, normalise_and_log, scale
from spatialweave.preprocess.values import Values
from spatialweave.preprocess.variable_features import seurat_v3
from spatialweave.settings import REQUIRED, option


@dataclass(frozen=True)
class RnaSettings(PreparationSettings):
    """Options for RNA."""

    variable_features: int | None = option(
        REQUIRED, "How many highly variable genes are kept; all: every gene.", low=1, none="all"
    )
    target_sum: float | None = option(
        REQUIRED, "The total to which every spot is scaled; counts: none, and no log.", above=0, none="counts"
    )
    scale: bool = option(REQUIRED, "Whether features are divided by their standard deviation.")


def prepare(counts: Counts, settings: RnaSettings) -> Prepared:
    """Prepare raw RNA counts (spots x genes).

    Genes in fewer than `min_spots` spots are left out, and `variable_features` are chosen on the raw counts. With a
    `target_sum`, every spot is scaled to it over *all* remaining genes, then log(1 + x) is taken. Variable genes are
    divided by their standard deviation; this is done gene by gene, so it does not depend on the choice of genes.
    """
    steps: list[dict[str, Any]] = []
    notes: list[str] = []
    sums = feature_sums(counts)
    kept = detected_features(counts, settings.min_spots, steps, sums.detected)
    chosen = kept
    if settings.variable_features is not None:
        chosen, note = seurat_v3(counts, kept, settings.variable_features, sums)
        trend = "loess" if note is None else "quadratic"
        steps.append({"step": "variable_features", "method": "seurat_v3", "trend": trend, "kept": int(chosen.sum())})
        notes += [note] if note else []
    values = Values(counts, np.flatnonzero(chosen))
    if settings.target_sum is not None:
        values = replace(values, detected=np.flatnonzero(kept))
        values = normalise_and_log(values, settings.target_sum, steps, sums.sums[kept])
    values, divisors = scale(values, settings.scale, steps)
    return Prepared(values, divisors, steps, notes)
