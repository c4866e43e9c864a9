"""Which runs see a domain, by hand on ten and twelve spots."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.results.sightings import seen_by_runs

CODES = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])

# The same domains under other numbers, but for the fourth spot, which is in the second.
SHIFTED = np.array([2, 2, 2, 0, 0, 0, 0, 1, 1, 1])
# The second and the third as one.
MERGED = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])


def test_matches_by_hand() -> None:
    seen = seen_by_runs(CODES, {("a", 1): SHIFTED, ("b", 1): MERGED})
    (a, b), (_, b2), (_, b3) = seen.sightings
    assert (a.method, a.domain, a.seen) == ("a", 3, True)
    assert a.jaccard == pytest.approx(3 / 4) and a.inside == pytest.approx(3 / 4)
    assert (b.domain, b.jaccard, b.inside, b.together_with) == (1, 1.0, 1.0, ())
    # Of two equal ones, one is matched with the merged domain and the other is left over.
    assert sorted((b2.jaccard, b3.jaccard)) == [0.0, pytest.approx(3 / 6)]
    assert {b2.domain, b3.domain} == {None, 2}
    assert (b2.inside, b3.inside) == (1.0, 1.0)
    assert (b2.together_with, b3.together_with) == ((3,), (2,))


def test_agreement_and_rival_by_hand() -> None:
    seen = seen_by_runs(CODES, {("a", 1): SHIFTED, ("a", 2): CODES})
    assert seen.agreement is not None
    assert seen.agreement.tolist() == [1, 1, 1, 0.5, 1, 1, 1, 1, 1, 1]
    # A quarter of the first domain is in the second, by one run of two.
    np.testing.assert_allclose(seen.placed, [[7 / 8, 1 / 8, 0], [0, 1, 0], [0, 0, 1]])
    sure = seen.certainty(CODES, seen.agreement, 0)
    assert sure.counts == (0, 0, 0, 0, 0, 1, 0, 0, 0, 3)
    assert sure.mean == pytest.approx(7 / 8) and sure.doubtful == 0
    assert (sure.rival, sure.rival_fraction) == (2, pytest.approx(1 / 8))
    alone = seen.certainty(CODES, np.array([0.2] * 7 + [0.4, 0.6, 1.0]), 2)
    assert (alone.rival, alone.doubtful) == (None, pytest.approx(1 / 3))


def test_without_other_runs_there_is_nothing_to_compare() -> None:
    seen = seen_by_runs(CODES, {})
    assert seen.agreement is None and seen.sightings == [[], [], []]


def test_numbers_of_domains_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    codes, other = rng.integers(0, 5, 400), rng.integers(0, 4, 400)
    mixed = rng.permutation(4)[other]
    first, second = seen_by_runs(codes, {("a", 1): other}), seen_by_runs(codes, {("a", 1): mixed})
    assert [one[0].jaccard for one in first.sightings] == pytest.approx([one[0].jaccard for one in second.sightings])
    np.testing.assert_allclose(first.placed, second.placed)
    # No more than four of five have a match.
    assert sum(one[0].domain is None for one in first.sightings) == 1
