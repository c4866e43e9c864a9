"""Linear axis of a chart: round tick values, and positions in pixels."""

from __future__ import annotations

import math


class Axis:
    """Horizontal axis with round ticks that enclose `low` to `high`; sizes are in pixels.

    Parameters
    ----------
    left, right
        Margins beside the axis.
    width
        Width of the chart, including the margins.

    Attributes
    ----------
    ticks
        Values of the ticks, ascending.
    """

    def __init__(self, low: float, high: float, left: int, right: int, width: int) -> None:
        self.ticks = ticks(low, high)
        self._left, self._length = left, width - left - right

    def at(self, value: float) -> float:
        """Return the position of a value."""
        first, last = self.ticks[0], self.ticks[-1]
        return round(self._left + self._length * (value - first) / (last - first), 1)

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Position and text of each tick."""
        return [(self.at(tick), f"{tick:.6g}".replace("-", "−")) for tick in self.ticks]


def ticks(low: float, high: float) -> list[float]:
    """Return about six round values at most that enclose `low` to `high`."""
    span = high - low or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    return [round(step * index, 10) for index in range(first, last + 1)]
