"""Exact transport against an assignment by scipy, against Sinkhorn with a small epsilon, and through the matching."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from spatialweave.errors import InputError
from spatialweave.matching.exact_transport import exact_transport
from spatialweave.matching.match import match
from spatialweave.matching.settings import MatchSettings
from spatialweave.matching.transport import sinkhorn


def problem(rng, n_a=30, n_b=22, fraction=0.3):
    """Scores -5..5 on some pairs."""
    a, b = np.nonzero(rng.random((n_a, n_b)) < fraction)
    return a, b, rng.uniform(-5, 5, len(a)), n_a, n_b


@pytest.mark.parametrize("dustbin", [-6.0, -1.0, 2.0, 4.9])
@pytest.mark.parametrize("outside", ["forbidden", "constant"])
def test_the_pairs_are_those_of_the_best_assignment(rng, dustbin, outside):
    a, b, scores, n_a, n_b = problem(rng)
    plan = exact_transport(a, b, scores, n_a, n_b, dustbin, outside=outside)
    # With the corner's score that of the dustbin, a pair gains its score less that of the dustbin.
    gain = np.full((n_a, n_b), -np.inf if outside == "forbidden" else 0.0 - dustbin)
    gain[a, b] = scores - dustbin
    gain = np.maximum(gain, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    best = {(i, j) for i, j in zip(rows, columns, strict=True) if gain[i, j] > 0}
    candidates = set(zip(a.tolist(), b.tolist(), strict=True))
    assert {(i, j) for i, j, mass in zip(a, b, plan.mass, strict=True) if mass > 0.5} == best & candidates
    np.testing.assert_allclose(np.sort(np.unique(plan.mass.round(9))), [0.0, 1.0])


def test_is_the_limit_of_small_epsilons(rng):
    a, b, scores, n_a, n_b = problem(rng, 12, 9)
    exact = exact_transport(a, b, scores, n_a, n_b, -1.0)
    nearly = sinkhorn(a, b, scores, n_a, n_b, -1.0, epsilon=0.01, tolerance=1e-6, max_sweeps=20_000)
    for values in ("mass", "dustbin_a", "dustbin_b"):
        np.testing.assert_allclose(getattr(exact, values), getattr(nearly, values), atol=0.02)


def test_every_spots_mass_is_one(rng):
    a, b, scores, n_a, n_b = problem(rng)
    plan = exact_transport(a, b, scores, n_a, n_b, 1.0)
    np.testing.assert_allclose(np.bincount(a, plan.mass, n_a) + plan.dustbin_a, 1.0)
    np.testing.assert_allclose(np.bincount(b, plan.mass, n_b) + plan.dustbin_b, 1.0)


@pytest.mark.parametrize("case", [{}, {"lattice": "slide"}])
def test_sections_are_matched_exactly(aligned_pair, quality, case):
    pair = aligned_pair("blocks", **case)
    matches = match(pair.embedding_a, pair.embedding_b, pair.points_a, pair.points_b, MatchSettings(epsilon=0.0))
    judged = quality(pair, matches.a[matches.accepted], matches.b[matches.accepted])
    assert judged.right >= 0.95
    assert judged.found >= 0.80
    assert judged.wrongly_accepted <= 0.05


def test_too_many_spots_are_refused():
    none = np.empty(0, dtype=np.int64)
    with pytest.raises(InputError, match=r"epsilon: 0 for 2001 x 2000 spots"):
        exact_transport(none, none, np.empty(0), 2001, 2000, 1.0)
