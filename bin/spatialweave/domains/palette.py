"""Colours for domains: distinguishable with colour vision deficiencies, and the same colour for the same region."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from spatialweave.domains.matching import jaccard, match_classes, overlap_table

PALETTE = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#770011", "#664455",
    "#66EEBB", "#112299", "#AA4433", "#99DDDD", "#3388FF", "#FF5577", "#885555", "#88EE77",
    "#333355", "#77DDFF", "#CC2288", "#77BB99", "#117788", "#449944",
)  # fmt: skip
"""Colours of domains. The first six are Okabe and Ito's (2008); each further one is the colour of an RGB grid that is
farthest from the previous ones by CIEDE2000, the smallest over normal, deuteranope and protanope vision (Machado et al.
2009).
"""

DARK = ("#770011", "#664455", "#112299", "#333355")
"""Colours of the palette that a line on a dark page would not show."""

LINES = tuple(colour for colour in PALETTE if colour not in DARK)

PLAIN = 8
"""Number of colours that everybody can distinguish. Further ones are drawn with stripes, and have names on the maps."""

LOOKS = PLAIN + 2 * len(PALETTE)
"""Number of different colours with their stripes; further ones repeat."""

MATCHED_SHARE = 0.2
"""A class gets the colour of a reference class if their Jaccard index is at least this."""

UNKNOWN_COLOUR = "#C9CED6"
"""Colour of spots without a class."""


@dataclass
class SpotClasses:
    """Classes of spots: a code per spot (-1 = none), their names by code, and the colour index of each class."""

    codes: np.ndarray
    names: list[str]
    colours: list[int]


def colour_classes(
    labels: Sequence[str] | None, runs: Sequence[np.ndarray | None], best: int | None
) -> tuple[SpotClasses | None, list[SpotClasses]]:
    """Return the classes of the labels and of each run, with colours matched by overlap.

    The labels are the reference or, without labels, the best run.

    Parameters
    ----------
    labels
        One per spot, "" = none; None if no spot has a label.
    runs
        The domain of every spot for each run, from 1; None for a run without domains.
    best
        Index of the run to show first; None if no run has domains.
    """
    truth = None
    if labels is not None:
        codes, names = encode_classes(labels)
        truth = SpotClasses(codes, names, list(range(len(names))))
    found = [_by_number(domains) for domains in runs]
    reference = found[best] if truth is None and best is not None else truth
    if reference is not None:
        for one in found:
            if one is not reference and len(one.codes):
                known, further = len(reference.names), max(reference.colours, default=-1) + 1
                matched = match_colours(reference.codes, known, one.codes, len(one.names))
                one.colours = [reference.colours[c] if c < known else further + c - known for c in matched]
    return truth, found


def _by_number(domains: np.ndarray | None) -> SpotClasses:
    """Return domains coloured by their numbers: sections labelled by a saved model may lack some of its domains."""
    if domains is None:
        return SpotClasses(np.empty(0, dtype=np.int32), [], [])
    numbers, codes = np.unique(domains, return_inverse=True)
    return SpotClasses(codes.astype(np.int32), numbers.astype(str).tolist(), (numbers - 1).tolist())


def encode_classes(values: Iterable[object]) -> tuple[np.ndarray, list[str]]:
    """Turn class names into codes 0..K-1 in natural order ("2" before "10"); "" becomes -1.

    Returns
    -------
    codes
        int32, one per value.
    names
        The K class names by code.
    """
    texts = [str(value) for value in values]
    names = sorted({text for text in texts if text}, key=_natural_key)
    lookup = {name: code for code, name in enumerate(names)}
    return np.array([lookup.get(text, -1) for text in texts], dtype=np.int32), names


def _natural_key(name: str) -> tuple[int, float, str]:
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def match_colours(reference: np.ndarray, n_reference: int, codes: np.ndarray, n_classes: int) -> list[int]:
    """Give each class the colour index of the reference class with the most overlap, matching all classes together.

    Classes are matched one to one, so that the most spots have the same colour. A class gets another colour if the
    common spots are less than :data:`MATCHED_SHARE` of the spots in either class, because they then do not show the
    same region. Such classes get the indices that follow the reference's.

    Parameters
    ----------
    reference, codes
        Class codes per spot; -1 = no class.

    Returns
    -------
    One colour index per class, all different.
    """
    overlap = overlap_table(reference, n_reference, codes, n_classes)
    colours = match_classes(np.where(jaccard(overlap) >= MATCHED_SHARE, overlap, 0)).tolist()
    spare = n_reference
    for index, colour in enumerate(colours):
        if colour < 0:
            colours[index] = spare
            spare += 1
    return colours


def colour(index: int) -> str:
    """Return the colour of an index; after the end of the palette the colours repeat."""
    return PALETTE[index % len(PALETTE)]


def line_colour(index: int) -> str:
    """Return the colour of a line that can be seen on light and on dark pages; after the last one they repeat."""
    return LINES[index % len(LINES)]


def stripes(index: int) -> int:
    """Return the stripes of spots in the colour of an index: 0 for none, 1 for rising, 2 for falling ones."""
    return 0 if index < PLAIN else 1 if index < PLAIN + len(PALETTE) else 2


def ink_on(colour: str) -> str:
    """Return the colour of text and stripes on a colour: dark on bright ones, white on dark ones."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#1b2430" if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else "#ffffff"
