"""The preparation of each modality: hand-worked values, written-out formulas, and scanpy's steps."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import in_memory
from spatialweave.preprocess import adt, chromatin, metabolite, rna
from spatialweave.preprocess.adt import AdtSettings
from spatialweave.preprocess.chromatin import ChromatinSettings
from spatialweave.preprocess.frozen import carry_out
from spatialweave.preprocess.metabolite import MetaboliteSettings
from spatialweave.preprocess.pca import principal_components
from spatialweave.preprocess.prepared import PreparationSettings, Prepared
from spatialweave.preprocess.rna import RnaSettings
from spatialweave.preprocess.values import Values

RNA = RnaSettings(min_spots=0, components=30, variable_features=None, target_sum=1e4, scale=False)
ADT = AdtSettings(min_spots=0, components=30, clr_per="protein", scale=False)
CHROMATIN = ChromatinSettings(min_spots=0, components=30, method="tf_idf", target_sum=1e4)
METABOLITE = MetaboliteSettings(min_spots=0, components=30, target_sum=1e4, scale=False)


def csr(values: object) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.asarray(values, dtype=np.float64))


def dense(prepared: Prepared) -> np.ndarray:
    return in_memory(prepared.values).toarray()


def genes(n_spots: int = 250, n_genes: int = 320) -> sparse.csr_matrix:
    """Counts of four groups of spots over genes of very different means, some of them in very few spots."""
    rng = np.random.default_rng(4)
    rate = rng.lognormal(-1, 1.5, n_genes) * rng.gamma(2, 0.5, (4, n_genes))
    return sparse.csr_matrix(rng.poisson(rate[rng.integers(0, 4, n_spots)]), dtype=np.float32)


@pytest.mark.parametrize("scaled", [True, False])
def test_rna_equals_scanpy(scaled: bool) -> None:
    import scanpy as sc

    counts = genes()
    data = ad.AnnData(counts.copy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.filter_genes(data, min_cells=10)
        sc.pp.highly_variable_genes(data, flavor="seurat_v3", n_top_genes=60)
        sc.pp.normalize_total(data, target_sum=1e4)
        sc.pp.log1p(data)
        if scaled:
            sc.pp.scale(data)
    assert 60 < data.n_vars < counts.shape[1], "the test is about dropped genes too"
    chosen = data[:, data.var["highly_variable"]].X
    values = np.asarray(chosen.toarray() if sparse.issparse(chosen) else chosen, dtype=np.float64)
    expected = PCA(8, svd_solver="full").fit_transform(values)

    settings = replace(RNA, min_spots=10, variable_features=60, target_sum=1e4, scale=scaled, components=8)
    prepared = rna.prepare(counts, settings)
    scores = principal_components(prepared.values, 8, 0).scores
    np.testing.assert_allclose(scores * np.sign((scores * expected).sum(axis=0)), expected, atol=1e-4)
    assert prepared.steps[0] == {"step": "detected_features", "min_spots": 10, "kept": data.n_vars}
    assert [step["step"] for step in prepared.steps][-1] == ("scale" if scaled else "log1p")


def test_rna_keeps_all_genes_by_its_setting() -> None:
    prepared = rna.prepare(genes(), replace(RNA, min_spots=0, variable_features=None, scale=True))
    assert prepared.values.shape == (250, 320)


def test_an_all_zero_gene_changes_nothing() -> None:
    counts = genes()
    settings = replace(RNA, min_spots=10, variable_features=60, scale=True)
    wider = sparse.hstack([counts[:, :7], csr(np.zeros((250, 1))), counts[:, 7:]], format="csr").astype(np.float32)
    assert (in_memory(rna.prepare(counts, settings).values) != in_memory(rna.prepare(wider, settings).values)).nnz == 0


def test_clr_by_hand() -> None:
    # Protein 1: log(1+3) = 2 log 2, its mean over two spots log 2, so 3 becomes log(1 + 3/2).
    # Protein 2: mean of log(1+1) over two spots is log 2, so 1 becomes log(1 + 1/2).
    matrix = csr([[3, 1], [0, 1]])
    carry_out(adt.clr(matrix), matrix)
    np.testing.assert_allclose(matrix.toarray(), [[0.91629073, 0.40546511], [0, 0.40546511]], atol=1e-8)


def test_clr_by_its_formula() -> None:
    counts = np.random.default_rng(0).poisson(3, (30, 6)).astype(float)
    expected = np.log(1 + counts / np.exp(np.log(1 + counts).mean(axis=0)))
    matrix = csr(counts)
    carry_out(adt.clr(matrix), matrix)
    np.testing.assert_allclose(matrix.toarray(), expected, atol=1e-12)
    scaled = dense(adt.prepare(csr(counts), replace(ADT, scale=True)))
    np.testing.assert_allclose(scaled, expected / expected.std(axis=0, ddof=1), atol=1e-12)


def test_clr_of_spots_by_hand() -> None:
    # Spot 1: the sum of logs over its two proteins is log 4 + log 2 = log 8, over three features in all: g = 2.
    # Spot 2: log 8 over three features again, from one protein. A spot without counts stays so.
    matrix = csr([[3, 1, 0], [0, 7, 0], [0, 0, 0]])
    carry_out(adt.clr(matrix, "spot"), matrix)
    expected = [[math.log(2.5), math.log(1.5), 0], [0, math.log(4.5), 0], [0, 0, 0]]
    np.testing.assert_allclose(matrix.toarray(), expected, atol=1e-12)


def test_proteins_per_spot_by_the_released_formula() -> None:
    counts = np.random.default_rng(0).poisson(3, (40, 6)).astype(float)

    def released(x: np.ndarray) -> np.ndarray:
        return np.log1p(x / np.exp(np.log1p(x[x > 0]).sum() / len(x)))

    expected = np.apply_along_axis(released, 1, counts)
    prepared = adt.prepare(csr(counts), replace(ADT, scale=True, clr_per="spot"))
    np.testing.assert_allclose(dense(prepared), expected / expected.std(axis=0, ddof=1), atol=1e-12)
    assert {"step": "clr", "over": "proteins"} in prepared.steps
    z_scores = (expected - expected.mean(axis=0)) / expected.std(axis=0, ddof=1)
    truth = PCA(5, svd_solver="full").fit_transform(z_scores)
    scores = principal_components(prepared.values, 5, 0).scores
    np.testing.assert_allclose(scores * np.sign((scores * truth).sum(axis=0)), truth, atol=1e-5)


def test_panel_size_counts_detected_proteins() -> None:
    counts = csr([[1, 0, 2], [1, 0, 0]])
    assert [adt.panel_size(counts, n) for n in (0, 1, 2, 3)] == [3, 2, 1, 0]


def test_tf_idf_by_hand() -> None:
    # Both spots have 2 counts; the peaks have 1 and 3, so that IDF is log(1 + 2/1) and log(1 + 2/3).
    matrix = csr([[1, 1], [0, 2]])
    matrix = in_memory(Values(matrix, np.arange(2), chromatin.tf_idf(matrix)))
    half, whole = math.log(5001), math.log(10001)
    expected = [[half * math.log(3), half * math.log(5 / 3)], [0, whole * math.log(5 / 3)]]
    np.testing.assert_allclose(matrix.toarray(), expected, atol=1e-12)
    assert matrix[1, 1] == pytest.approx(4.7049289, abs=1e-6)


def test_chromatin_by_its_formula() -> None:
    counts = np.random.default_rng(0).poisson(0.4, (30, 12)).astype(float)
    counts[4] = 0
    counts[:, 3] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        tf = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
        tf_idf = np.nan_to_num(tf * np.log1p(30 / counts.sum(axis=0)))
        expected = np.nan_to_num(np.log1p(1e4 * tf_idf / tf_idf.sum(axis=1, keepdims=True)))
    prepared = chromatin.prepare(csr(counts), replace(CHROMATIN, min_spots=0))
    np.testing.assert_allclose(dense(prepared), expected, atol=1e-10)
    np.testing.assert_allclose(
        dense(chromatin.prepare(csr(counts), replace(CHROMATIN, min_spots=1))), np.delete(expected, 3, axis=1)
    )


def peaks(n_spots: int, n_peaks: int) -> np.ndarray:
    """Peak counts of three groups of spots, one spot and one peak without any."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.5, 1.0, (3, n_peaks))[rng.integers(0, 3, n_spots)] * rng.gamma(3, 0.3, (n_spots, 1))
    counts = rng.poisson(rate).astype(float)
    counts[4] = 0
    counts[:, 3] = 0
    return counts


def released_lsi(counts: np.ndarray, n_components: int) -> np.ndarray:
    """The released formula, dense: tf-idf, L1 rows, log, left singular vectors, standardised rows without the first."""
    with np.errstate(divide="ignore", invalid="ignore"):
        tf_idf = np.nan_to_num(counts / counts.sum(axis=1, keepdims=True)) * (len(counts) / counts.sum(axis=0))
        tf_idf = np.nan_to_num(tf_idf)
        logged = np.log1p(1e4 * np.nan_to_num(tf_idf / tf_idf.sum(axis=1, keepdims=True)))
        vectors = np.linalg.svd(logged, full_matrices=False)[0][:, : n_components + 1]
        vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(n_components + 1)])
        standardised = (vectors - vectors.mean(axis=1, keepdims=True)) / vectors.std(axis=1, ddof=1, keepdims=True)
    return standardised[:, 1:]


LSI = replace(CHROMATIN, min_spots=1, components=6, method="lsi")


@pytest.mark.parametrize("shape", [(90, 40), (40, 90)])
def test_lsi_by_the_released_formula(shape: tuple[int, int]) -> None:
    counts = peaks(*shape)
    prepared = chromatin.prepare(csr(counts), LSI)
    expected = released_lsi(counts, 6)
    expected[4] = 0
    np.testing.assert_allclose(prepared.scores, expected, atol=1e-5)
    assert prepared.scores.dtype == np.float32 and not prepared.notes
    assert prepared.steps[-1] == {"step": "lsi", "components": 6}


def test_lsi_does_not_depend_on_the_order_of_spots_or_peaks() -> None:
    counts = peaks(80, 50)
    rng = np.random.default_rng(1)
    spots, order = rng.permutation(80), rng.permutation(50)
    plain = chromatin.prepare(csr(counts), LSI).scores
    moved = chromatin.prepare(csr(counts[spots][:, order]), LSI).scores
    np.testing.assert_allclose(moved, plain[spots], atol=1e-5)
    assert (chromatin.prepare(csr(counts), LSI).scores == plain).all()


def test_lsi_of_few_peaks_has_fewer_components() -> None:
    # Four peaks, two of them always together: rank three, and the first component is left out.
    counts = peaks(50, 5)[:, [0, 1, 2, 2]]
    prepared = chromatin.prepare(csr(counts), LSI)
    assert prepared.scores.shape == (50, 2)
    assert prepared.notes == [
        "2 components instead of 6: 50 spots and 4 peaks have no more besides the first, which is left out"
    ]
    assert prepared.steps[-1]["components"] == 2
    with pytest.raises(InputError, match=r"LSI.*differ only in depth.*leave this modality out"):
        chromatin.prepare(csr(counts[:, :1]), LSI)


def test_metabolites_by_their_formula() -> None:
    intensities = np.random.default_rng(0).gamma(1, 5, (20, 7))
    expected = np.log1p(100 * intensities / intensities.sum(axis=1, keepdims=True))
    plain = metabolite.prepare(csr(intensities), replace(METABOLITE, target_sum=100))
    np.testing.assert_allclose(dense(plain), expected, atol=1e-12)
    scaled = metabolite.prepare(csr(intensities), replace(METABOLITE, target_sum=100, scale=True))
    np.testing.assert_allclose(dense(scaled), expected / expected.std(axis=0, ddof=1), atol=1e-12)


@pytest.mark.parametrize(
    ("prepare", "settings"),
    [
        (rna.prepare, replace(RNA, scale=True)),
        (adt.prepare, replace(ADT, scale=True)),
        (chromatin.prepare, CHROMATIN),
        (metabolite.prepare, replace(METABOLITE, scale=True)),
    ],
)
def test_counts_are_left_as_they_were(
    prepare: Callable[[sparse.csr_matrix, PreparationSettings], Prepared], settings: PreparationSettings
) -> None:
    counts = csr([[3, 1, 2], [0, 1, 5], [4, 0, 1]])
    before = counts.copy()
    prepare(counts, settings)
    assert (counts != before).nnz == 0


def test_no_feature_left_is_refused() -> None:
    with pytest.raises(InputError, match="none of 2 features is detected in 9 spots"):
        adt.prepare(csr([[3, 1], [0, 1]]), replace(ADT, min_spots=9))
