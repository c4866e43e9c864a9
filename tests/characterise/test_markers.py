"""Markers of simulated tissues, where they are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from spatialweave.characterise.features import FeatureValues, transformed
from spatialweave.characterise.markers import KEPT, MarkerTests, marker_rows, marker_tests
from spatialweave.characterise.split import SplitSpots, split_spots
from spatialweave.io.contract import MEASURED, PRECOMPUTED
from spatialweave.io.result_tables import MARKERS
from spatialweave.modalities import INTENSITIES
from spatialweave.simulate.presets import PRESETS
from spatialweave.simulate.tissue import markers, simulate

from .tissue import Tissue, tissue

TEST = PRESETS["test"]


@pytest.fixture(scope="module")
def toy() -> Tissue:
    return tissue(simulate(TEST, 1))


@pytest.fixture(scope="module")
def by_modality(toy: Tissue) -> dict[str, MarkerTests]:
    split = split_spots(toy.dataset, toy.truth, 4, 0)
    return {table.modality: marker_tests(table, toy.rows, toy.truth, 4, split)[0] for table in toy.tables}


@pytest.mark.parametrize(("modality", "recall"), [("rna", 0.5), ("adt", 0.9), ("atac", 0.3)])
def test_the_known_markers_are_found(by_modality: dict[str, MarkerTests], modality: str, recall: float) -> None:
    known = markers(TEST.modalities[modality], 4) > 0
    found = by_modality[modality].is_marker
    assert (found & known).sum() / found.sum() > 0.85
    assert (found & known).sum() / known.sum() > recall
    blind = TEST.modalities[modality].blind_to
    if blind is not None:
        assert found[blind].sum() <= 1


def test_rows_are_the_best_features(by_modality: dict[str, MarkerTests]) -> None:
    rows = MARKERS.frame(marker_rows("run", by_modality["rna"], np.array([0.9, 0.8, 0.7, 0.6])))
    assert set(rows["section"]) == {"all"} and set(rows["run"]) == {"run"}
    known = markers(TEST.modalities["rna"], 4) > 0
    for domain, own in rows.groupby("domain"):
        assert len(own) <= KEPT and own["score"].is_monotonic_decreasing and (own["score"] > 0).all()
        best = {by_modality["rna"].features.index(name) for name in own["feature"].head(10)}
        assert best <= set(np.flatnonzero(known[domain - 1]))
        assert own["found_again"].unique().tolist() == [round(1.0 - 0.1 * domain, 4)]
    assert (
        (rows["fraction_in"] <= 1).all() and (rows["auc"] > 0.5).all() and (rows["log2_fold_change"] > 0).mean() > 0.9
    )


def test_sections_are_tested_apart_and_together(toy: Tissue) -> None:
    obs = toy.dataset.obs.assign(section=np.where(np.arange(toy.dataset.n_spots) % 2, "b", "a"))
    several = replace(toy.dataset, obs=obs)
    split = split_spots(several, toy.truth, 4, 0)
    found = marker_tests(toy.tables[0], several.section_rows(), toy.truth, 4, split)
    assert [one.section for one in found] == ["all", "a", "b"]
    sizes = [one.found.sizes.sum() for one in found]
    assert sizes[0] == sizes[1] + sizes[2] == toy.dataset.n_spots
    known = markers(TEST.modalities["rna"], 4) > 0
    right = [(one.is_marker & known).sum() for one in found]
    assert all(n >= 0.75 * one.is_marker.sum() for n, one in zip(right, found, strict=True))
    # A section alone has half of the spots to test with.
    assert right[0] > max(right[1:]) > 0


def test_a_difference_between_sections_makes_no_marker(toy: Tissue) -> None:
    """A protein that is lower in the domain in both sections, but higher in the section where the domain is larger."""
    first = np.arange(toy.dataset.n_spots) % 2 == 0
    several = replace(toy.dataset, obs=toy.dataset.obs.assign(section=np.where(first, "a", "b")))
    rng = np.random.default_rng(0)
    codes = (rng.random(len(first)) > np.where(first, 0.8, 0.2)).astype(np.int64)
    expected = np.where(first, 3.0, 1.0) - 0.4 * (codes == 0)
    values = np.maximum(rng.normal(expected, 0.3), 0.0)
    table = FeatureValues("adt", ["a"], sparse.csc_matrix(values[:, None]), np.ones(len(first), dtype=bool), np.asarray)
    split = SplitSpots(np.where(np.arange(len(codes)) % 3 > 0, codes, -1), np.ones(2))
    together, *apart = marker_tests(table, several.section_rows(), codes, 2, split)
    # Over all spots the domain is higher.
    assert values[codes == 0].mean() > values[codes == 1].mean() + 0.3
    assert not together.is_marker[0, 0] and together.is_marker[1, 0]
    assert together.log2_fold_change[0, 0] < 0 < together.log2_fold_change[1, 0]
    sizes = np.array([one.found.sizes[0] for one in apart])
    expected_auc = np.average([one.found.auc[0, 0] for one in apart], weights=sizes)
    assert together.found.auc[0, 0] == pytest.approx(expected_auc) and expected_auc < 0.3


def test_a_domain_that_fills_its_section_is_not_tested(toy: Tissue) -> None:
    first = np.arange(toy.dataset.n_spots) % 2 == 0
    several = replace(toy.dataset, obs=toy.dataset.obs.assign(section=np.where(first, "a", "b")))
    split = SplitSpots(first.astype(np.int64), np.ones(2))
    together = marker_tests(toy.tables[0], several.section_rows(), (~first).astype(np.int64), 2, split)[0]
    assert not together.found.testable.any() and not together.is_marker.any()
    assert together.tested(split.found_again) == ["nothing to compare with"] * 2
    # What it is like is still described.
    expected = toy.tables[0].values.toarray()[first].mean(axis=0)
    np.testing.assert_allclose(together.found.mean[0], expected, rtol=1e-5)


def test_spots_without_the_modality_take_no_part(toy: Tissue) -> None:
    table = toy.tables[0]
    present = np.arange(toy.dataset.n_spots) % 3 > 0
    partial = replace(table, values=table.values.multiply(present[:, None]).tocsc(), present=present)
    split = split_spots(toy.dataset, toy.truth, 4, 0)
    found = marker_tests(partial, toy.rows, toy.truth, 4, split)[0]
    assert found.found.sizes.tolist() == np.bincount(toy.truth[present]).tolist()


def test_values_that_are_declared_precomputed_are_compared_as_they_are() -> None:
    """Taken for counts and scaled to one total, the first two spots would be equal."""
    values = sparse.csr_matrix([[0.5, 0.5], [2.0, 2.0], [0.0, 1.5]])
    for modality in ("atac", "adt", "metabolite"):
        found, back = transformed(modality, values, {PRECOMPUTED: "values"})
        np.testing.assert_array_equal(found.toarray(), values.toarray())
        assert back is None


def test_values_that_are_declared_precomputed_have_no_fold_change(toy: Tissue) -> None:
    """They may be logarithms: the ratio of the logarithms of values of 4 and 1 says nothing of a 4-fold change."""
    counts = np.where(toy.truth == 2, 40.0, 10.0)[:, None]
    values, back = transformed("rna", sparse.csr_matrix(np.log1p(counts)), {PRECOMPUTED: "values"})
    table = FeatureValues("rna", ["a"], values.tocsc(), np.ones(len(counts), dtype=bool), back)
    found = marker_tests(table, toy.rows, toy.truth, 4, split_spots(toy.dataset, toy.truth, 4, 0))[0]
    assert np.isnan(found.log2_fold_change).all() and found.is_marker[2, 0] and found.found.auc[2, 0] == 1.0
    rows = MARKERS.frame(marker_rows("run", found, np.ones(4)))
    assert rows["log2_fold_change"].isna().all() and rows[rows["feature"] == "a"]["auc"].tolist() == [1.0]


def test_what_was_not_tested_has_a_row_that_says_why(toy: Tissue) -> None:
    """Two sections of noise: the third domain lies in the second alone, in which proteins were not measured."""
    first = np.arange(120) < 60
    codes = np.where(first, np.arange(120) % 2, 2)
    codes[60:80] = 1
    values = sparse.csc_matrix(np.random.default_rng(0).poisson(3.0, (120, 30)).astype(np.float32))
    sections = {"a": np.flatnonzero(first), "b": np.flatnonzero(~first)}
    again = np.array([0.9, 0.9, 0.9])
    split = SplitSpots(np.where(np.arange(120) % 3, codes, -1), again)

    def rows(present: np.ndarray, found_again: np.ndarray = again) -> dict[int, tuple[str, int]]:
        own = values.multiply(present[:, None]).tocsc()
        table = FeatureValues("adt", [f"P{k}" for k in range(30)], own, present, np.expm1)
        tests = marker_tests(table, sections, codes, 3, replace(split, found_again=found_again))
        found = MARKERS.frame(row for one in tests for row in marker_rows("run", one, found_again))
        # Only over all sections.
        assert (found[found["feature"] == ""]["section"] == "all").all()
        pooled = found[found["section"] == "all"]
        tested = dict(tuple(pooled.groupby("domain")))
        return {d: (*own["test"].unique(), int((own["feature"] != "").sum())) for d, own in tested.items()}

    everywhere, only_first = np.ones(120, dtype=bool), first
    assert {d: test for d, (test, _) in rows(everywhere).items()} == dict.fromkeys((1, 2, 3), "test spots")
    assert rows(only_first)[3] == ("not measured", 0) and rows(only_first)[1][0] == "test spots"
    lost = rows(only_first, np.array([0.9, 0.2, 0.9]))
    assert lost[2][0] == "not found again" and lost[2][1] > 0
    few = only_first | (np.arange(120) == 119)
    assert rows(few)[3] == ("nothing to compare with", 0)


def test_counts_beside_latents_that_are_given_are_counts() -> None:
    counts = sparse.csr_matrix([[1.0, 1.0], [4.0, 4.0]])
    found, _ = transformed("rna", counts, {PRECOMPUTED: "X_pca"})
    # Totals are 2 and 8, so both are scaled to 5.
    np.testing.assert_allclose(found.toarray(), np.log1p([[2.5, 2.5], [2.5, 2.5]]), rtol=1e-6)


def test_fold_change_of_intensities_is_that_of_the_values(toy: Tissue) -> None:
    """Values of 3 inside and 1 outside, whatever the unit: arcsinh is undone before the ratio is taken."""
    values = np.where(toy.truth == 2, 3.0, 1.0)[:, None]
    scaled, back = transformed("adt", sparse.csr_matrix(values), {MEASURED: INTENSITIES})
    intensities = FeatureValues("adt", ["a"], scaled.tocsc(), np.ones(len(values), dtype=bool), back)
    split = split_spots(toy.dataset, toy.truth, 4, 0)
    found = marker_tests(intensities, toy.rows, toy.truth, 4, split)[0]
    assert found.log2_fold_change[2, 0] == pytest.approx(np.log2(3), abs=1e-4)
    assert found.found.auc[2, 0] == 1.0
