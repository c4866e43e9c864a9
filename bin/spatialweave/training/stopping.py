"""Rules that end a training early, evaluated before each epoch's update with the losses recorded so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Losses = Mapping[str, Sequence[float]]


class StopRule(Protocol):
    """Rule that decides whether to stop before the update of `epoch` (from 1), given the losses of earlier epochs."""

    def __call__(self, epoch: int, losses: Losses) -> str | None:
        """Return why to stop, or None to continue."""


def never(epoch: int, losses: Losses) -> str | None:
    """Run all epochs."""
    return None


@dataclass(frozen=True)
class SlopeRule:
    """Rule that stops when one of several losses has become flat (SMART's rule, Du et al. 2026).

    At epochs divisible by `every` and greater than `window`, a least-squares line is fitted to the last `window` values
    of each series. Stop if the absolute slope of any is below `limit` and none of the slopes is exactly zero.

    Attributes
    ----------
    series
        Names; each stands for the sum of the terms that begin with it, e.g. ``triplet`` = triplet_rna + triplet_adt.
    """

    window: int
    limit: float
    series: tuple[str, ...]
    every: int = 10

    def __call__(self, epoch: int, losses: Losses) -> str | None:
        """Return why to stop, or None to continue."""
        if epoch % self.every or epoch <= self.window:
            return None
        slopes = {name: slope(_summed(losses, name)[-self.window :]) for name in self.series}
        flat = [name for name, value in slopes.items() if abs(value) < self.limit]
        if not flat or any(value == 0 for value in slopes.values()):
            return None
        return f"slope of the {flat[0]} loss over {self.window} epochs below {self.limit:g}"


def slope(values: Sequence[float] | np.ndarray) -> float:
    """Return the slope of the least-squares line through (0, values[0]), (1, values[1]), ..."""
    x = np.arange(len(values)) - (len(values) - 1) / 2
    return float(x @ np.asarray(values, dtype=np.float64) / (x @ x))


def _summed(losses: Losses, series: str) -> np.ndarray:
    """Sum the terms of a series, per epoch."""
    terms = [values for name, values in losses.items() if name == series or name.startswith(f"{series}_")]
    return np.sum([np.asarray(values, dtype=np.float64) for values in terms], axis=0)
