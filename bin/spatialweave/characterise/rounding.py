"""Rounding of numbers in the tables."""

from __future__ import annotations


def short(value: float) -> float:
    """Return a number rounded to five significant digits."""
    return float(f"{value:.5g}")
