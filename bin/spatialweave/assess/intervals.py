"""Estimates with intervals from draws of blocks of the tissue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 95
"""Percent of the draws within an interval."""


@dataclass(frozen=True)
class Interval:
    """Estimate with its bounds at confidence :data:`LEVEL` (or its range over repeats)."""

    value: float
    low: float
    high: float

    @classmethod
    def of_draws(cls, value: float, drawn: np.ndarray) -> Interval:
        """Return an estimate with the percentiles of its draws."""
        outside = (100 - LEVEL) / 2
        low, high = np.percentile(drawn, [outside, 100 - outside])
        return cls(value, float(low), float(high))

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
