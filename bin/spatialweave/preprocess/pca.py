"""Principal components of a sparse matrix, centred implicitly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from sklearn.decomposition import PCA

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import Counts, in_memory, numbered, spot_blocks
from spatialweave.preprocess.matrices import standard_deviations

DENSE_FRACTION = 0.5
DENSE_FEATURES = 1000
NO_VARIANCE = 1e-10

COVARIANCE_SPOTS = 20_000
COVARIANCE_FEATURES = 5000
SPOTS_PER_FEATURE = 10
"""The covariance of all features is computed with at least this many spots, at most this many features, and at least
this many spots per feature. It takes a third of the time of ARPACK, which needs many steps if the last components are
similar noise."""

ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class PrincipalComponents:
    """Scores on the principal components, and their inverse: ``scores @ loadings.T + mean`` is near the matrix.

    Attributes
    ----------
    scores
        float32, spots x components; neither whitened nor scaled.
    loadings
        float32, varying features x components; columns are orthonormal.
    mean
        float64, mean of each varying feature.
    varying
        bool, one per feature of the matrix; constant features are not used.
    variance_ratio
        Fraction of the total variance that each component explains, descending; empty for features themselves.
    note
        Reason why there are fewer components than requested; None otherwise.
    """

    scores: np.ndarray
    loadings: np.ndarray
    mean: np.ndarray
    varying: np.ndarray
    variance_ratio: np.ndarray
    note: str | None


def features_themselves(matrix: Counts) -> PrincipalComponents:
    """Return the features themselves as components, neither centred nor reduced, in the order of columns.

    The scores are dense: float32, spots x features.
    """
    n_features = matrix.shape[1]
    scores = np.empty(matrix.shape, dtype=np.float32)
    for start, block in numbered(spot_blocks(matrix)):
        scores[start : start + block.shape[0]] = block.astype(np.float32).toarray()
    return PrincipalComponents(
        scores=scores,
        loadings=np.eye(n_features, dtype=np.float32),
        mean=np.zeros(n_features),
        varying=np.ones(n_features, dtype=bool),
        variance_ratio=np.empty(0),
        note=None,
    )


def principal_components(matrix: Counts, n_components: int, seed: int) -> PrincipalComponents:
    """Compute the scores of the spots on the leading principal components.

    The result is exact (scikit-learn's ARPACK solver with implicit centring or, with many spots, eigenvectors of the
    covariance), so it does not depend on the seed up to rounding. The largest loading of each component is positive,
    in any order of the spots. The number of components is at most the number of spots minus 1, of features that vary,
    and of components with any variance. With the covariance, the matrix is read by blocks; else it is held in memory.

    Raises
    ------
    InputError
        When no feature varies between spots.
    """
    varying = standard_deviations(matrix) > 0
    if not varying.any():
        raise InputError("PCA", "no feature varies between the spots", "at least one", "leave this modality out")
    n_spots, n_features = matrix.shape[0], int(varying.sum())
    wanted = min(n_components, n_features, n_spots - 1)
    many = n_spots >= max(COVARIANCE_SPOTS, SPOTS_PER_FEATURE * n_features)
    if many and n_features <= COVARIANCE_FEATURES:
        result = _by_covariance(matrix, varying, wanted)
    else:
        result = _by_scikit_learn(_of_varying(in_memory(matrix), varying), wanted, seed)
    scores, directions, mean, ratio = result
    # Components without variance are rounding noise, which later scaling would turn into a signal.
    n_real = int((ratio > NO_VARIANCE).sum())
    note = None
    if n_real < n_components:
        note = (
            f"{n_real} components instead of {n_components}: "
            f"{n_spots} spots and {n_features} varying features have no more"
        )
    return PrincipalComponents(
        scores=np.ascontiguousarray(scores[:, :n_real], dtype=np.float32),
        loadings=np.ascontiguousarray(directions[:, :n_real], dtype=np.float32),
        mean=mean,
        varying=varying,
        variance_ratio=ratio[:n_real],
        note=note,
    )


Found = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Scores (spots x components), orthonormal directions (features x components), means, fractions of variance."""


def _by_scikit_learn(matrix: sparse.csr_matrix, wanted: int, seed: int) -> Found:
    n_spots, n_features = matrix.shape
    essentially_dense = n_features <= DENSE_FEATURES and matrix.nnz > DENSE_FRACTION * n_spots * n_features
    data = matrix.toarray() if essentially_dense else matrix
    # ARPACK needs fewer components than features and spots; few features make a small covariance matrix anyway.
    solver = "covariance_eigh" if essentially_dense or wanted == n_features else "arpack"
    pca = PCA(wanted, svd_solver=solver, random_state=seed)
    scores = pca.fit_transform(data)
    mean = np.asarray(pca.mean_, dtype=np.float64).ravel()
    return scores, pca.components_.T, mean, pca.explained_variance_ratio_


def _by_covariance(matrix: Counts, varying: np.ndarray, wanted: int) -> Found:
    """Return the eigenvectors of the covariance of the features, which is summed over blocks of spots."""
    n_spots, n_features = matrix.shape[0], int(varying.sum())
    products, sums = np.zeros((n_features, n_features)), np.zeros(n_features)
    for _, part in numbered(spot_blocks(matrix)):
        rows = _of_varying(part, varying)
        for start in range(0, rows.shape[0], ROWS_AT_ONCE):
            block = rows[start : start + ROWS_AT_ONCE].toarray()
            products += block.T @ block
            sums += block.sum(axis=0)
    mean = sums / n_spots
    products -= n_spots * np.outer(mean, mean)
    products /= n_spots - 1
    variance = np.trace(products)
    values, vectors = linalg.eigh(products, subset_by_index=[n_features - wanted, n_features - 1], overwrite_a=True)
    directions = vectors[:, ::-1]
    directions = directions * np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(wanted)])
    ratio = np.maximum(values[::-1], 0.0) / variance
    scores = np.empty((n_spots, wanted), dtype=np.float32)
    for start, part in numbered(spot_blocks(matrix)):
        scores[start : start + part.shape[0]] = _of_varying(part, varying) @ directions - mean @ directions
    return scores, directions, mean, ratio


def _of_varying(matrix: sparse.csr_matrix, varying: np.ndarray) -> sparse.csr_matrix:
    return matrix if varying.all() else matrix[:, np.flatnonzero(varying)]
