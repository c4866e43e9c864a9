"""Surface proteins (ADT): centred log-ratio per protein, scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import inplace_column_scale

from spatialweave.preprocess.matrices import select_features
from spatialweave.preprocess.prepared import Prepared, detected_features, scale
from spatialweave.preprocess.recipe import Settings


def prepare(counts: sparse.csr_matrix, settings: Settings) -> Prepared:
    """Prepare raw protein counts (spots x proteins): :func:`clr`, then division by the standard deviation."""
    steps: list[dict[str, Any]] = []
    matrix = select_features(counts, detected_features(counts, settings.min_spots, steps))
    clr(matrix)
    steps.append({"step": "clr", "over": "spots"})
    scale(matrix, settings.scale, steps)
    return Prepared(matrix, steps)


def clr(matrix: sparse.csr_matrix) -> None:
    """Centred log-ratio of each protein over the spots, in place.

    x becomes log(1 + x / exp(mean over spots of log(1 + x))), the variant of Seurat and muon: zeros stay zeros.
    """
    logged = sparse.csr_matrix((np.log1p(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
    log_mean = np.asarray(logged.mean(axis=0)).ravel()
    inplace_column_scale(matrix, np.exp(-log_mean))
    np.log1p(matrix.data, out=matrix.data)
