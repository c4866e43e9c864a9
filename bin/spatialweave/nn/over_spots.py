"""Statistics over spots inside a network: of the current spots or, at inference by parts, the same for all parts.

A network that divides by the spread of its spots, or attends to landmarks, maps the same spot differently in every
part of the tissue. So the statistics of a few parts are recorded first, in the order in which the network uses them.
Their means (or, for rows of spots, all rows) then hold for every part. Spots of a halo do not count in any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Notes = list[Tensor]
"""Statistics used in one pass through a network, from first to last."""

_noted: Notes | None = None
_given: Iterator[Tensor] | None = None
_core: Tensor | None = None


def over_spots(statistic: Tensor) -> Tensor:
    """Return a statistic of the current spots, or the one fixed for all parts."""
    if _noted is not None:
        _noted.append(statistic.detach())
    return statistic if _given is None else next(_given)


def counted(x: Tensor) -> Tensor:
    """Return the rows of `x` (spots x anything) of the spots that count, which are those of :func:`counting`."""
    return x if _core is None else x[_core]


def are_fixed() -> bool:
    """Return whether the statistics are fixed instead of computed from the current spots."""
    return _given is not None


class SpotNorm(nn.BatchNorm1d):
    """Batch normalisation over the current spots, also after training, without running averages.

    Running averages would mix the epochs and, in a layer that serves several inputs, the inputs.
    """

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__(width, eps=eps, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` (spots x dimensions)."""
        if _noted is None and _given is None and _core is None:
            return super().forward(x)
        own = counted(x)
        mean, variance = over_spots(own.mean(dim=0)), over_spots(own.var(dim=0, correction=0))
        return (x - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias


@contextmanager
def noted() -> Iterator[Notes]:
    """Record every statistic within this context."""
    global _noted
    notes: Notes = []
    _noted = notes
    try:
        yield notes
    finally:
        _noted = None


@contextmanager
def fixed(statistics: Sequence[Tensor]) -> Iterator[None]:
    """Use these values, in order, as the statistics of a single pass through the network within this context."""
    global _given
    _given = iter(statistics)
    try:
        yield
    finally:
        _given = None


@contextmanager
def counting(core: Tensor | None) -> Iterator[None]:
    """Take statistics over these spots (int64; None = all) within this context, which may lie in another one."""
    global _core
    before, _core = _core, core
    try:
        yield
    finally:
        _core = before


def joined(passes: Sequence[Notes]) -> Notes:
    """Join the statistics of several parts: concatenate tables of rows, average everything else."""
    return [
        torch.cat(values) if values[0].dim() > 1 else torch.stack(values).mean(dim=0)
        for values in zip(*passes, strict=True)
    ]
