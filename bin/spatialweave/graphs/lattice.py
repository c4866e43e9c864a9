"""Rows and columns of spots on a square lattice with any rotation."""

from __future__ import annotations

import math

import numpy as np

from spatialweave.io.layout import SAMPLE, infer_layout

FIRST = 64
"""Number of spots about the middle to which the lattice is first fitted."""

GROWTH = 4
"""Factor by which the number of spots grows from fit to fit."""

OFF = 0.25
"""A spot is on a line if it is at most this fraction of the line distance away from it."""

AROUND = 8
"""Number of neighbours of a spot whose directions and distances are used."""

ON_LATTICE = 0.95
"""Fraction of the spots that must be on a line of each direction, each at its own position."""


def square_lattice(coordinates: np.ndarray) -> np.ndarray | None:
    """Return column and row of every spot, numbered from 0 (int64, spots x 2); None if there is no square lattice.

    Columns run in the direction nearest to x, rows in that nearest to y. Lines may be missing, the two directions may
    have different distances, and the lattice may be rotated. In each direction a wave is fitted to the spots, such that
    all of them have the same phase. It is first fitted to some spots and then to more and more, since a small error of
    its length would add up to whole lines across a section.

    Parameters
    ----------
    coordinates
        float, spots x 2, for one section.
    """
    points = np.asarray(coordinates, dtype=np.float64)
    if infer_layout(points) != "square":
        return None
    bonds = _bonds(points)
    nearest = bonds[:, 0][bonds[:, 0].any(axis=1)]
    if not len(nearest):
        return None
    # Bonds that differ by a quarter turn are equivalent.
    angle = np.angle(np.exp(4j * np.arctan2(nearest[:, 1], nearest[:, 0])).mean()) / 4
    numbers = []
    for direction in (np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])):
        number = _line_numbers(points, direction, _pitch(bonds.reshape(-1, 2), direction))
        if number is None:
            return None
        numbers.append(number)
    # One number per position: comparing rows of two numbers takes ten times as long.
    n_positions = len(np.unique(numbers[0] * (numbers[1].max() + 1) + numbers[1]))
    return np.column_stack(numbers) if n_positions >= ON_LATTICE * len(points) else None


def line_positions(coordinate: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return the median coordinate of each line of one direction (from one value per spot); NaN without spots."""
    import pandas as pd

    medians = pd.Series(np.asarray(coordinate, dtype=np.float64)).groupby(lines).median()
    return medians.reindex(range(int(lines.max()) + 1)).to_numpy()


def _bonds(points: np.ndarray) -> np.ndarray:
    """Return vectors from spots (:data:`SAMPLE` at most) to their :data:`AROUND` nearest, spots x neighbours x 2."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(0)
    sample = points if len(points) <= SAMPLE else points[rng.choice(len(points), SAMPLE, replace=False)]
    _, neighbours = cKDTree(points).query(sample, k=AROUND + 1)
    return points[neighbours[:, 1:]] - sample[:, None]


def _pitch(bonds: np.ndarray, direction: np.ndarray) -> float:
    """Return the distance of lines: the median of the shortest bonds along their normal."""
    lengths, along = np.linalg.norm(bonds, axis=1), np.abs(bonds @ direction)
    along = along[(along > 0.95 * lengths) & (lengths > 0)]
    if not len(along):
        return float(np.median(lengths))
    return float(np.median(along[along <= 1.5 * np.quantile(along, 0.1)]))


def _line_numbers(points: np.ndarray, direction: np.ndarray, pitch: float) -> np.ndarray | None:
    """Return each spot's line number, counted along `direction`; None if too many spots are off their lines."""
    middle = points[np.argmin(((points - np.median(points, axis=0)) ** 2).sum(axis=1))]
    offsets = points - middle
    order = np.argsort((offsets**2).sum(axis=1), kind="stable")
    wave, phase = direction / pitch, 0.0
    n_fits = 1 + math.ceil(max(0.0, math.log(len(points) / FIRST, GROWTH)))
    for size in (FIRST * GROWTH**fit for fit in range(n_fits)):
        near = offsets[order[:size]]
        position = near @ wave - phase
        terms = np.column_stack([near, np.ones(len(near))])
        change = np.linalg.lstsq(terms, position - np.rint(position), rcond=None)[0]
        wave, phase = wave - change[:2], phase + change[2]
    position = offsets @ wave - phase
    number = np.rint(position).astype(np.int64)
    if (np.abs(position - number) <= OFF).mean() < ON_LATTICE:
        return None
    return number - number.min()
