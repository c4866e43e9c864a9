"""The tied mixture against scikit-learn, a hand-made maximum and the model's invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from spatialweave.domains import initial_partitions, mixture
from spatialweave.domains.mixture import held_out_likelihood, tied_mixture, whiten
from spatialweave.errors import InputError


@pytest.mark.parametrize(("n", "d", "k", "distance"), [(600, 3, 3, 1.5), (800, 6, 4, 1.0), (500, 2, 2, 0.8)])
def test_equals_scikit_learn(clouds, n, d, k, distance):
    values, _ = clouds(n, d, k, distance)
    found = tied_mixture(values, k, seed=0)
    truth = GaussianMixture(k, covariance_type="tied", n_init=10, tol=1e-7, max_iter=2000, random_state=0).fit(values)
    assert found.log_likelihood / n >= truth.score(values) - 2e-4
    assert adjusted_rand_score(truth.predict(values), found.labels) > 0.98
    assert found.bic == pytest.approx(-truth.bic(values), rel=1e-3)


def test_one_step_from_given_labels_follows_the_textbook(clouds):
    """With clouds far apart EM stays at the hard partition: its parameters can be written down."""
    values, cloud = clouds(300, 2, 2, 40.0)
    found = tied_mixture(values, 2, seed=1)
    centred = values - np.stack([values[cloud == c].mean(axis=0) for c in (0, 1)])[cloud]
    covariance = centred.T @ centred / len(values)
    expected = sum(
        stats.multivariate_normal(values[cloud == c].mean(axis=0), covariance).logpdf(values[cloud == c]).sum()
        + (cloud == c).sum() * np.log((cloud == c).mean())
        for c in (0, 1)
    )
    assert found.log_likelihood == pytest.approx(expected, abs=0.05)
    assert found.icl == pytest.approx(found.bic, abs=1e-6)
    assert found.n_parameters == 1 + 4 + 3


def test_ward_start_finds_what_k_means_does_not():
    """Two long parallel stripes: k-means cuts across them, the mixture with one covariance separates them."""
    rng = np.random.default_rng(0)
    stripe = np.repeat([0, 1], 300)
    values = np.column_stack([rng.normal(scale=30.0, size=600), stripe * 8.0 + rng.normal(size=600)])
    assert adjusted_rand_score(stripe, initial_partitions.kmeans_partition(values, 2, 0)) < 0.1
    assert adjusted_rand_score(stripe, tied_mixture(values, 2, seed=0).labels) == 1.0


def test_the_most_likely_start_wins_and_all_are_reported(clouds):
    found = tied_mixture(clouds(400, 5, 6, 0.8)[0], 6, seed=3, n_random=4)
    assert [fit["start"] for fit in found.starts] == ["ward", "kmeans", "random_1", "random_2", "random_3", "random_4"]
    full = [fit["log_likelihood"] for fit in found.starts if fit["n_domains"] == 6]
    assert found.log_likelihood == pytest.approx(max(full), abs=1e-3)


def test_neighbouring_seeds_share_no_random_partition():
    values = np.random.default_rng(0).normal(size=(200, 4))
    drawn = [dict(initial_partitions.initial_partitions(values, 6, seed, 20)) for seed in range(3)]
    found = [tuple(own[f"random_{i}"]) for own in drawn for i in range(1, 21)]
    assert len(set(found)) == 60


@pytest.mark.parametrize(("n", "d"), [(65, 64), (100, 64), (60, 40)])
def test_few_spots_in_many_dimensions_are_divided_rightly(n, d):
    """In as many dimensions as spots whitened spots are equally far apart: sizes alone would decide."""
    truth = np.arange(n) % 3
    values = 8.0 * np.eye(3, d)[truth] + np.random.default_rng(1).normal(size=(n, d))
    found = tied_mixture(values, 3, seed=0)
    assert adjusted_rand_score(truth, found.labels) == 1.0
    assert found.dimensions <= 20


def test_short_runs_lose_no_maximum(clouds, monkeypatch):
    """Only the most likely starts go on; letting all of them go on finds nothing better."""
    values = clouds(600, 8, 6, 0.5)[0]
    found = [tied_mixture(values, 6, seed=seed) for seed in range(3)]
    assert not all(fit["converged"] for fit in found[0].starts)
    monkeypatch.setattr(mixture, "SHORT_RUN", mixture.MAX_ITERATIONS)
    for seed, fit in enumerate(found):
        full = tied_mixture(values, 6, seed=seed)
        assert all(one["converged"] for one in full.starts)
        assert fit.log_likelihood == pytest.approx(full.log_likelihood, abs=1e-2)


@pytest.mark.parametrize("distance", [2.0, 60.0])
def test_em_from_a_subset_finds_the_fit_to_all_spots(clouds, monkeypatch, distance):
    values, _ = clouds(1500, 4, 5, distance)
    whole = tied_mixture(values, 5, seed=0)
    monkeypatch.setattr(mixture, "SAMPLE", 500)
    found = tied_mixture(values, 5, seed=0)
    assert found.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-3 * len(values))
    assert adjusted_rand_score(found.labels, whole.labels) > 0.999
    assert found.converged
    np.testing.assert_array_equal(found.labels, tied_mixture(values, 5, seed=0).labels)


def test_labels_by_size_and_responsibilities_in_their_order(clouds):
    found = tied_mixture(clouds(400, 4, 5, 2.0)[0], 5, seed=0)
    sizes = np.bincount(found.labels)[1:]
    assert (np.diff(sizes) <= 0).all()
    np.testing.assert_array_equal(found.responsibilities.argmax(axis=1) + 1, found.labels)
    np.testing.assert_allclose(found.responsibilities.sum(axis=1), 1.0)


@settings(max_examples=15, deadline=None)
@given(exponent=st.integers(-30, 30), shift=st.floats(-10, 10), turn=st.integers(0, 100))
def test_scale_shift_and_rotation_change_no_label(exponent, shift, turn):
    rng = np.random.default_rng(turn)
    cloud = np.arange(120) % 3
    values = (np.eye(3) * 9)[cloud] + rng.normal(size=(120, 3))
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved = (values @ rotation + shift) * 10.0**exponent
    np.testing.assert_array_equal(tied_mixture(values, 3, 0, 1).labels, tied_mixture(moved, 3, 0, 1).labels)


def test_same_seed_same_result(clouds):
    values, _ = clouds(300, 6, 5, 0.5)
    first, second = tied_mixture(values, 5, 7), tied_mixture(values, 5, 7)
    np.testing.assert_array_equal(first.responsibilities, second.responsibilities)


@pytest.mark.parametrize(
    ("values", "n_domains", "expected"),
    [
        (np.ones((9, 3)), 3, [9]),
        (np.full((9, 3), 0.1), 1, [9]),
        (np.repeat(np.eye(3), [4, 3, 2], axis=0), 3, [4, 3, 2]),
        (np.repeat(np.eye(3), [4, 3, 2], axis=0), 5, [4, 3, 2]),
        (np.zeros((1, 2)), 1, [1]),
        (np.column_stack([np.repeat([0.0, 5.0], [6, 5])] * 3), 2, [6, 5]),
        (1e6 + np.repeat([[0.0], [1e-3]], [6, 5], axis=0), 2, [6, 5]),
    ],
    ids=["equal", "equal-inexact", "duplicates", "fewer-distinct", "one-spot", "rank-one", "offset"],
)
def test_degenerate_embeddings(values, n_domains, expected):
    found = tied_mixture(values, n_domains, seed=0)
    assert np.bincount(found.labels)[1:].tolist() == expected
    assert np.isfinite(found.log_likelihood)


def test_whitening(clouds):
    values, _ = clouds(200, 4, 3, 2.0)
    doubled = np.hstack([values, values[:, :1] * 3, np.ones((200, 1))])
    white, log_scale = whiten(doubled)
    assert white.shape == (200, 4)
    np.testing.assert_allclose(white.T @ white / 200, np.eye(4), atol=1e-10)
    _, expected = np.linalg.slogdet(np.cov(values.T, bias=True))
    assert whiten(values)[1] == pytest.approx(-0.5 * expected)
    assert np.isfinite(log_scale)


def test_ward_on_a_subset_above_the_limit(clouds, monkeypatch):
    values, cloud = clouds(900, 5, 4, 6.0)
    monkeypatch.setattr(initial_partitions, "WARD_LIMIT", 200)
    assert adjusted_rand_score(cloud, initial_partitions.ward_partition(values, 4, seed=0)) > 0.99


def test_nearest_centre_equals_all_distances():
    """Centres at different distances from the origin."""
    rng = np.random.default_rng(0)
    values, centres = rng.normal(size=(200, 3)), rng.normal(size=(6, 3)) * np.arange(1.0, 7.0)[:, None]
    expected = cdist(values, centres).argmin(axis=1)
    np.testing.assert_array_equal(initial_partitions.nearest_centre(values, centres), expected)
    assert initial_partitions.nearest_centre(np.zeros((1, 1)), np.array([[1.0], [-1.0]])).tolist() == [0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(wrong):
    values = np.ones((5, 2))
    values[3, 1] = wrong
    with pytest.raises(InputError, match="row 4, column 2"):
        tied_mixture(values, 2, seed=0)


@pytest.mark.parametrize(("shape", "n_domains"), [((3, 2), 4), ((3, 2), 0), ((0, 2), 1), ((3, 0), 1), ((3,), 1)])
def test_shapes_that_cannot_be_clustered(shape, n_domains):
    with pytest.raises(InputError):
        tied_mixture(np.zeros(shape), n_domains, seed=0)


def test_held_out_likelihood_is_that_of_scikit_learn(clouds):
    """The same mixture given to scikit-learn scores spots that it was not fitted to alike, in any units."""
    values = clouds(400, 3, 3, 4.0)[0]
    own, other = values[:250], values[250:]
    fit = tied_mixture(own, 3, 0)
    model = GaussianMixture(3, covariance_type="tied", reg_covar=0)
    share = fit.responsibilities
    model.weights_ = share.mean(axis=0)
    model.means_ = share.T @ own / share.sum(axis=0)[:, None]
    spread = own.T @ own / len(own) - (model.means_.T * model.weights_) @ model.means_
    model.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(spread))
    expected = model.score(other)
    assert held_out_likelihood(own, other, 3, 0) == pytest.approx(expected, abs=1e-3)
    # A density is per unit: ten times the units, a tenth of the density in each of three directions.
    assert held_out_likelihood(10 * own + 7, 10 * other + 7, 3, 0) == pytest.approx(expected - 3 * np.log(10), abs=1e-3)
    assert held_out_likelihood(np.ones((9, 2)), np.ones((4, 2)), 2, 0) == 0.0
