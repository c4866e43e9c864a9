"""Sentences made of parts."""

from __future__ import annotations

from collections.abc import Iterable


def listing(texts: Iterable[str]) -> str:
    """Return texts as ``a``, ``a and b`` or ``a, b and c``; "" for none."""
    *first, last = [*texts] or [""]
    return f"{', '.join(first)} and {last}" if first else last
