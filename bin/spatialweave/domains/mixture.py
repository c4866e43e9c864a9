"""Gaussian mixture with one covariance shared by all domains (mclust's model "EEE").

The likelihood of a mixture has many local maxima, and the initial partition decides which one EM finds. The model is
therefore fitted from several initial partitions, and the fit with the highest likelihood is kept.

EM runs on the whitened embedding (zero mean, unit covariance). The model is invariant to this transformation, after
which the shared covariance is the identity minus the covariance of the means. An iteration costs spots x dimensions x
domains instead of spots x dimensions^2, and the tolerances do not depend on the embedding's scale.

Model and criteria: Fraley and Raftery, J Am Stat Assoc 97:611 (2002); Scrucca et al., R Journal 8:289 (2016).
ICL: Biernacki, Celeux and Govaert, IEEE PAMI 22:719 (2000).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg
from scipy.special import entr, logsumexp

from spatialweave.domains.initial_partitions import initial_partitions
from spatialweave.domains.labels import check_embedding, number_by_size, size_order
from spatialweave.sampling import random_subset
from spatialweave.threads import one_thread

RANK_TOLERANCE = 1e-5
"""Directions with a standard deviation below this fraction of the largest are float32 rounding errors, and left out."""

VARIANCE_FLOOR = 1e-6
"""Variance added to the shared covariance in every direction, as a fraction of the total variance."""

MAX_ITERATIONS = 1000
TOLERANCE = 1e-7
"""EM ends when the mean log-likelihood of a spot increases by less than this (nats)."""

SHORT_RUN = 30
"""EM steps from every initial partition; only the most likely fits are continued (Biernacki et al., Comput Stat Data
Anal 41:561, 2003)."""

FINALISTS = 4
"""Number of fits that are continued."""

N_RANDOM = 20
"""Number of random initial partitions, in addition to Ward's and the k-means partition."""

FEW, FEW_DIMENSIONS, SPOTS_PER_DIMENSION = 4, 20, 3
"""With at most :data:`FEW` spots per dimension only the leading :data:`FEW_DIMENSIONS` directions are kept, or one per
:data:`SPOTS_PER_DIMENSION` spots. In as many dimensions as spots, whitened spots are all equally far apart;
with a few spots per dimension, the likeliest partition is still one of the noise."""

SAMPLE = 100_000
"""With more spots, EM on all spots starts from the best fit of a random subset of this size."""


@dataclass(frozen=True)
class TiedMixture:
    """Fitted mixture.

    Attributes
    ----------
    labels
        int64, one per spot: the most probable domain, 1..K by decreasing size.
    responsibilities
        spots x K: the probability of each domain, columns in the order of the labels. Components without a spot come
        last, so there can be more columns than labels.
    log_likelihood
        Natural log-likelihood of all spots, over the directions that the mixture is fitted in.
    start
        The initial partition: ``ward``, ``kmeans`` or ``random_<i>``; ``constant`` if all rows of the embedding are
        equal, so that nothing is fitted.
    iterations, converged
        EM steps (without those of the short run), and whether the likelihood converged.
    dimensions
        Number of directions that the mixture is fitted in: those in which the embedding varies or, with few spots, the
        leading ones.
    starts
        Name, log-likelihood, iterations, convergence and number of domains of every initial partition.
    """

    labels: np.ndarray
    responsibilities: np.ndarray
    log_likelihood: float
    start: str
    iterations: int
    converged: bool
    dimensions: int
    starts: tuple[dict[str, Any], ...] = ()

    @property
    def n_found(self) -> int:
        """Number of domains with at least one spot."""
        return int(self.labels.max())

    @property
    def n_parameters(self) -> int:
        """Number of free parameters: weights, means, one covariance."""
        k, d = self.responsibilities.shape[1], self.dimensions
        return (k - 1) + k * d + d * (d + 1) // 2

    @property
    def bic(self) -> float:
        """Bayesian information criterion in mclust's sign: higher is better."""
        return 2.0 * self.log_likelihood - self.n_parameters * float(np.log(len(self.labels)))

    @property
    def icl(self) -> float:
        """Integrated completed likelihood: BIC minus twice the entropy of the assignment; higher is better."""
        return self.bic - 2.0 * float(entr(self.responsibilities).sum())


def tied_mixture(embedding: np.ndarray, n_domains: int, seed: int, n_random: int = N_RANDOM) -> TiedMixture:
    """Fit mclust's EEE model by EM from the partitions of Ward, k-means and `n_random` random ones; keep the best fit.

    Parameters
    ----------
    embedding
        Spots x dimensions. Duplicate rows, constant columns and any scale are fine.
    n_domains
        Number of components. A fit in which every component has a spot is preferred over a more likely one with empty
        components. With fewer distinct rows than `n_domains` there are fewer domains.
    seed
        Seed of all initial partitions, and of the subset if there are more than :data:`SAMPLE` spots.

    Raises
    ------
    InputError
        For values that are not finite, or more domains than spots.
    """
    values = check_embedding(embedding, n_domains)
    white, log_scale = whiten(values)
    if white.shape[1] == 0:
        return TiedMixture(np.ones(len(values), dtype=np.int64), np.ones((len(values), 1)), 0.0, "constant", 0, True, 0)
    # The products are too small for more threads.
    with one_thread():
        if len(values) > SAMPLE:
            return _from_sample(values, white, log_scale, n_domains, seed, n_random)
        fits = [
            _fit(white, np.eye(n_domains)[labels], name, log_scale, SHORT_RUN)
            for name, labels in initial_partitions(values, n_domains, seed, n_random)
        ]
        for number in sorted(range(len(fits)), key=lambda number: _rank(fits[number]), reverse=True)[:FINALISTS]:
            fit = fits[number]
            if not fit.converged:
                fits[number] = _fit(white, fit.responsibilities, fit.start, log_scale, MAX_ITERATIONS)
    return replace(max(fits, key=_rank), starts=tuple(_summary(fit) for fit in fits))


def held_out_likelihood(
    embedding: np.ndarray, held_out: np.ndarray, n_domains: int, seed: int, n_random: int = N_RANDOM
) -> float:
    """Return the mean log-likelihood (natural) of held-out spots under the mixture fitted to other spots.

    Parameters
    ----------
    embedding, held_out
        The spots that :func:`tied_mixture` is fitted to, and those whose likelihood is computed (in the directions in
        which both together vary); spots x dimensions.
    n_domains, seed, n_random
        As for :func:`tied_mixture`.
    """
    both, log_scale = whiten(np.concatenate([embedding, held_out]))
    if both.shape[1] == 0:
        return 0.0
    own, other = both[: len(embedding)], both[len(embedding) :]
    with one_thread():
        weights, means, within = _parameters(own, tied_mixture(own, n_domains, seed, n_random).responsibilities)
        factor = linalg.cholesky(within, lower=True)
        scaled_means = linalg.solve_triangular(factor, means.T, lower=True)
        scaled = linalg.solve_triangular(factor, other.T, lower=True)
        products = scaled.T @ scaled_means
        distances = (scaled**2).sum(axis=0)[:, None] - 2 * products + (scaled_means**2).sum(axis=0)
        log_sums = logsumexp(np.log(weights) - 0.5 * distances, axis=1)
    constant = -0.5 * both.shape[1] * np.log(2 * np.pi) - np.log(np.diag(factor)).sum()
    return float(log_sums.mean() + constant + log_scale)


def _parameters(values: np.ndarray, responsibilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights, means and shared covariance of spots that need not be whitened."""
    weights, means, _ = _maximise(values, responsibilities.T)
    within = values.T @ values / len(values) - (means.T * weights) @ means
    return weights, means, within + VARIANCE_FLOOR * np.eye(values.shape[1])


def _from_sample(
    values: np.ndarray, white: np.ndarray, log_scale: float, n_domains: int, seed: int, n_random: int
) -> TiedMixture:
    """Fit all spots by EM, starting from the best fit of a random subset; `starts` are those of the subset."""
    rows = random_subset(len(values), SAMPLE, seed)
    sample = tied_mixture(values[rows], n_domains, seed, n_random)
    # The subset's own covariance: the difference of all spots' and the subset's between-domain covariance might not be
    # positive definite.
    responsibilities, _ = _expect(white, *_parameters(white[rows], sample.responsibilities))
    fit = _fit(white, responsibilities.T, sample.start, log_scale, MAX_ITERATIONS)
    return replace(fit, starts=sample.starts)


def _rank(fit: TiedMixture) -> tuple[int, float]:
    """Rank by the number of domains with a spot, then by the likelihood, rounded so that equal maxima tie."""
    return fit.n_found, round(fit.log_likelihood / len(fit.labels), 6)


def whiten(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return coordinates with zero mean and identity covariance (divisor n), and the log-determinant of the map to
    them.

    Directions of negligible standard deviation (:data:`RANK_TOLERANCE`) are left out, and with few spots all but the
    leading ones (:data:`FEW`).
    """
    centred = values - values.mean(axis=0)
    largest = np.abs(centred).max()
    # Equal rows differ from their rounded mean only by rounding error.
    if largest <= 8 * np.finfo(np.float64).eps * np.abs(values).max():
        return np.empty((len(values), 0)), 0.0
    left, singular, _ = linalg.svd(centred / largest, full_matrices=False, overwrite_a=True)
    kept = singular > RANK_TOLERANCE * singular[0]
    if len(values) <= FEW * kept.sum():
        kept[max(1, min(FEW_DIMENSIONS, len(values) // SPOTS_PER_DIMENSION)) :] = False
    sds = singular[kept] * largest / np.sqrt(len(values))
    return left[:, kept] * np.sqrt(len(values)), -float(np.log(sds).sum())


def _fit(white: np.ndarray, responsibilities: np.ndarray, name: str, log_scale: float, most: int) -> TiedMixture:
    """Run at most `most` steps of EM from the responsibilities; `white` has zero mean and identity covariance."""
    n_spots, n_dimensions = white.shape
    n_domains = responsibilities.shape[1]
    # One row per domain: sums over the domains then add long rows, which takes a fraction of the time of short columns.
    by_domain = np.ascontiguousarray(responsibilities.T)
    previous, converged, iteration = -np.inf, False, 0
    while not converged and iteration < most:
        iteration += 1
        weights, means, covariance = _maximise(white, by_domain)
        by_domain, mean_likelihood = _expect(white, weights, means, covariance)
        converged = abs(mean_likelihood - previous) < TOLERANCE
        previous = mean_likelihood
    hard = by_domain.argmax(axis=0)
    by_size = size_order(hard)
    order = np.concatenate([by_size, np.setdiff1d(np.arange(n_domains), by_size)])
    return TiedMixture(
        labels=number_by_size(hard),
        responsibilities=by_domain[order].T,
        log_likelihood=n_spots * (previous + log_scale),
        start=name,
        iterations=iteration,
        converged=converged,
        dimensions=n_dimensions,
    )


def _maximise(white: np.ndarray, by_domain: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run the M-step: weights (K), means (K x dimensions) and the shared covariance from responsibilities K x spots."""
    # The smallest positive addition keeps the mean of an empty component defined (at the origin).
    totals = by_domain.sum(axis=1) + np.finfo(np.float64).tiny
    weights = totals / totals.sum()
    means = (by_domain @ white) / totals[:, None]
    between = (means.T * weights) @ means
    return weights, means, (1.0 + VARIANCE_FLOOR) * np.eye(white.shape[1]) - between


def _expect(
    white: np.ndarray, weights: np.ndarray, means: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, float]:
    """Run the E-step: responsibilities (K x spots), and the mean log-likelihood of a spot in these coordinates."""
    n_dimensions = white.shape[1]
    factor = linalg.cho_factor(covariance, lower=True)
    directions = linalg.cho_solve(factor, means.T)
    offsets = np.log(weights) - 0.5 * (means.T * directions).sum(axis=0)
    scores = directions.T @ white.T
    scores += offsets[:, None]
    largest = scores.max(axis=0)
    scores -= largest
    by_domain = np.exp(scores, out=scores)
    totals = by_domain.sum(axis=0)
    by_domain /= totals
    # The mean of x' inv(C) x over spots is the trace of inv(C), because the coordinates have identity covariance.
    quadratic = np.trace(linalg.cho_solve(factor, np.eye(n_dimensions)))
    log_determinant = 2.0 * np.log(np.diag(factor[0])).sum()
    constant = -0.5 * (quadratic + log_determinant + n_dimensions * np.log(2.0 * np.pi))
    return by_domain, float((largest + np.log(totals)).mean() + constant)


def _summary(fit: TiedMixture) -> dict[str, Any]:
    return {
        "start": fit.start,
        "log_likelihood": fit.log_likelihood,
        "iterations": fit.iterations,
        "converged": fit.converged,
        "n_domains": fit.n_found,
    }
