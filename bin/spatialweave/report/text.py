"""Numbers and settings as text for the reports."""

from __future__ import annotations

import math
import re
from typing import Any

from spatialweave import prose
from spatialweave.comparison.scores import Score

DOI = re.compile(r"^10\.\d{4,9}/\S+$")


THOUSANDS = "\u202f"
"""Separator of thousands: a narrow space that does not break."""


def number(value: Any) -> str:
    """Format a number with at most four significant digits, thousands grouped; a dash if missing; keep text."""
    try:
        parsed = float(value)
    except (TypeError, ValueError):
        return str(value) if value not in (None, "") else "–"
    if not math.isfinite(parsed):
        return "–"
    if parsed == int(parsed) and abs(parsed) < 1e15:
        return f"{int(parsed):,}".replace(",", THOUSANDS).replace("-", "−")
    digits = 3 if abs(parsed) < 10 else (2 if abs(parsed) < 100 else (1 if abs(parsed) < 1000 else 0))
    text = f"{parsed:,.{digits}f}" if abs(parsed) >= 0.001 else f"{parsed:.1e}"
    return text.replace(",", THOUSANDS).replace("-", "−")


def decimals(value: Any, signed: bool = False, digits: int = 3) -> str:
    """Format a number with a fixed number of decimals, as for scores; a dash if missing."""
    try:
        parsed = float(value)
    except (TypeError, ValueError):
        return "–"
    if not math.isfinite(parsed):
        return "–"
    return f"{parsed:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def plain_number(value: Any) -> str:
    """Format a number for JavaScript, "" if missing."""
    try:
        parsed = float(value)
    except (TypeError, ValueError):
        return ""
    return f"{parsed:.6g}" if math.isfinite(parsed) else ""


def score(value: Score | None) -> str:
    """Format mean ± standard deviation; only the mean for one seed."""
    if value is None or not math.isfinite(value.mean):
        return "–"
    if not math.isfinite(value.sd):
        return number(value.mean)
    # A standard deviation below the last digit of the mean needs no extra digits.
    sd = f"{value.sd:.3f}" if value.sd < 0.001 <= 0.1 * abs(value.mean) else number(value.sd)
    return f"{number(value.mean)} ± {sd}"


def duration(seconds: Any) -> str:
    """Format seconds as "4.2 s", "42 s", "3 min 5 s" or "2 h 10 min"; a dash for none."""
    try:
        value = float(seconds)
    except (TypeError, ValueError):
        return "–"
    if not math.isfinite(value):
        return "–"
    return f"{value:.1f} s" if value < 9.95 else prose.duration(value)


def memory(megabytes: Any) -> str:
    """Format megabytes as "512 MB" or "3.2 GB"; a dash for none."""
    try:
        size = float(megabytes)
    except (TypeError, ValueError):
        return "–"
    if not math.isfinite(size) or size <= 0:
        return "–"
    return f"{size:.0f} MB" if size < 1000 else f"{size / 1000:.1f} GB"


def doi_link(doi: Any) -> str:
    """Return the address of a DOI, "" if it is not a DOI."""
    text = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)", "", str(doi or "").strip())
    return f"https://doi.org/{text}" if DOI.match(text) else ""


def plain(value: Any) -> str:
    """Format a setting's value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "not set"
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return str(value)


def words(name: str) -> str:
    """Return a field's name with underscores as spaces."""
    return str(name).replace("_", " ")
