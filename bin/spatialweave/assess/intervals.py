"""Estimates with intervals from draws of blocks of the tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from spatialweave.blocks.ratios import draws
from spatialweave.metrics.intervals import LEVEL, family_level


@dataclass(frozen=True)
class BlockDraws:
    """Draws of the blocks of a tissue, over which estimates vary.

    Attributes
    ----------
    times
        Draws x blocks: how often each block counts (:func:`~spatialweave.blocks.ratios.draws`).
    n_blocks
        Number of blocks with spots; empty ones are never drawn.
    """

    times: np.ndarray
    n_blocks: int

    @classmethod
    def of(cls, blocks: np.ndarray, most: int) -> BlockDraws:
        """Return the draws of the blocks (0 to `most` - 1) in which spots lie; `blocks` has one per spot."""
        occupied = np.bincount(blocks, minlength=most) > 0
        return cls(draws(occupied), int(occupied.sum()))


@dataclass(frozen=True)
class Interval:
    """Estimate with its bounds at a confidence of 95% (or its range over repeats)."""

    value: float
    low: float
    high: float

    @classmethod
    def around(cls, value: float, error: float, n_blocks: int, n_tests: int = 1) -> Interval:
        """Return the estimate plus or minus its standard error times the quantile of t with `n_blocks` - 1 degrees of
        freedom.

        Parameters
        ----------
        n_tests
            Number of intervals that hold simultaneously at the level (Bonferroni).
        """
        half = _quantile(0.5 + family_level(n_tests) / 2, n_blocks) * error
        return cls(value, value - half, value + half)

    @classmethod
    def of_draws(cls, value: float, drawn: np.ndarray, n_blocks: int) -> Interval:
        """Return an estimate with the interval of its standard error over draws of blocks.

        It is centred at the estimate, not at the mean of the draws: with blocks drawn twice, means are of fewer spots.
        """
        return cls.around(value, standard_error(drawn, n_blocks), n_blocks)

    @classmethod
    def of_repeats(cls, values: Sequence[float]) -> Interval:
        """Return the mean, lowest and highest of several values."""
        return cls(float(np.mean(values)), float(min(values)), float(max(values)))

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.high < 0


def standard_error(drawn: np.ndarray, n_blocks: int) -> float:
    """Return the standard deviation over draws of blocks; n blocks drawn n times have (n - 1) / n of the variance."""
    return float(np.std(drawn) * np.sqrt(n_blocks / max(n_blocks - 1, 1)))


def behind(values: np.ndarray, drawn: np.ndarray, best: int, n_blocks: int) -> list[Interval]:
    """Return the difference of each of several estimates to the `best`, with intervals that hold simultaneously.

    The best is not known beforehand: the highest of several equal estimates is above the others by chance. So the
    intervals are those of all pairs (Tukey; the quantile is that of the largest difference over draws, Hothorn, Bretz
    and Westfall, Biom J 50:346, 2008).

    Parameters
    ----------
    values
        The estimates.
    drawn
        Estimates x draws of blocks, the same draws for all.
    best
        Index of the best.
    """
    largest = np.zeros(drawn.shape[1])
    errors = np.zeros(len(values))
    for one, own in enumerate(drawn):
        for other in range(one):
            apart = own - drawn[other]
            error = standard_error(apart, n_blocks)
            if error > 0:
                largest = np.maximum(largest, np.abs(apart - apart.mean()) / error)
            if best in (one, other):
                errors[other if one == best else one] = error
    # As many degrees of freedom as for one interval.
    quantile = _quantile(float(norm.cdf(np.quantile(largest, LEVEL))), n_blocks)
    apart = values - values[best]
    return [
        Interval(float(value), float(value - quantile * error), float(value + quantile * error))
        for value, error in zip(apart, errors, strict=True)
    ]


def _quantile(probability: float, n_blocks: int) -> float:
    """Return the quantile of t; with one block there is no error to multiply."""
    return float(t.ppf(probability, max(n_blocks - 1, 1)))
