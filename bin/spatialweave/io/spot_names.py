"""Names of the same spots that files spell differently."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

from spatialweave.errors import InputError

ENOUGH = 0.5
"""Fraction of the names of the shorter list that must agree in a spelling, for it to be named as the difference."""


def no_match(where: str, names: pd.Index, *spots: pd.Index) -> InputError:
    """Return the error for a table (`where`) whose names match no spot; further lists may hold the spots as well."""
    return InputError(
        where,
        f"its barcodes (first: '{names[0]}') match no barcode of the section (first: '{spots[0][0]}')",
        "the barcodes of the matrices",
        next(filter(None, (how_to_agree(names, others) for others in spots)), ""),
    )


def how_to_agree(names: pd.Index, others: pd.Index) -> str:
    """Return what makes two lists of names agree that differ in their spelling; "" if they differ otherwise."""
    for spelling, fix in DIFFERENCES.items():
        plain = {spelling(str(name)) for name in others}
        # The ending may be the only part that distinguishes names ("spot_12").
        distinct = len(plain) > ENOUGH * len(others)
        fewer = min(len(names), len(others))
        if distinct and sum(spelling(str(name)) in plain for name in names) >= ENOUGH * fewer:
            return fix
    return ""


def made_by_r(name: str) -> str:
    """Return a name as make.names of R writes it: "AAAC-1" is "AAAC.1"."""
    dotted = re.sub(r"[^A-Za-z0-9._]", ".", name)
    return dotted if re.match(r"[A-Za-z.]", dotted) else f"X{dotted}"


def without_ending(barcode: str) -> str:
    """Return a barcode without the endings that programs and joins of tables add: "-1", "-1-A1", "_2"."""
    return re.sub(r"([-_][A-Za-z0-9]{1,4})+$", "", barcode)


def without_beginning(barcode: str) -> str:
    """Return a barcode without what programs write before it: "A1_AAACAAGTATCTCCCA-1", "A1#AAACAAGTATCTCCCA-1"."""
    return re.sub(r"^.*[_#:](?=[ACGTN]{8,})", "", barcode)


DIFFERENCES: dict[Callable[[str], str], str] = {
    made_by_r: "write the names as they were before make.names of R, which turns '-' into '.' (read the table with "
    "check.names = FALSE): then they agree",
    without_ending: "give all files the same endings of names (such as -1): without them the names agree",
    without_beginning: "give all files the same beginnings of names (such as the sample before '_' or '#'): "
    "without them the names agree",
    lambda name: name.strip(): "remove the blanks around the names: without them the names agree",
}
"""Spellings that lose the difference between names, and what to do where they do."""
