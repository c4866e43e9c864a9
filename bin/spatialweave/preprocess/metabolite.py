"""Metabolites: total ion current, log, scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from spatialweave.preprocess.matrices import select_features
from spatialweave.preprocess.prepared import Prepared, detected_features, normalise_and_log, scale
from spatialweave.preprocess.recipe import Settings


def prepare(counts: sparse.csr_matrix, settings: Settings) -> Prepared:
    """Prepare metabolite intensities (spots x peaks): every spot to `target_sum`, log(1 + x), scaling per metabolite.

    Total-ion-current normalisation and a logarithm are the usual treatment of imaging mass spectrometry. All
    metabolites are kept: a panel is small and was chosen.
    """
    steps: list[dict[str, Any]] = []
    kept = detected_features(counts, settings.min_spots, steps)
    matrix = select_features(counts, kept)
    normalise_and_log(matrix, np.asarray(matrix.sum(axis=1)).ravel(), settings.target_sum, steps)
    divisors = scale(matrix, settings.scale, steps)
    return Prepared(matrix, np.flatnonzero(kept), divisors, steps)
