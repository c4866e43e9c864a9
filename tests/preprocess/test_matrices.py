"""Passes over sparse matrices, against numpy on the dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from spatialweave.io import count_matrix
from spatialweave.preprocess import matrices
from spatialweave.preprocess.values import Values


@pytest.fixture(params=[7, 4_000_000], ids=["many blocks", "one block"])
def counts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> sparse.csr_matrix:
    """40 x 12 counts with an empty spot and an empty feature, walked in blocks of 7 entries or in one."""
    monkeypatch.setattr(count_matrix, "BLOCK_ENTRIES", request.param)
    values = np.random.default_rng(1).poisson(0.6, (40, 12)).astype(np.float32)
    values[3] = 0
    values[:, 5] = 0
    return sparse.csr_matrix(values)


def test_blocks_hold_every_spot_once(counts: sparse.csr_matrix) -> None:
    blocks = list(count_matrix.spot_blocks(counts))
    assert (sparse.vstack(blocks) != counts).nnz == 0
    assert len(blocks) == 1 or all(block.nnz < 40 for block in blocks)


def test_sums_equal_the_dense_ones(counts: sparse.csr_matrix) -> None:
    dense = counts.toarray()
    mask = np.arange(12) % 3 != 0
    np.testing.assert_array_equal(count_matrix.spots_per_feature(counts), (dense > 0).sum(axis=0))
    np.testing.assert_array_equal(count_matrix.spot_totals(counts, mask), dense[:, mask].sum(axis=1))
    sums = count_matrix.feature_sums(counts)
    np.testing.assert_array_equal(sums.detected, (dense > 0).sum(axis=0))
    np.testing.assert_array_equal(sums.sums, dense.sum(axis=0))
    np.testing.assert_array_equal(sums.squares, (dense**2).sum(axis=0))
    np.testing.assert_array_equal(matrices.column_sums(counts), dense.sum(axis=0))


def test_totals_become_the_target_and_empty_spots_stay_empty(counts: sparse.csr_matrix) -> None:
    matrix = counts.astype(np.float64)
    matrices.normalise_total(matrix, np.asarray(counts.sum(axis=1)).ravel(), 500)
    totals = np.asarray(matrix.sum(axis=1)).ravel()
    assert totals[3] == 0
    np.testing.assert_allclose(np.delete(totals, 3), 500)


def test_scaling_gives_unit_standard_deviation_and_leaves_constant_features(counts: sparse.csr_matrix) -> None:
    dense = counts.toarray().astype(np.float64)
    dense[:, 7] = 3.3
    matrix = sparse.csr_matrix(dense)
    np.testing.assert_allclose(matrices.standard_deviations(matrix), dense.std(axis=0, ddof=1), atol=1e-12)
    scaled, divisors = Values(matrix, np.arange(12)).scaled()
    np.testing.assert_array_equal(matrices.standard_deviations(scaled) > 0, np.ptp(dense, axis=0) > 0)
    matrix = count_matrix.in_memory(scaled)
    np.testing.assert_allclose(divisors, np.where(np.ptp(dense, axis=0) > 0, dense.std(axis=0, ddof=1), 1))
    expected = np.ones(12)
    expected[[5, 7]] = 0
    np.testing.assert_allclose(matrix.toarray().std(axis=0, ddof=1), expected, atol=1e-12)
    np.testing.assert_allclose(matrix.toarray()[:, 7], 3.3)


def test_rows_and_columns_are_scaled_block_by_block(counts: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "BLOCK_ENTRIES", 7)
    rng = np.random.default_rng(0)
    rows, columns = rng.random(counts.shape[0]), rng.random(counts.shape[1])
    found = counts.astype(np.float64)
    matrices.scale_rows(found, rows)
    matrices.scale_columns(found, columns)
    np.testing.assert_allclose(found.toarray(), counts.toarray() * rows[:, None] * columns, rtol=1e-15)
