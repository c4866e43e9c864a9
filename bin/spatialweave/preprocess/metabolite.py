"""Metabolites: total ion current, log, scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from spatialweave.preprocess.matrices import select_features
from spatialweave.preprocess.prepared import PreparationSettings, Prepared, detected_features, normalise_and_log, scale
from spatialweave.settings import REQUIRED, option


@dataclass(frozen=True)
class MetaboliteSettings(PreparationSettings):
    """How metabolites are treated."""

    target_sum: float = option(REQUIRED, "The total to which every spot is scaled.", above=0)
    scale: bool = option(REQUIRED, "Whether features are divided by their standard deviation.")


def prepare(counts: sparse.csr_matrix, settings: MetaboliteSettings) -> Prepared:
    """Prepare metabolite intensities (spots x peaks): every spot to `target_sum`, log(1 + x), scaling per metabolite.

    Total-ion-current normalisation and a logarithm are the usual treatment of imaging mass spectrometry. All
    metabolites are kept: a panel is small and was chosen.
    """
    steps: list[dict[str, Any]] = []
    kept = detected_features(counts, settings.min_spots, steps)
    matrix = select_features(counts, kept)
    operations = normalise_and_log(matrix, np.asarray(matrix.sum(axis=1)).ravel(), settings.target_sum, steps)
    divisors, scaling = scale(matrix, settings.scale, steps)
    return Prepared(matrix, np.flatnonzero(kept), divisors, steps, operations=operations + scaling)
