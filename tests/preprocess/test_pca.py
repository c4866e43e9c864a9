"""Implicitly centred PCA against scikit-learn's on the dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import in_memory
from spatialweave.preprocess import pca
from spatialweave.preprocess.pca import principal_components
from spatialweave.preprocess.values import Values


def tissue(n_spots: int, n_features: int, density: float, seed: int = 0) -> sparse.csr_matrix:
    """Log counts of four groups of spots."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1, 1, (4, n_features)) * -np.log1p(-density)
    return sparse.csr_matrix(np.log1p(rng.poisson(rate[rng.integers(0, 4, n_spots)])))


def forbid_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every way to make a sparse matrix dense fail."""

    def refuse(self: sparse.spmatrix, *_args: object, **_options: object) -> None:
        raise AssertionError(f"a matrix of shape {self.shape} was made dense")

    for kind in ("csr", "csc", "coo"):
        for form in ("matrix", "array"):
            for method in ("toarray", "todense"):
                monkeypatch.setattr(getattr(sparse, f"{kind}_{form}"), method, refuse)


@pytest.mark.parametrize(("shape", "density"), [((400, 90), 0.2), ((120, 500), 0.1), ((300, 30), 0.95)])
def test_equals_dense_sklearn_up_to_sign(shape: tuple[int, int], density: float) -> None:
    matrix = tissue(*shape, density)
    matrix = in_memory(Values(matrix, np.arange(matrix.shape[1])).scaled()[0])
    dense = matrix.toarray()
    dense -= dense.mean(axis=0)
    expected = PCA(10, svd_solver="full").fit(dense)
    scores = expected.transform(dense)
    found = principal_components(matrix, 10, seed=3)
    signs = np.sign((found.scores * scores).sum(axis=0))
    np.testing.assert_allclose(found.scores * signs, scores, atol=1e-4)
    np.testing.assert_allclose(found.variance_ratio, expected.explained_variance_ratio_, atol=1e-6)
    assert found.scores.dtype == np.float32
    assert found.note is None
    np.testing.assert_allclose(found.loadings * signs, expected.components_.T, atol=1e-4)
    np.testing.assert_allclose(found.mean, np.asarray(matrix.mean(axis=0)).ravel(), atol=1e-12)


def test_many_spots_give_the_same_by_the_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = tissue(4000, 60, 0.2)
    matrix = in_memory(Values(matrix, np.arange(matrix.shape[1])).scaled()[0])
    expected = principal_components(matrix, 12, seed=0)
    monkeypatch.setattr(pca, "COVARIANCE_SPOTS", 1000)
    monkeypatch.setattr(pca, "ROWS_AT_ONCE", 999)
    monkeypatch.setattr(pca, "_by_scikit_learn", None)
    found = principal_components(matrix, 12, seed=0)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(found.loadings, expected.loadings, atol=1e-5)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.variance_ratio, expected.variance_ratio, rtol=1e-9)


def test_sparse_stays_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = tissue(200, 400, 0.1)
    expected = principal_components(matrix, 5, 0).scores
    forbid_dense(monkeypatch)
    np.testing.assert_array_equal(principal_components(matrix, 5, 0).scores, expected)
    with pytest.raises(AssertionError, match="made dense"):
        matrix.toarray()


def test_signs_do_not_depend_on_the_order_of_spots_or_the_seed() -> None:
    matrix = tissue(150, 60, 0.3)
    order = np.random.default_rng(5).permutation(150)
    scores = principal_components(matrix, 4, 0).scores
    np.testing.assert_allclose(principal_components(matrix[order], 4, 99).scores, scores[order], atol=1e-5)


def test_same_seed_gives_the_same_bytes() -> None:
    matrix = tissue(150, 60, 0.3)
    assert principal_components(matrix, 8, 7).scores.tobytes() == principal_components(matrix, 8, 7).scores.tobytes()


@pytest.mark.parametrize(
    ("shape", "expected"), [((2, 50), 1), ((10, 4), 4), ((31, 300), 30), ((40, 2), 2), ((5, 300), 4)]
)
def test_fewer_spots_or_features_than_components(shape: tuple[int, int], expected: int) -> None:
    values = np.random.default_rng(2).poisson(1.0, shape).astype(np.float64)
    found = principal_components(sparse.csr_matrix(values), 30, 0)
    assert found.scores.shape == (shape[0], expected)
    assert (found.note is None) == (expected == 30)
    centred = values - values.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)[:expected]
    np.testing.assert_allclose(np.linalg.norm(found.scores, axis=0), singular, rtol=1e-5)


def test_components_without_variance_are_left_out() -> None:
    rng = np.random.default_rng(0)
    two = rng.poisson(0.4, (100, 2)).astype(np.float64)
    found = principal_components(sparse.csr_matrix(two[:, [0, 1] * 40]), 30, 0)
    assert found.scores.shape == (100, 2)
    assert found.variance_ratio.sum() == pytest.approx(1)


def test_features_that_do_not_vary_have_no_loadings() -> None:
    matrix = tissue(50, 12, 0.4).toarray()
    matrix[:, [2, 7]] = [0, 1.3]
    found = principal_components(sparse.csr_matrix(matrix), 5, 0)
    assert np.flatnonzero(~found.varying).tolist() == [2, 7]
    assert found.loadings.shape == (10, 5)


def test_no_variation_is_refused() -> None:
    with pytest.raises(InputError, match="no feature varies"):
        principal_components(sparse.csr_matrix(np.full((6, 3), 2.5)), 2, 0)
    with pytest.raises(InputError, match="no feature varies"):
        principal_components(sparse.csr_matrix(np.ones((1, 3))), 2, 0)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, (9, 5), elements=st.integers(0, 6).map(float)))
def test_all_components_keep_all_distances(values: np.ndarray) -> None:
    """PCA is a rotation: with every component kept, the distances between spots stay what they were."""
    if np.ptp(values, axis=0).max() == 0:
        return
    found = principal_components(sparse.csr_matrix(values), 30, 0)
    np.testing.assert_allclose(pdist(found.scores), pdist(values), atol=1e-4)
