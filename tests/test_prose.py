"""Texts made of parts, and times in words."""

from __future__ import annotations

import pytest

from spatialweave.prose import duration, listing


@pytest.mark.parametrize(
    ("texts", "joined"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists(texts: list[str], joined: str) -> None:
    assert listing(texts) == joined


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (61, "1 min 1 s"), (3599.7, "1 h 0 min"), (7500, "2 h 5 min")],
)
def test_durations_are_rounded_before_they_are_divided(seconds: float, text: str) -> None:
    assert duration(seconds) == text
