"""Matching of classes: by hand, and against the best of all assignments."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from spatialweave.domains.matching import jaccard, match_classes, overlap_table


def test_overlap_table_counts_pairs() -> None:
    reference, codes = np.array([0, 0, 1, 1, 1, -1, 0]), np.array([1, 1, 0, 1, 0, 0, -1])
    assert overlap_table(reference, 2, codes, 3).tolist() == [[0, 2, 0], [2, 1, 0]]


def test_jaccard_by_hand() -> None:
    # 3 + 1 + 2 spots are in either of the first two classes; the last class of each partition has no spot.
    overlap = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    assert jaccard(overlap).tolist() == [[3 / 6, 1 / 8, 0], [2 / 9, 4 / 7, 0], [0, 0, 0]]


def test_assignment_by_hand() -> None:
    # The second class overlaps the first reference class most, but the first class has nowhere else to go.
    assert match_classes(np.array([[5, 6], [0, 3]])).tolist() == [0, 1]
    # Three classes for two reference classes: one is left over.
    assert match_classes(np.array([[9, 1, 2], [1, 1, 7]])).tolist() == [0, -1, 1]
    # An assignment without a common spot is none.
    assert match_classes(np.array([[4, 0], [0, 0]])).tolist() == [0, -1]


@pytest.mark.parametrize("seed", range(5))
def test_no_other_assignment_puts_more_spots_together(seed: int) -> None:
    overlap = np.random.default_rng(seed).integers(0, 20, (4, 4))
    found = match_classes(overlap)
    together = sum(overlap[row, column] for column, row in enumerate(found) if row >= 0)
    assert together == max(sum(overlap[row, column] for column, row in enumerate(p)) for p in permutations(range(4)))
