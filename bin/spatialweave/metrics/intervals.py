"""95% intervals of a method's mean score over its seeds, and of the difference between two methods.

Two things vary: the seeds of a training, and the spots that a tissue happens to have. With x_s the score of seed s, S
seeds, and resamples of the spots (:mod:`~spatialweave.metrics.resampling`) that are the same for all runs,

    SE^2 = C + s^2 / S, at least the variance of the mean over seeds in the resamples,

C being the mean covariance of two seeds' scores in the resamples, i.e. the part that the spots contribute whatever the
seed, and s^2 the variance of x_s, which holds what a seed contributes by itself. An interval is the mean and SE times a
quantile of t, with the degrees of freedom of Satterthwaite (Biometrics Bull 2:110, 1946): blocks - 1 for C, S - 1 for
the seeds. It is centred at the score, not at the mean of the resamples, which is higher since blocks drawn twice agree
with themselves. Without resamples (metrics that need no labels) the seeds alone count, and one seed gives no interval;
with one seed and resamples, the spots alone count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

SPOTS_AND_SEEDS, SPOTS, SEEDS, NOTHING = "spots and seeds", "spots", "seeds", "none"
"""What an interval is over."""

LEVEL = 0.95

ROUNDING = 1e-12
"""Means that differ by less than this fraction are equal."""


@dataclass(frozen=True)
class Runs:
    """The scores of one method by one metric.

    Attributes
    ----------
    values
        One per seed, float64.
    resamples
        Seeds x resamples; the resamples are those of every other method, too. None where nothing was resampled.
    """

    values: np.ndarray
    resamples: np.ndarray | None = None

    @property
    def basis(self) -> str:
        """What an interval of these is over."""
        several = len(self.values) > 1
        if self.resamples is None:
            return SEEDS if several else NOTHING
        return SPOTS_AND_SEEDS if several else SPOTS


@dataclass(frozen=True)
class Estimate:
    """A mean or a difference, its interval (NaN without one) and what that is over."""

    value: float
    low: float
    high: float
    basis: str

    @property
    def distinguishable(self) -> bool:
        """Whether the interval leaves out 0."""
        return bool(self.low > 0 or self.high < 0)


@dataclass
class _Variance:
    """Independent parts of a variance with their degrees of freedom, and the least that it is."""

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
    """The mean over seeds with its interval.

    Parameters
    ----------
    blocks
        Number of blocks that were resampled.
    highest
        The largest value that the metric can have; the interval ends there.
    """
    value = float(runs.values.mean())
    if runs.basis == NOTHING:
        return Estimate(value, np.nan, np.nan, NOTHING)
    half = _variance([runs], [1.0], blocks).half_width(level, blocks)
    return Estimate(value, value - half, min(value + half, highest), runs.basis)


def difference(one: Runs, other: Runs, blocks: int, level: float = LEVEL) -> Estimate:
    """The difference of two methods' means with its interval, by the same resamples of the spots.

    What both methods owe to the same spots cancels. Where one has no interval of its own, the difference has none.
    """
    value = float(one.values.mean() - other.values.mean())
    if abs(value) <= ROUNDING * abs(float(one.values.mean())):
        value = 0.0
    bases = {one.basis, other.basis}
    if NOTHING in bases:
        return Estimate(value, np.nan, np.nan, NOTHING)
    half = _variance([one, other], [1.0, -1.0], blocks).half_width(level, blocks)
    return Estimate(value, value - half, value + half, bases.pop() if len(bases) == 1 else SPOTS_AND_SEEDS)


def family_level(n_methods: int) -> float:
    """The level of one comparison so that all of a method with the others hold together at 95% (Bonferroni)."""
    return 1 - (1 - LEVEL) / max(1, n_methods - 1)


def _variance(methods: Sequence[Runs], signs: Sequence[float], blocks: int) -> _Variance:
    """The variance of the sum of the methods' means, each with its sign."""
    found = _Variance()
    for runs in methods:
        n_seeds = len(runs.values)
        if n_seeds > 1:
            found.parts.append((float(runs.values.var(ddof=1)) / n_seeds, n_seeds - 1))
    resampled = [runs.resamples for runs in methods if runs.resamples is not None]
    if len(resampled) == len(methods) and blocks > 1:
        # n blocks drawn n times vary by (n - 1) / n of what n blocks do.
        scale = blocks / (blocks - 1)
        means = sum(sign * one.mean(axis=0) for sign, one in zip(signs, resampled, strict=True))
        found.least = scale * float(np.var(means, ddof=1))
        alone = sum(_of_seeds(one) for one in resampled)
        found.parts.append((max(found.least - scale * alone, 0.0), blocks - 1))
    return found


def _of_seeds(resamples: np.ndarray) -> float:
    """What the variance of the mean over seeds has beyond the covariance of two seeds (seeds x resamples)."""
    n_seeds = len(resamples)
    if n_seeds < 2:
        return 0.0
    of_mean = float(np.var(resamples.mean(axis=0), ddof=1))
    of_one = float(np.var(resamples, axis=1, ddof=1).mean())
    return (of_one - of_mean) / (n_seeds - 1)
