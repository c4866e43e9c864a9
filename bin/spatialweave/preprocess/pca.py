"""Principal components of a sparse matrix, centred implicitly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA

from spatialweave.errors import InputError
from spatialweave.preprocess.matrices import standard_deviations

DENSE_FRACTION = 0.5
DENSE_FEATURES = 1000
NO_VARIANCE = 1e-10


@dataclass(frozen=True)
class PrincipalComponents:
    """Scores on the principal components, and the way back: ``scores @ loadings.T + mean`` is near the matrix.

    Attributes
    ----------
    scores
        float32, spots x components; neither whitened nor scaled.
    loadings
        float32, varying features x components; columns are orthonormal.
    mean
        float64, mean of each varying feature.
    varying
        bool, one per feature of the matrix; the others took no part.
    variance_ratio
        Fraction of the total variance that each component explains, descending; empty for features themselves.
    note
        Why there are fewer components than requested; None when there are not.
    """

    scores: np.ndarray
    loadings: np.ndarray
    mean: np.ndarray
    varying: np.ndarray
    variance_ratio: np.ndarray
    note: str | None


def features_themselves(matrix: sparse.csr_matrix) -> PrincipalComponents:
    """Latents that are the features, neither centred nor reduced: each is its own component, in the order of columns.

    The result is dense: float32, spots x features.
    """
    n_features = matrix.shape[1]
    return PrincipalComponents(
        scores=np.ascontiguousarray(matrix.astype(np.float32).toarray()),
        loadings=np.eye(n_features, dtype=np.float32),
        mean=np.zeros(n_features),
        varying=np.ones(n_features, dtype=bool),
        variance_ratio=np.empty(0),
        note=None,
    )


def principal_components(matrix: sparse.csr_matrix, n_components: int, seed: int) -> PrincipalComponents:
    """Scores of the spots on the leading principal components.

    Exact (scikit-learn's ARPACK solver with implicit centring) and so independent of the seed up to rounding. Signs are
    set so that the largest loading of each component is positive, whatever the order of the spots. There are at most
    as many components as spots less one, as features that vary, and as components with any variance.

    Raises
    ------
    InputError
        When no feature varies between spots.
    """
    varying = standard_deviations(matrix) > 0
    if not varying.any():
        raise InputError("PCA", "no feature varies between the spots", "at least one", "leave this modality out")
    if not varying.all():
        matrix = matrix[:, np.flatnonzero(varying)]
    n_spots, n_features = matrix.shape
    wanted = min(n_components, n_features, n_spots - 1)
    essentially_dense = n_features <= DENSE_FEATURES and matrix.nnz > DENSE_FRACTION * n_spots * n_features
    data = matrix.toarray() if essentially_dense else matrix
    # ARPACK needs fewer components than features and spots; few features make a small covariance matrix anyway.
    solver = "covariance_eigh" if essentially_dense or wanted == n_features else "arpack"
    pca = PCA(wanted, svd_solver=solver, random_state=seed)
    scores = pca.fit_transform(data)
    ratio = pca.explained_variance_ratio_
    # Components without variance are rounding noise, which a later rescaling would turn into a signal.
    n_real = int((ratio > NO_VARIANCE).sum())
    note = None
    if n_real < n_components:
        note = (
            f"{n_real} components instead of {n_components}: "
            f"{n_spots} spots and {n_features} varying features have no more"
        )
    return PrincipalComponents(
        scores=np.ascontiguousarray(scores[:, :n_real], dtype=np.float32),
        loadings=np.ascontiguousarray(pca.components_[:n_real].T, dtype=np.float32),
        mean=np.asarray(pca.mean_, dtype=np.float64).ravel(),
        varying=varying,
        variance_ratio=ratio[:n_real],
        note=note,
    )
