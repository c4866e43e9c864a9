"""Domains that follow a single row or column of a grid, which is more likely an instrument artefact than tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialweave.graphs.lattice import line_positions

ALONG = "along_lines"
"""Name of the statistic in the structure table: fraction of a domain's spots in its own lines."""

MANY = 0.5
"""A warning names domains with at least this fraction of their spots in their own lines."""

OWN = 0.5
"""A line belongs to a domain that has at least this fraction of the line's spots, ..."""

BESIDE = 0.25
"""... at most this fraction of the spots in the lines next to it, ..."""

WIDEST = 2
"""... and at most this many such lines in a row."""

FEWEST = 8
"""Shorter lines belong to no domain."""


@dataclass(frozen=True)
class LineOfDomain:
    """Line of a grid that belongs almost entirely to one domain, while the lines beside it do not.

    Attributes
    ----------
    domain
        Number of the domain, from 0.
    direction
        ``row`` or ``column``.
    position
        Position of the line: y of a row, x of a column, in units of the coordinates.
    spots
        Number of spots of the domain on it.
    """

    domain: int
    direction: str
    position: float
    spots: int


def own_lines(coordinates: np.ndarray, places: np.ndarray, codes: np.ndarray, n_domains: int) -> list[LineOfDomain]:
    """Return the own lines of every domain of a section: rows or columns, whichever contain more of its spots.

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
            lines = [
                LineOfDomain(domain, direction, float(positions[number]), int(counts[number, domain]))
                for number in _narrow(fractions[:, domain])
            ]
            if sum(line.spots for line in lines) > sum(line.spots for line in found.get(domain, [])):
                found[domain] = lines
    return [line for lines in found.values() for line in lines]


def _narrow(fractions: np.ndarray) -> list[int]:
    """Return the lines in runs of at most :data:`WIDEST` where a domain has :data:`OWN`, and little beside them."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], fractions >= OWN, [0]]).astype(np.int64)))
    beside = np.concatenate([[0.0], fractions, [0.0]])
    lines: list[int] = []
    for start, stop in zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True):
        if stop - start <= WIDEST and max(beside[start], beside[stop + 1]) <= BESIDE:
            lines += range(start, stop)
    return lines
