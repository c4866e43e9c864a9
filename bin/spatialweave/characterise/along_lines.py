"""Domains that follow a single row or column of a grid: more likely a trace of the instrument than tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialweave.graphs.lattice import line_positions

ALONG = "along_lines"
"""The statistic of structure: fraction of a domain's spots in its own lines."""

MANY = 0.5
"""Readers are warned of a domain with this fraction of its spots in its own lines, or more."""

OWN = 0.5
"""A domain's own lines are those of whose spots it has this fraction or more, ..."""

BESIDE = 0.25
"""... and of the lines next to them this at most, ..."""

WIDEST = 2
"""... so many in a row at most."""

FEWEST = 8
"""Shorter lines are nobody's."""


@dataclass(frozen=True)
class LineOfDomain:
    """A line of a grid that is nearly all of one domain, as those beside it are not.

    Attributes
    ----------
    domain
        From 0.
    direction
        ``row`` or ``column``.
    position
        Where it is: y of a row, x of a column, in units of the coordinates.
    spots
        Spots of the domain on it.
    """

    domain: int
    direction: str
    position: float
    spots: int


def own_lines(coordinates: np.ndarray, places: np.ndarray, codes: np.ndarray, n_domains: int) -> list[LineOfDomain]:
    """The own lines of every domain of a section, rows or columns, whichever hold more of its spots.

    Parameters
    ----------
    coordinates, places, codes
        Spots x 2; column and row on the grid (:func:`~spatialweave.graphs.lattice.square_lattice`), spots x 2; domain
        of every spot, from 0.
    """
    found: dict[int, list[LineOfDomain]] = {}
    for axis, direction in enumerate(("column", "row")):
        line = places[:, axis]
        n_lines = int(line.max()) + 1
        counts = np.bincount(line * n_domains + codes, minlength=n_lines * n_domains).reshape(n_lines, n_domains)
        totals = counts.sum(axis=1)
        fractions = np.where(totals[:, None] >= FEWEST, counts / np.maximum(totals, 1)[:, None], 0.0)
        positions = line_positions(coordinates[:, axis], line)
        for domain in range(n_domains):
            own = [
                LineOfDomain(domain, direction, float(positions[one]), int(counts[one, domain]))
                for one in _narrow(fractions[:, domain])
            ]
            if sum(one.spots for one in own) > sum(one.spots for one in found.get(domain, [])):
                found[domain] = own
    return [one for own in found.values() for one in own]


def _narrow(fractions: np.ndarray) -> list[int]:
    """The lines in runs of :data:`WIDEST` at most where a domain has :data:`OWN`, and little beside them."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], fractions >= OWN, [0]]).astype(np.int64)))
    beside = np.concatenate([[0.0], fractions, [0.0]])
    lines: list[int] = []
    for start, stop in zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True):
        if stop - start <= WIDEST and max(beside[start], beside[stop + 1]) <= BESIDE:
            lines += range(start, stop)
    return lines
