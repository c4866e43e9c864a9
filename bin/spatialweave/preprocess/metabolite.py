"""Metabolites: total ion current, log, scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialweave.io.count_matrix import Counts
from spatialweave.preprocess.prepared import PreparationSettings, Prepared, detected_features, normalise_and_log, scale
from spatialweave.preprocess.values import Values
from spatialweave.settings import REQUIRED, option


@dataclass(frozen=True)
class MetaboliteSettings(PreparationSettings):
    """Options for metabolites."""

    target_sum: float = option(REQUIRED, "The total to which every spot is scaled.", above=0)
    scale: bool = option(REQUIRED, "Whether features are divided by their standard deviation.")


def prepare(counts: Counts, settings: MetaboliteSettings) -> Prepared:
    """Prepare metabolite intensities (spots x peaks): every spot to `target_sum`, log(1 + x), scaling per metabolite.

    Total-ion-current normalisation and a logarithm are the usual treatment of imaging mass spectrometry. All
    metabolites are kept, since a panel is small and was selected.
    """
    steps: list[dict[str, Any]] = []
    kept = detected_features(counts, settings.min_spots, steps)
    values = normalise_and_log(Values(counts, np.flatnonzero(kept)), settings.target_sum, steps)
    values, divisors = scale(values, settings.scale, steps)
    return Prepared(values, divisors, steps)
