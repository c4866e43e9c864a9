"""Sentences made of parts."""

from __future__ import annotations

from collections.abc import Iterable


def listing(texts: Iterable[str]) -> str:
    """Return texts as ``a``, ``a and b`` or ``a, b and c``; "" for none."""
    *first, last = [*texts] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def duration(seconds: float) -> str:
    """Format seconds as ``8 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
