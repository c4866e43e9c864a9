"""Markers, top features and their encoding, against dense computation by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from spatialweave.report import features
from spatialweave.results.values import FeatureTable, log_normalise


def make_table(counts: np.ndarray, present: np.ndarray | None = None) -> FeatureTable:
    values = log_normalise(sparse.csr_matrix(counts.astype(np.float32)))
    names = [f"g{index}" for index in range(counts.shape[1])]
    return FeatureTable("rna", names, values, np.ones(len(counts), bool) if present is None else present)


@settings(max_examples=30, deadline=None)
@given(
    counts=hnp.arrays(np.int32, (12, 5), elements=st.integers(0, 9)),
    codes=hnp.arrays(np.int32, 12, elements=st.integers(-1, 2)),
    present=hnp.arrays(np.bool_, 12),
)
def test_markers_equal_dense_means(counts: np.ndarray, codes: np.ndarray, present: np.ndarray) -> None:
    counts = counts * present[:, None]
    table = make_table(counts, present)
    dense = table.values.toarray()
    for domain, found in enumerate(features.domain_markers(table, codes, 3, top=5)):
        inside, outside = present & (codes == domain), present & (codes >= 0) & (codes != domain)
        mean = [dense[rows].mean(axis=0) if rows.any() else np.zeros(5) for rows in (inside, outside)]
        expected = mean[0] - mean[1]
        rising = sorted((value for value in expected if value > 1e-6), reverse=True)
        assert [m.difference for m in found if m.difference > 1e-6] == pytest.approx(rising, abs=1e-5)
        for marker in found:
            assert marker.difference == pytest.approx(expected[marker.feature], abs=1e-5)
            assert marker.inside == pytest.approx((dense[inside, marker.feature] > 0).mean())


def test_a_constant_feature_of_many_spots_marks_nothing() -> None:
    """Sums of so many float32 drift apart."""
    n_spots = 400_000
    values = sparse.csr_matrix(np.full((n_spots, 1), 0.1, dtype=np.float32))
    table = FeatureTable("rna", ["constant"], values, np.ones(n_spots, dtype=bool))
    codes = np.repeat([0, 1], [n_spots - 1000, 1000])
    found = features.domain_markers(table, codes, 2, top=1)
    assert all(marker.difference < 1e-9 for markers in found for marker in markers)


@settings(max_examples=30, deadline=None)
@given(counts=hnp.arrays(np.int32, (9, 6), elements=st.integers(0, 5)))
def test_top_features_are_the_largest_excesses(counts: np.ndarray) -> None:
    table = make_table(counts)
    excess = table.values.toarray().astype(float) - table.values.toarray().astype(float).mean(axis=0)
    for spot, found in enumerate(features.top_features(table, top=3)):
        chosen = [excess[spot, feature] for feature in found if feature >= 0]
        expected = sorted((value for value in excess[spot] if value > 1e-6), reverse=True)[:3]
        assert [value for value in chosen if value > 1e-6] == pytest.approx(expected, abs=1e-6)


def test_top_features_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(np.random.default_rng(3).poisson(1, (50, 8)))
    whole = features.top_features(table)
    monkeypatch.setattr(features, "BLOCK", 7)
    assert (features.top_features(table) == whole).all()


def test_quantise_keeps_values_and_marks_missing_spots() -> None:
    present = np.array([True, True, True, False])
    table = make_table(np.array([[8, 0], [4, 4], [0, 8], [0, 0]]), present)
    steps, top = features.quantise(table, 0, np.arange(4))
    assert steps[3] == features.NOT_MEASURED
    assert steps[:3] / 254 * top == pytest.approx(table.values[:3, 0].toarray().ravel(), abs=top / 254)


def test_quantise_between_the_ends() -> None:
    steps = features.quantise_between(np.array([-2, -1, 0, 1, 3, np.nan, np.inf]), -1, 1)
    assert steps.tolist() == [0, 0, 127, 254, 254, features.NOT_MEASURED, features.NOT_MEASURED]
    assert features.quantise_between(np.array([5.0, 5.0]), 5, 5).tolist() == [0, 0]


def test_choose_features_shares_between_modalities() -> None:
    def marker(index: int) -> features.Marker:
        return features.Marker(index, 1.0, 1.0, 0.0)

    best = {"rna": [[marker(4), marker(1)], [marker(2), marker(3)]], "adt": [[marker(0)], []]}
    second = {"rna": [[marker(9)]], "adt": [[marker(7)]]}
    assert features.choose_features([best, second], 6) == [("rna", 4), ("rna", 2), ("rna", 1), ("adt", 0), ("adt", 7)]


def test_the_strongest_marker_is_mapped_first() -> None:
    def marker(index: int, difference: float) -> features.Marker:
        return features.Marker(index, difference, 1.0, 0.0)

    markers = {"rna": [[marker(4, 0.3)], [marker(2, 0.2)]], "adt": [[], [marker(4, 0.8)]]}
    chosen = [("rna", 4), ("rna", 2), ("adt", 4), ("adt", 1)]
    assert features.position_of_strongest(chosen, markers) == 2
    assert features.position_of_strongest(chosen, {}) == 0
    assert features.position_of_strongest([], {}) == 0


def test_most_variable_first_and_constant_ones_not_at_all() -> None:
    table = make_table(np.array([[5, 5, 0, 0], [5, 0, 5, 1], [5, 5, 0, 0], [5, 0, 5, 1]]))
    table.values[:, 0] = 1.0
    found = features.most_variable(table)
    assert set(found[:2]) == {1, 2}
    assert found[2:] == [3]
