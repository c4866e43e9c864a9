"""Markers of simulated tissues, where they are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from spatialweave.characterise.features import FeatureValues, transformed
from spatialweave.characterise.markers import KEPT, MarkerTests, marker_rows, marker_tests
from spatialweave.characterise.split import split_spots
from spatialweave.io.result_tables import MARKERS
from spatialweave.simulate.presets import PRESETS
from spatialweave.simulate.tissue import markers, simulate

from .tissue import Tissue, tissue

TEST = PRESETS["test"]


@pytest.fixture(scope="module")
def toy() -> Tissue:
    return tissue(simulate(TEST, 1))


@pytest.fixture(scope="module")
def tests(toy: Tissue) -> dict[str, MarkerTests]:
    split = split_spots(toy.dataset, toy.truth, 4, 0)
    return {table.modality: marker_tests(table, toy.rows, toy.truth, 4, split)[0] for table in toy.tables}


@pytest.mark.parametrize(("modality", "recall"), [("rna", 0.5), ("adt", 0.9), ("atac", 0.3)])
def test_the_known_markers_are_found(tests: dict[str, MarkerTests], modality: str, recall: float) -> None:
    known = markers(TEST.modalities[modality], 4) > 0
    found = tests[modality].is_marker
    assert (found & known).sum() / found.sum() > 0.85
    assert (found & known).sum() / known.sum() > recall
    blind = TEST.modalities[modality].blind_to
    if blind is not None:
        assert found[blind].sum() <= 1


def test_rows_are_the_best_features(tests: dict[str, MarkerTests]) -> None:
    rows = MARKERS.frame(marker_rows("run", tests["rna"], np.array([0.9, 0.8, 0.7, 0.6])))
    assert set(rows["section"]) == {"all"} and set(rows["run"]) == {"run"}
    known = markers(TEST.modalities["rna"], 4) > 0
    for domain, own in rows.groupby("domain"):
        assert len(own) <= KEPT and own["score"].is_monotonic_decreasing and (own["score"] > 0).all()
        best = {tests["rna"].features.index(name) for name in own["feature"].head(10)}
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
    sizes = [one.sums.n_spots for one in found]
    assert sizes[0] == sizes[1] + sizes[2] == toy.dataset.n_spots
    known = markers(TEST.modalities["rna"], 4) > 0
    right = [(one.is_marker & known).sum() for one in found]
    assert all(n >= 0.75 * one.is_marker.sum() for n, one in zip(right, found, strict=True))
    # A section alone has half of the spots to test with.
    assert right[0] > max(right[1:]) > 0


def test_spots_without_the_modality_take_no_part(toy: Tissue) -> None:
    table = toy.tables[0]
    present = np.arange(toy.dataset.n_spots) % 3 > 0
    partial = replace(table, values=table.values.multiply(present[:, None]).tocsc(), present=present)
    split = split_spots(toy.dataset, toy.truth, 4, 0)
    found = marker_tests(partial, toy.rows, toy.truth, 4, split)[0]
    assert found.sums.sizes.tolist() == np.bincount(toy.truth[present]).tolist()


def test_fold_change_of_intensities_is_that_of_the_values(toy: Tissue) -> None:
    """Values of 3 inside and 1 outside, whatever the unit: arcsinh is undone before the ratio is taken."""
    values = np.where(toy.truth == 2, 3.0, 1.0)[:, None]
    scaled, back = transformed("adt", sparse.csr_matrix(values), intensities=True)
    intensities = FeatureValues("adt", ["a"], scaled.tocsc(), np.ones(len(values), dtype=bool), back)
    split = split_spots(toy.dataset, toy.truth, 4, 0)
    found = marker_tests(intensities, toy.rows, toy.truth, 4, split)[0]
    assert found.log2_fold_change[2, 0] == pytest.approx(np.log2(3), abs=1e-4)
    assert found.sums.auc[2, 0] == 1.0
