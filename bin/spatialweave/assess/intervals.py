"""Estimates with the interval that they lie in, from draws of blocks of the tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 95
"""Percent of the draws within an interval."""


@dataclass(frozen=True)
class Interval:
    """An estimate, and the bounds within which it is with confidence :data:`LEVEL` (or its range over repeats)."""

    value: float
    low: float
    high: float

    @classmethod
    def of_draws(cls, value: float, drawn: np.ndarray) -> Interval:
        """The percentiles of what was drawn about an estimate."""
        outside = (100 - LEVEL) / 2
        low, high = np.percentile(drawn, [outside, 100 - outside])
        return cls(value, float(low), float(high))

    @classmethod
    def of_repeats(cls, values: Sequence[float]) -> Interval:
        """The mean, lowest and highest of several values."""
        return cls(float(np.mean(values)), float(min(values)), float(max(values)))

    @property
    def above_zero(self) -> bool:
        """Whether all of it is above 0."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether all of it is below 0."""
        return self.high < 0
