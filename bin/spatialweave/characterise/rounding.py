"""Numbers in the tables."""

from __future__ import annotations


def short(value: float) -> float:
    """A number in as many digits as a table needs: five."""
    return float(f"{value:.5g}")
