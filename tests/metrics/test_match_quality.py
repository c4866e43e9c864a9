"""Quality of matches, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spatialweave.matching.spot_pairs import nearest_pairs
from spatialweave.metrics.match_quality import MatchedSection, match_quality


def row(n: int, start: float = 0.0) -> np.ndarray:
    """Points two apart on two lines, `n` in all: neighbours are 2 apart, and no line holds all."""
    x = start + 2.0 * np.arange(n // 2)
    return np.concatenate([np.column_stack([x, np.zeros(n // 2)]), np.column_stack([x, np.full(n // 2, 2.0)])])


def everyone(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n), np.arange(n)


def test_fractions_of_spots():
    """Four and six spots; pairs (0, 0), (0, 1), (2, 1) accepted, (3, 5) not."""
    a, b = MatchedSection(row(4)), MatchedSection(row(6))
    pairs = np.array([0, 0, 2, 3]), np.array([0, 1, 1, 5])
    found = match_quality(a, b, pairs, np.array([True, True, True, False]), spacing=2.0)
    assert found["spots_a"] == 4 and found["spots_b"] == 6 and found["pairs"] == 4 and found["accepted_pairs"] == 3
    assert found["matched_a"] == found["matched_smaller"] == pytest.approx(2 / 4)
    assert found["matched_b"] == pytest.approx(2 / 6)
    swapped = match_quality(b, a, pairs[::-1], np.array([True, True, True, False]), spacing=2.0)
    assert swapped["matched_smaller"] == pytest.approx(2 / 4) and swapped["matched_a"] == pytest.approx(2 / 6)
    assert not {"label_agreement", "near_truth", "mapping_threshold", "registration_error"} & set(found)


def test_label_agreement_counts_labelled_pairs_only():
    labels_a, labels_b = np.array(["x", "x", "y", ""]), np.array(["x", "y", "", "y"])
    a, b = MatchedSection(row(4), labels_a), MatchedSection(row(4), labels_b)
    found = match_quality(a, b, everyone(4), np.ones(4, bool), spacing=2.0)
    assert (found["label_agreement"], found["labelled_pairs"]) == (0.5, 2.0)
    # The pair that disagrees was not accepted.
    found = match_quality(a, b, everyone(4), np.array([True, False, True, True]), spacing=2.0)
    assert (found["label_agreement"], found["labelled_pairs"]) == (1.0, 1.0)
    found = match_quality(a, b, everyone(4), np.zeros(4, bool), spacing=2.0)
    assert "label_agreement" not in found and found["labelled_pairs"] == 0.0
    assert "label_agreement" not in match_quality(a, MatchedSection(row(4)), everyone(4), np.ones(4, bool), spacing=2.0)


def test_residuals_in_spots():
    """b is 0, 2, 6 and 8 units to the right of its partners: 0, 1, 3 and 4 spots."""
    points = row(4)
    shift = np.column_stack([[0.0, 2.0, 6.0, 8.0], np.zeros(4)])
    found = match_quality(
        MatchedSection(points), MatchedSection(points + shift), everyone(4), np.ones(4, bool), spacing=2.0
    )
    assert found["residual_median"] == pytest.approx(2.0)
    assert found["residual_p95"] == pytest.approx(3 + 0.85 * 1)  # at 0.95 * 3 = 2.85 of positions 0 to 3
    some = match_quality(
        MatchedSection(points), MatchedSection(points + shift), everyone(4), np.arange(4) < 2, spacing=2.0
    )
    assert some["residual_median"] == pytest.approx(0.5)


def test_against_truth_by_hand():
    """a spans columns 0 to 3, b columns 2 to 5 (spacing 2). Within a spot of b's: a's columns 1 to 3."""
    a, b = MatchedSection(row(8), truth=row(8)), MatchedSection(row(8, 4.0), truth=row(8, 4.0))
    # Column by spot: a 0 1 2 3 0 1 2 3, b 2 3 4 5 2 3 4 5. Right, 1 column off (right still), 2 off, unmatchable.
    pairs = np.array([2, 3, 1, 0]), np.array([0, 0, 1, 0])
    found = match_quality(a, b, pairs, np.ones(4, bool), spacing=2.0)
    assert found["near_truth"] == pytest.approx(2 / 4)
    assert found["matchable_a"] == found["matchable_b"] == pytest.approx(6 / 8)
    assert found["matchable_accepted_a"] == pytest.approx(3 / 6)
    assert found["unmatchable_accepted_a"] == pytest.approx(1 / 2)
    # Taken of b: columns 2 and 3 of the lower line; its columns 2 to 4 are matchable.
    assert found["matchable_accepted_b"] == pytest.approx(2 / 6)
    assert found["unmatchable_accepted_b"] == 0.0
    assert found["registration_error"] == pytest.approx(0.0, abs=1e-9)


def test_limits_are_met_on_a_lattice():
    """1.5 spots off counts as right, a little more does not, however the coordinates are rounded."""
    points = row(6)
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for off, expected in ((3.0, 1.0), (3.001, 0.0)):
        truth_b = points + np.array([off, 0.0])
        a, b = MatchedSection(points @ turn.T, truth=points), MatchedSection(truth_b @ turn.T, truth=truth_b)
        assert match_quality(a, b, everyone(6), np.ones(6, bool), spacing=2.0)["near_truth"] == expected


def test_registration_error_is_that_of_b_on_a():
    """b is 3 and 4 units off (5 = 2.5 spots), in coordinates that are the true ones rotated, scaled and shifted."""
    rng = np.random.default_rng(0)
    truth_a, truth_b = 1e5 + 100 * rng.random((30, 2)), 1e5 + 100 * rng.random((20, 2))
    angle = 0.7
    turn = 0.2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    a = MatchedSection(truth_a @ turn.T + [7, -3], truth=truth_a)
    b = MatchedSection(truth_b @ turn.T + [7, -3] + [3, 4], truth=truth_b)
    pairs = nearest_pairs(truth_a, truth_b, 1e9)
    found = match_quality(a, b, pairs, np.ones(30, bool), spacing=2.0)
    assert found["registration_error"] == pytest.approx(2.5)
    # The pairs are those of the true positions: b's misplacement does not touch what is judged by the truth.
    apart = cdist(truth_a, truth_b).min(axis=1) * 0.2
    assert found["near_truth"] == pytest.approx((apart <= 3.0).mean())
    assert found["matchable_a"] == pytest.approx((apart <= 2.0).mean())
    assert 0 < found["matchable_a"] < 1


def test_mapping_has_its_own_metrics():
    labels_a, labels_b = np.array(list("xxyyyy")), np.array(list("xyyyyx"))
    a, b = MatchedSection(row(6), labels_a, row(6)), MatchedSection(row(6), labels_b, row(6))
    # Spot 4 goes one column off and keeps its label; spot 5 goes far and loses it.
    mapping = np.array([0, 3, 4, 5]), np.array([0, 3, 3, 0])
    found = match_quality(a, b, everyone(6), np.zeros(6, bool), 2.0, mapping=mapping, threshold=0.25)
    assert found["mapping_threshold"] == 0.25
    assert (found["mapping_matched_a"], found["mapping_matched_b"]) == pytest.approx((4 / 6, 2 / 6))
    assert found["mapping_label_agreement"] == pytest.approx(3 / 4)
    assert found["mapping_near_truth"] == pytest.approx(3 / 4)
    assert found["mapping_residual_median"] == pytest.approx(0.5)
    assert found["accepted_pairs"] == 0 and found["mapping_accepted_pairs"] == 4


def test_coordinates_only_control_is_perfect_when_registered():
    points = row(10)
    control = nearest_pairs(points, points, 3.0)
    found = match_quality(
        MatchedSection(points, truth=points), MatchedSection(points, truth=points), control, np.ones(10, bool), 2.0
    )
    assert found["near_truth"] == found["matchable_accepted_a"] == found["matched_smaller"] == 1.0
    assert found["residual_p95"] == 0.0 and "unmatchable_accepted_a" not in found


def test_degenerate_sections():
    none = np.empty(0, dtype=np.int64)
    line = np.column_stack([np.arange(3.0), np.zeros(3)])
    found = match_quality(
        MatchedSection(line, truth=line), MatchedSection(line, truth=line), everyone(3), np.ones(3, bool), 1.0
    )
    # Spots on one line do not determine the transform to the true coordinates.
    assert "near_truth" not in found and found["residual_median"] == 0.0
    found = match_quality(MatchedSection(row(4)), MatchedSection(line), (none, none), np.empty(0, bool), spacing=0.0)
    assert found["matched_a"] == 0.0 and "residual_median" not in found
    one = MatchedSection(np.zeros((1, 2)))
    assert match_quality(one, one, everyone(1), np.ones(1, bool), spacing=0.0)["matched_smaller"] == 1.0
