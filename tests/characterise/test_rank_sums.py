"""The rank-sum test against scanpy, scikit-learn and values by hand."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse, stats
from sklearn.metrics import roc_auc_score

from spatialweave.characterise.rank_sums import rank_sums, stratified_scores, two_sided
from spatialweave.metrics.multiple_tests import adjusted

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def values() -> sparse.csc_matrix:
    """Counts with many ties, a feature that is nowhere and one that is the same everywhere."""
    counts = np.random.default_rng(0).poisson(0.8, (150, 20)).astype(np.float32)
    counts[:, 3], counts[:, 4] = 0, 2
    return sparse.csc_matrix(np.log1p(counts))


CODES = np.random.default_rng(1).integers(0, 4, 150)


def test_same_as_scanpy(values: sparse.csc_matrix) -> None:
    found = rank_sums(values, CODES, 4)
    data = anndata.AnnData(values.tocsr())
    data.obs["domain"] = pd.Categorical(CODES.astype(str))
    scanpy.tl.rank_genes_groups(data, "domain", method="wilcoxon", tie_correct=True, pts=True)
    p = two_sided(found.scores)
    fold = np.log2((np.expm1(found.mean) + 1e-9) / (np.expm1(found.mean_rest) + 1e-9))
    for domain in range(4):
        table = scanpy.get.rank_genes_groups_df(data, str(domain)).set_index("names").loc[data.var_names]
        np.testing.assert_allclose(found.scores[domain], table["scores"], atol=1e-6)
        np.testing.assert_allclose(p[domain], table["pvals"], rtol=1e-6)
        np.testing.assert_allclose(adjusted(p)[domain], table["pvals_adj"], rtol=1e-6)
        np.testing.assert_allclose(fold[domain], table["logfoldchanges"], atol=1e-4)
        np.testing.assert_allclose(found.fraction[domain], table["pct_nz_group"], rtol=1e-6)
        np.testing.assert_allclose(found.fraction_rest[domain], table["pct_nz_reference"], rtol=1e-6)


def test_auc_is_that_of_scikit_learn(values: sparse.csc_matrix) -> None:
    auc = rank_sums(values, CODES, 4).auc
    dense = values.toarray()
    for domain, feature in [(0, 0), (2, 7), (3, 3), (1, 4)]:
        assert auc[domain, feature] == pytest.approx(roc_auc_score(domain == CODES, dense[:, feature]))


def test_by_hand() -> None:
    """Ranks of 0 0 | 0 1 5 2: the zeros share (1 + 2 + 3) / 3 = 2; the first domain has 4, expected 2 * 7 / 2 = 7."""
    column = sparse.csc_matrix(np.array([[0.0], [0], [0], [1], [5], [2]]))
    found = rank_sums(column, np.array([0, 0, 1, 1, 1, 1]), 2)
    assert found.excess[:, 0].tolist() == [-3, 3]
    # One tie of three: 1 - (27 - 3) / (216 - 6).
    assert found.variance[0, 0] == pytest.approx((1 - 24 / 210) * 2 * 4 * 7 / 12)


def test_spots_without_a_domain_are_left_out(values: sparse.csc_matrix) -> None:
    some = np.where(np.arange(150) % 3 == 0, -1, CODES)
    np.testing.assert_array_equal(
        rank_sums(values, some, 4).scores, rank_sums(values[some >= 0], some[some >= 0], 4).scores
    )


def test_too_few_spots_are_not_tested(values: sparse.csc_matrix) -> None:
    codes = np.ones(150, dtype=np.int64)
    codes[:2] = 0
    found = rank_sums(values, codes, 3)
    assert np.isnan(found.scores).all() and np.isnan(found.auc).all() and np.isnan(adjusted(found.scores)).all()


def test_sections_combined(values: sparse.csc_matrix) -> None:
    """One section is itself; what differs between sections but not within them counts for nothing."""
    one = rank_sums(values, CODES, 4)
    np.testing.assert_allclose(stratified_scores([one]), one.scores, atol=1e-9)
    # Domain 0 is most of the first section, where values are higher; within the sections nothing differs.
    rng = np.random.default_rng(0)
    first = sparse.csc_matrix(rng.poisson(6.0, (400, 50)).astype(np.float64))
    second = sparse.csc_matrix(rng.poisson(2.0, (400, 50)).astype(np.float64))
    codes = [(rng.random(400) < share).astype(np.int64) for share in (0.2, 0.8)]
    together = rank_sums(sparse.vstack([first, second]).tocsc(), np.concatenate(codes), 2)
    apart = stratified_scores([rank_sums(first, codes[0], 2), rank_sums(second, codes[1], 2)])
    assert two_sided(together.scores).max() < 1e-6
    assert stats.kstest(two_sided(apart[0]), "uniform").pvalue > 0.01


def test_no_p_value_is_zero() -> None:
    # Perfect separation of 2,000 spots from 2,000 has a score of 54.8.
    p = two_sided(np.array([-54.8, 100.0, np.nan, 0.0]))
    assert 0 < p[0] == p[1] < 1e-300 and np.isnan(p[2]) and p[3] == 1.0
