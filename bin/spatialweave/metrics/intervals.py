"""95% intervals of a method's mean score over its seeds, and of the difference between two methods.

Two things vary: the seeds of a training, and the spots that a tissue happens to have. Let x_s be the score of seed s, S
the number of seeds, and let the resamples of the spots (:mod:`~spatialweave.metrics.resampling`) be the same for all
runs.

    SE^2 = C + s^2 / S, at least the variance of the mean over seeds in the resamples,

C is the mean covariance of two seeds' scores in the resamples, i.e. the part due to the spots, which does not depend on
the seed. s^2 is the variance of x_s, which contains the contribution of the seed. An interval is the mean plus or minus
SE times a quantile of t, with the degrees of freedom of Satterthwaite (Biometrics Bull 2:110, 1946): blocks - 1 for C,
S - 1 for the seeds. It is centred at the score, not at the mean of the resamples, which is higher because blocks drawn
twice agree with themselves. Without resamples (metrics that need no labels) only the seeds count, and one seed gives no
interval. With one seed and resamples, only the spots count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

SPOTS_AND_SEEDS, SPOTS, SEEDS, NOTHING = "spots and seeds", "spots", "seeds", "none"
"""What an interval covers."""

LEVEL = 0.95

ROUNDING = 1e-12
"""Means that differ by less than this fraction are equal."""


@dataclass(frozen=True)
class Runs:
    """Scores of one method by one metric.

    Attributes
    ----------
    values
        One per seed, float64.
    resamples
        Seeds x resamples; the resamples are the same for all methods. None if nothing was resampled.
    """

    values: np.ndarray
    resamples: np.ndarray | None = None

    @property
    def basis(self) -> str:
        """What an interval of these scores covers."""
        return _basis([self])


@dataclass(frozen=True)
class Estimate:
    """Mean or difference with its interval (NaN without one) and what the interval covers."""

    value: float
    low: float
    high: float
    basis: str

    @property
    def distinguishable(self) -> bool:
        """Whether the interval excludes 0."""
        return bool(self.low > 0 or self.high < 0)


@dataclass
class _Variance:
    """Independent parts of a variance with their degrees of freedom, and a lower bound of the total."""

    parts: list[tuple[float, int]] = field(default_factory=list)
    least: float = 0.0

    def half_width(self, level: float, blocks: int) -> float:
        from scipy.stats import t

        total = sum(part for part, _ in self.parts)
        if total < self.least:
            total, freedom = self.least, float(blocks - 1)
        elif total == 0:
            return 0.0
        else:
            freedom = total**2 / sum(part**2 / own for part, own in self.parts if part > 0)
        return float(t.ppf(0.5 + level / 2, freedom) * np.sqrt(total))


def mean_interval(runs: Runs, blocks: int, highest: float = np.inf, level: float = LEVEL) -> Estimate:
    """Return the mean over seeds with its interval.

    Parameters
    ----------
    blocks
        Number of blocks that were resampled.
    highest
        Largest value that the metric can have; the interval ends there.
    """
    value = float(runs.values.mean())
    if runs.basis == NOTHING:
        return Estimate(value, np.nan, np.nan, NOTHING)
    half = _variance([runs], [1.0], blocks).half_width(level, blocks)
    return Estimate(value, value - half, min(value + half, highest), runs.basis)


def difference(one: Runs, other: Runs, blocks: int, level: float = LEVEL) -> Estimate:
    """Return the difference of two methods' means with its interval, from the same resamples of the spots.

    Effects of the spots that both methods share cancel. The interval covers what those of both methods cover: with one
    seed of either method, it does not cover the seeds. If that is nothing, there is none.
    """
    value = float(one.values.mean() - other.values.mean())
    if abs(value) <= ROUNDING * abs(float(one.values.mean())):
        value = 0.0
    basis = _basis([one, other])
    if basis == NOTHING:
        return Estimate(value, np.nan, np.nan, NOTHING)
    half = _variance([one, other], [1.0, -1.0], blocks).half_width(level, blocks)
    return Estimate(value, value - half, value + half, basis)


def family_level(n_comparisons: int) -> float:
    """Return the level of one of several comparisons such that all hold simultaneously at 95% (Bonferroni)."""
    return 1 - (1 - LEVEL) / max(1, n_comparisons)


def _basis(methods: Sequence[Runs]) -> str:
    """Return what is known of every one of the methods."""
    several = all(len(runs.values) > 1 for runs in methods)
    if any(runs.resamples is None for runs in methods):
        return SEEDS if several else NOTHING
    return SPOTS_AND_SEEDS if several else SPOTS


def _variance(methods: Sequence[Runs], signs: Sequence[float], blocks: int) -> _Variance:
    """Return the variance of the sum of the methods' means, each with its sign."""
    variance = _Variance()
    for runs in methods:
        n_seeds = len(runs.values)
        if n_seeds > 1:
            variance.parts.append((float(runs.values.var(ddof=1)) / n_seeds, n_seeds - 1))
    resampled = [runs.resamples for runs in methods if runs.resamples is not None]
    if len(resampled) == len(methods) and blocks > 1:
        # n blocks drawn n times have (n - 1) / n of the variance of n blocks.
        scale = blocks / (blocks - 1)
        means = sum(sign * one.mean(axis=0) for sign, one in zip(signs, resampled, strict=True))
        variance.least = scale * float(np.var(means, ddof=1))
        alone = sum(_of_seeds(one) for one in resampled)
        variance.parts.append((max(variance.least - scale * alone, 0.0), blocks - 1))
    return variance


def _of_seeds(resamples: np.ndarray) -> float:
    """Return the variance of the mean over seeds in excess of the covariance of two seeds (seeds x resamples)."""
    n_seeds = len(resamples)
    if n_seeds < 2:
        return 0.0
    of_mean = float(np.var(resamples.mean(axis=0), ddof=1))
    of_one = float(np.var(resamples, axis=1, ddof=1).mean())
    return (of_one - of_mean) / (n_seeds - 1)
