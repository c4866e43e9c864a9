"""Chromatin: accessibility (ATAC) and histone marks, treated alike: TF-IDF, totals, log."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import inplace_column_scale

from spatialweave.preprocess.matrices import normalise_total, select_features
from spatialweave.preprocess.prepared import Prepared, detected_features, normalise_and_log
from spatialweave.preprocess.recipe import Settings

TF_SCALE = 1e4
"""The scale factor of the term frequency, muon's default."""


def prepare(counts: sparse.csr_matrix, settings: Settings) -> Prepared:
    """Prepare peak counts (spots x peaks): :func:`tf_idf`, every spot to `target_sum`, log(1 + x).

    No peak is selected and none is scaled. Spots without counts are kept, as rows of zeros.
    """
    steps: list[dict[str, Any]] = []
    matrix = select_features(counts, detected_features(counts, settings.min_spots, steps))
    tf_idf(matrix)
    steps.append({"step": "tf_idf", "scale_factor": TF_SCALE})
    normalise_and_log(matrix, np.asarray(matrix.sum(axis=1)).ravel(), settings.target_sum, steps)
    return Prepared(matrix, steps)


def tf_idf(matrix: sparse.csr_matrix) -> None:
    """Term frequency times inverse document frequency, both on a log scale, in place (muon's defaults).

    TF = log(1 + 10,000 x / spot total), IDF = log(1 + N / peak total); the peak total is the sum of its counts, not
    the number of spots that have it.
    """
    peak_totals = np.asarray(matrix.sum(axis=0)).ravel()
    normalise_total(matrix, np.asarray(matrix.sum(axis=1)).ravel(), TF_SCALE)
    np.log1p(matrix.data, out=matrix.data)
    rarity = np.zeros_like(peak_totals)
    np.divide(matrix.shape[0], peak_totals, out=rarity, where=peak_totals > 0)
    inplace_column_scale(matrix, np.log1p(rarity))
