"""Chromatin accessibility (ATAC) and histone marks: TF-IDF, totals, log; latent semantic indexing; or as RNA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import Counts, in_memory
from spatialweave.preprocess import rna
from spatialweave.preprocess.frozen import CHOSEN, Operation, standardised, total
from spatialweave.preprocess.matrices import column_sums
from spatialweave.preprocess.prepared import PreparationSettings, Prepared, detected_features, normalise_and_log
from spatialweave.preprocess.values import Values
from spatialweave.settings import REQUIRED, option

TF_SCALE = 1e4
"""Scale factor of the term frequency, muon's default."""

NO_VARIANCE = 1e-10
"""Components with a smaller fraction of the first one's sum of squares are rounding noise."""


@dataclass(frozen=True)
class ChromatinSettings(PreparationSettings):
    """Options for chromatin."""

    method: Literal["tf_idf", "lsi", "as_rna"] = option(
        REQUIRED, "TF-IDF before the PCA, latent semantic indexing, or variable features as those of RNA."
    )
    target_sum: float | None = option(
        REQUIRED,
        "The total to which every spot is scaled; counts: none, and no log (`as_rna` only).",
        above=0,
        none="counts",
    )
    variable_features: int | None = option(None, "How many features are kept by `as_rna`; all.", low=1, none="all")


def prepare(counts: Counts, settings: ChromatinSettings) -> Prepared:
    """Prepare peak counts (spots x peaks) by `method`: "tf_idf" for the PCA, "lsi", which ends in latents, or "as_rna".

    - tf_idf: :func:`tf_idf`, every spot to `target_sum`, log(1 + x);
    - lsi: counts times :func:`inverse_frequency`, every spot to `target_sum`, log(1 + x), :func:`lsi`. A term frequency
      before the weights would cancel, since it is a factor of the whole spot, like the total;
    - as_rna: :func:`spatialweave.preprocess.rna.prepare`, for gene activities or few peaks.

    Peaks are selected only by `as_rna`, and never scaled. Spots without counts are kept, as rows of zeros.
    """
    if settings.method == "as_rna":
        chosen = rna.RnaSettings(
            min_spots=settings.min_spots,
            components=settings.components,
            variable_features=settings.variable_features,
            target_sum=settings.target_sum,
            scale=False,
        )
        return rna.prepare(counts, chosen)
    if settings.target_sum is None:
        raise InputError("target_sum of the recipe", "is counts", f"a number, for the method {settings.method}")
    steps: list[dict[str, Any]] = []
    kept = detected_features(counts, settings.min_spots, steps)
    values = Values(counts, np.flatnonzero(kept))
    by_lsi = settings.method == "lsi"
    if by_lsi:
        values = values.then(Operation("columns", numbers=inverse_frequency(values)))
        steps.append({"step": "tf_idf", "log": False})
    else:
        values = values.then(*tf_idf(values))
        steps.append({"step": "tf_idf", "scale_factor": TF_SCALE})
    values = normalise_and_log(values, settings.target_sum, steps)
    prepared = Prepared(values, np.ones(values.shape[1]), steps)
    if by_lsi:
        prepared.scores, prepared.projection = lsi(in_memory(values), settings.n_components)
        n_dims = prepared.scores.shape[1]
        steps.append({"step": "lsi", "components": n_dims})
        if n_dims < settings.n_components:
            prepared.notes.append(
                f"{n_dims} components instead of {settings.n_components}: {values.shape[0]} spots and "
                f"{values.shape[1]} peaks have no more besides the first, which is left out"
            )
    return prepared


def tf_idf(values: Counts) -> list[Operation]:
    """Return the operations of term frequency times inverse document frequency, both on a log scale (muon's defaults).

    TF = log(1 + 10,000 x / spot total), IDF = log(1 + N / peak total); the peak total is the sum of its counts, not
    the number of spots with the peak.
    """
    sums = column_sums(values)
    rarity = np.log1p(_inverse(sums, values.shape[0]))
    return [total(TF_SCALE, CHOSEN, sums), Operation("log1p"), Operation("columns", numbers=rarity)]


def inverse_frequency(values: Counts) -> np.ndarray:
    """Return number of spots / peak total, for each peak; 0 for a peak without counts."""
    return _inverse(column_sums(values), values.shape[0])


def _inverse(totals: np.ndarray, n_spots: int) -> np.ndarray:
    return np.divide(n_spots, totals, out=np.zeros_like(totals), where=totals > 0)


def lsi(matrix: sparse.csr_matrix, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Return left singular vectors after the first, standardised within each spot, as in SpatialGlue and GLUE.

    The matrix is not centred, so its first singular vector follows the depth of the spots. The vectors are not scaled
    by their singular values; each spot's row over all of them, including the first, is standardised to mean 0 and
    standard deviation 1 (n - 1). Signs therefore matter: the largest entry of each vector is positive.

    Returns
    -------
    float32, spots x `n_components`, or as many as the matrix has; zeros for spots without counts. Also the projection
    from the matrix to the vectors, including the first (float64, peaks x vectors).

    Raises
    ------
    InputError
        When the matrix has only one component.
    """
    vectors, values = _left_singular_vectors(matrix, n_components + 1)
    if vectors.shape[1] < 2:
        raise InputError("LSI", "the spots differ only in depth", "at least two components", "leave this modality out")
    # From M = U S V', V / S = M' U / S^2.
    projection = np.asarray(matrix.T @ (vectors / values**2))
    # ARPACK leaves rounding noise in rows of zeros, which standardisation would turn into a signal.
    return standardised(vectors, np.asarray(matrix.sum(axis=1)).ravel() == 0), projection


def _left_singular_vectors(matrix: sparse.csr_matrix, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Return spots x components (float64), largest singular value first, without rounding noise; and the values."""
    shorter = min(matrix.shape)
    if wanted < shorter:
        # ARPACK converges up to rounding from any start; a constant start makes the result reproducible.
        start = np.random.default_rng(0).uniform(-1, 1, shorter)
        vectors, values, _ = svds(matrix, wanted, v0=start, return_singular_vectors="u")
    else:
        # ARPACK needs fewer components than spots and peaks; with so few of either, the matrix is small.
        vectors, values, _ = np.linalg.svd(matrix.toarray(), full_matrices=False)
    order = np.argsort(-values)[:wanted]
    order = order[values[order] ** 2 > NO_VARIANCE * values.max() ** 2]
    vectors = vectors[:, order]
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    return np.asarray(vectors * np.sign(largest)), values[order]
