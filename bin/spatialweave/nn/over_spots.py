"""Statistics over spots inside a network: of the spots at hand or, at inference by parts, the same for all parts.

A network that divides by the spread of its spots, or attends to some that stand for all, maps a spot differently in
every part of the tissue. So the statistics of a few parts are noted first, in the order in which the network takes
them, and their means (or, of rows of spots, all of them) then hold for every part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Notes = list[Tensor]
"""What a pass through a network took, first to last."""

_noted: Notes | None = None
_given: Iterator[Tensor] | None = None


def over_spots(statistic: Tensor) -> Tensor:
    """A statistic of the spots at hand, or the one that holds for all parts."""
    if _noted is not None:
        _noted.append(statistic.detach())
    return statistic if _given is None else next(_given)


def are_fixed() -> bool:
    """Whether the statistics are given, and not those of the spots at hand."""
    return _given is not None


class SpotNorm(nn.BatchNorm1d):
    """Batch normalisation by the spots at hand, also after training, without running averages.

    Those would mix the epochs and, in a layer that serves several inputs, the inputs.
    """

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__(width, eps=eps, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` (spots x dimensions)."""
        if _noted is None and _given is None:
            return super().forward(x)
        mean, variance = over_spots(x.mean(dim=0)), over_spots(x.var(dim=0, correction=0))
        return (x - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias


@contextmanager
def noted() -> Iterator[Notes]:
    """Within it every statistic is noted."""
    global _noted
    notes: Notes = []
    _noted = notes
    try:
        yield notes
    finally:
        _noted = None


@contextmanager
def fixed(statistics: Sequence[Tensor]) -> Iterator[None]:
    """Within it these take the places of the statistics, one after the other, of a single pass through the network."""
    global _given
    _given = iter(statistics)
    try:
        yield
    finally:
        _given = None


def joined(passes: Sequence[Notes]) -> Notes:
    """One set of statistics from those of several parts: tables are put together, everything else is averaged."""
    return [
        torch.cat(values) if values[0].dim() > 1 else torch.stack(values).mean(dim=0)
        for values in zip(*passes, strict=True)
    ]
