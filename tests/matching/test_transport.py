"""The sparse transport against dense Sinkhorn (POT), closed forms and invariants."""

from __future__ import annotations

import numpy as np
import ot
import pytest

from spatialweave.errors import InputError
from spatialweave.matching import transport
from spatialweave.matching.transport import sinkhorn

NEVER = -1e6
"""Score of a forbidden pair in the dense computation: its kernel is 0."""


def problem(rng, n_a=12, n_b=9, fraction=0.4):
    """Scores 0..10 on some pairs; the first spots of both sections have no candidate."""
    candidate = rng.random((n_a, n_b)) < fraction
    candidate[:2], candidate[:, :1] = False, False
    a, b = np.nonzero(candidate)
    return a, b, 10.0 * rng.random(len(a))


def dense_plan(a, b, scores, n_a, n_b, dustbin, epsilon, corner, outside):
    matrix = np.full((n_a + 1, n_b + 1), NEVER if outside == "forbidden" else 0.0)
    matrix[a, b] = scores
    matrix[-1, :], matrix[:, -1], matrix[-1, -1] = dustbin, dustbin, corner
    rows, columns = np.append(np.ones(n_a), n_b), np.append(np.ones(n_b), n_a)
    return ot.sinkhorn(rows, columns, -matrix, epsilon, method="sinkhorn_log", numItermax=20_000, stopThr=1e-11)


@pytest.mark.parametrize("outside", ["forbidden", "constant"])
@pytest.mark.parametrize(("dustbin", "epsilon"), [(1.0, 1.0), (6.0, 1.0), (4.0, 0.6), (-2.0, 0.8)])
@pytest.mark.parametrize("corner", [None, 5.0])
def test_equals_the_dense_computation(rng, outside, dustbin, epsilon, corner):
    a, b, scores = problem(rng)
    plan = sinkhorn(
        a, b, scores, 12, 9, dustbin, epsilon, corner=corner, outside=outside, tolerance=1e-12, max_sweeps=50_000
    )
    dense = dense_plan(a, b, scores, 12, 9, dustbin, epsilon, dustbin if corner is None else corner, outside)
    np.testing.assert_allclose(plan.mass, dense[a, b], atol=1e-6)
    np.testing.assert_allclose(plan.dustbin_a, dense[:-1, -1], atol=1e-6)
    np.testing.assert_allclose(plan.dustbin_b, dense[-1, :-1], atol=1e-6)


def test_without_candidates_all_mass_goes_to_the_dustbin():
    none = np.empty(0, dtype=np.int64)
    # The corner's mass shrinks to 0 here, which takes its time.
    plan = sinkhorn(none, none, np.empty(0), 4, 3, 1.0, tolerance=1e-6, max_sweeps=5000)
    np.testing.assert_allclose(plan.dustbin_a, 1.0, atol=1e-3)
    np.testing.assert_allclose(plan.dustbin_b, 1.0, atol=1e-3)
    constant = sinkhorn(none, none, np.empty(0), 4, 3, 1.0, outside="constant", tolerance=1e-12)
    np.testing.assert_allclose(constant.dustbin_a, dense_plan(none, none, [], 4, 3, 1.0, 1.0, 1.0, "constant")[:-1, -1])


@pytest.mark.parametrize("n", [1, 25, 400])
def test_one_partner_each_in_closed_form(n):
    # x e^s + sqrt(x w) e^z = 1 and w e^c = n x e^s for the pairs' x and the corner's w, from the marginals.
    spots, score, dustbin = np.arange(n), 5.0, 4.0
    published = sinkhorn(spots, spots, np.full(n, score), n, n, dustbin, tolerance=1e-12, max_sweeps=5000)
    np.testing.assert_allclose(published.mass, 1 / (1 + np.sqrt(n) * np.exp((dustbin - score) / 2)), rtol=1e-6)
    corner = dustbin + np.log(n)
    size_free = sinkhorn(spots, spots, np.full(n, score), n, n, dustbin, corner=corner, tolerance=1e-12)
    np.testing.assert_allclose(size_free.mass, 1 / (1 + np.exp((dustbin - score) / 2)), rtol=1e-6)


def test_marginals_are_kept(rng):
    a, b, scores = problem(rng, 60, 80)
    plan = sinkhorn(a, b, scores, 60, 80, 5.0, tolerance=1e-10, max_sweeps=10_000)
    np.testing.assert_allclose(np.bincount(a, plan.mass, 60) + plan.dustbin_a, 1.0, atol=1e-6)
    np.testing.assert_allclose(np.bincount(b, plan.mass, 80) + plan.dustbin_b, 1.0, atol=1e-6)


@pytest.mark.parametrize("sweeps", [1, 4, 100])
def test_swapping_the_sections_swaps_the_plan_however_early_it_stops(rng, sweeps):
    a, b, scores = problem(rng, 40, 30)
    plan = sinkhorn(a, b, scores, 40, 30, 5.0, 0.2, max_sweeps=sweeps)
    order = np.lexsort((a, b))
    swapped = sinkhorn(b[order], a[order], scores[order], 30, 40, 5.0, 0.2, max_sweeps=sweeps)
    np.testing.assert_allclose(swapped.mass, plan.mass[order], rtol=1e-9)
    np.testing.assert_allclose(swapped.dustbin_a, plan.dustbin_b, rtol=1e-9)
    assert swapped.sweeps == plan.sweeps <= sweeps


def test_the_error_is_what_the_stopping_rule_requires(rng):
    a, b, scores = problem(rng, 40, 30)
    loose = sinkhorn(a, b, scores, 40, 30, 5.0, tolerance=1e-2)
    tight = sinkhorn(a, b, scores, 40, 30, 5.0, tolerance=1e-8, max_sweeps=5000)
    assert 1e-8 < loose.error <= 1e-2
    assert tight.error <= 1e-8
    assert loose.sweeps < tight.sweeps < 5000
    assert np.abs(loose.mass - tight.mass).max() < 0.1


@pytest.mark.parametrize(("score", "epsilon"), [(10.0, 0.02), (-10.0, 0.02), (300.0, 1.0)])
def test_small_epsilons_stay_in_range(score, epsilon):
    # exp(score / epsilon) is up to exp(500), and the answer still that of the closed form.
    spots, dustbin = np.arange(25), score - epsilon
    corner = dustbin + epsilon * np.log(25)
    scores = np.full(25, score)
    plan = sinkhorn(spots, spots, scores, 25, 25, dustbin, epsilon, corner=corner, tolerance=1e-12, max_sweeps=5000)
    np.testing.assert_allclose(plan.mass, 1 / (1 + np.exp(-0.5)), rtol=1e-6)


def test_large_scalings_move_into_the_potentials(rng, monkeypatch):
    a, b, scores = problem(rng)
    plain = sinkhorn(a, b, scores, 12, 9, 4.0, 0.3)
    monkeypatch.setattr(transport, "ABSORB_BEYOND", 1.5)
    absorbed = sinkhorn(a, b, scores, 12, 9, 4.0, 0.3)
    np.testing.assert_allclose(absorbed.mass, plain.mass, rtol=1e-8)
    assert absorbed.error == pytest.approx(plain.error, rel=1e-6)


def test_epsilons_that_cannot_be_used_are_refused(rng):
    a, b, scores = problem(rng)
    for epsilon in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="epsilon"):
            sinkhorn(a, b, scores, 12, 9, 4.0, epsilon)
    with pytest.raises(InputError, match="too small for these scores"):
        sinkhorn(a, b, 1000.0 * scores, 12, 9, 0.0, 0.001)
