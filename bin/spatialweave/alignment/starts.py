"""Where to start: all shifts at many angles at once, by cross-correlation of coarse rasters of two sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from spatialweave.alignment import transforms
from spatialweave.alignment.transforms import Matrix

CELLS_ACROSS = 64
"""Raster cells along the longer extent of the larger section; cells are never smaller than :data:`LEAST_CELL`."""

LEAST_CELL = 1.5
"""In spacings: smaller cells would show the lattice."""

MOST_COMPONENTS = 6
"""Strongest components per section that take part (time grows with their number in one section times the other)."""

LEAST_OVERLAP = 0.3
"""Shifts at which the sections overlap by less than this share of their largest overlap are not considered."""

APART = 0.25
"""Transforms count as different when they place spots further apart (root mean square) than this share of the
section's radius."""

BLUR = 0.7
"""Width in cells of the normal curve within which spots of the two sections count as at the same place."""


@dataclass(frozen=True)
class Start:
    """One way to lay the moving section onto the fixed one.

    Attributes
    ----------
    matrix
        Moving -> fixed.
    evidence
        Share of the variance that the sections' components explain of each other one by one; 0 without components.
    overlap
        Pairs of spots at the same place, as a share of the most that any start has.
    """

    matrix: Matrix
    evidence: float
    overlap: float


@dataclass(frozen=True)
class Spots:
    """A section for the search: places (n x 2) and weighted components (n x d; 0 where not measured; d may be 0)."""

    points: np.ndarray
    components: np.ndarray


def search(
    fixed: Spots, moving: Spots, unit: float, n_angles: int, reflections: Sequence[bool], scales: Sequence[float]
) -> list[Start]:
    """The best shift by evidence, and the best by overlap, at every angle, reflection and scale.

    For every shift the sums, over pairs of spots at one place, of the components, their squares and their products
    between the sections give the variances and covariances within the overlap (Padfield, IEEE Trans Image Process
    21:2706, 2012); a covariance squared over the variance of the one component is what it explains of the other. All
    these sums are cross-correlations of rasters, which Fourier transforms give for all shifts at once.

    Parameters
    ----------
    unit
        Spacing of the fixed section's spots (of the wider lattice of the two).
    n_angles
        Equally spaced over the full circle.
    """
    centre, origin = fixed.points.mean(axis=0), moving.points.mean(axis=0)
    still, turning = fixed.points - centre, moving.points - origin
    radius = float(np.linalg.norm(still, axis=1).max())
    reach = float(np.linalg.norm(turning, axis=1).max()) * max(scales)
    cell = max(cell_side(still, unit), cell_side(turning * max(scales), unit))
    size = fft.next_fast_len(int(np.ceil(2.0 * (radius + reach) / cell)) + 8, real=True)
    spectrum = _spectrum(still, fixed.components, cell, size)
    frequency = np.fft.fftfreq(size)
    blur = np.exp(-2.0 * (np.pi * BLUR) ** 2 * (frequency[:, None] ** 2 + frequency[None, : size // 2 + 1] ** 2))
    found = []
    for scale in scales:
        at_scale = []
        for reflect in reflections:
            for turn in range(n_angles):
                matrix = transforms.rigid(2.0 * np.pi * turn / n_angles, (0.0, 0.0), scale, reflect)
                other = _spectrum(transforms.apply(matrix, turning), moving.components, cell, size)
                for shift, evidence, overlap in _best_shifts(spectrum * blur, other, cell):
                    placed = transforms.rigid(0.0, centre + shift) @ matrix @ transforms.rigid(0.0, -origin)
                    at_scale.append(Start(placed, evidence, overlap))
        # The number of pairs depends on the scale; what they say does not.
        most = max(start.overlap for start in at_scale)
        found += [Start(start.matrix, start.evidence / most, start.overlap / most) for start in at_scale]
    return found


def cell_side(points: np.ndarray, unit: float) -> float:
    """Side of the cells of the search for a section of these places, which is also about how far off a start may be."""
    radius = float(np.linalg.norm(points - points.mean(axis=0), axis=1).max())
    return max(LEAST_CELL * unit, 2.0 * radius / CELLS_ACROSS)


def _spectrum(points: np.ndarray, components: np.ndarray, cell: float, size: int) -> np.ndarray:
    """Fourier transforms of the rasters of the spots' number and the sums of their components and of the squares.

    (1 + 2 d) x size x (size // 2 + 1), complex. Components are taken relative to the spread of all of them.
    """
    column, row = (np.floor(points / cell).astype(np.int64) % size).T
    place = row * size + column
    if components.shape[1]:
        components = components / np.sqrt(components.var(axis=0).sum())
    columns = [np.ones(len(place)), *components.T, *(components**2).T]
    rasters = [np.bincount(place, values, size * size) for values in columns]
    return np.asarray(fft.rfft2(np.array(rasters).reshape(-1, size, size)))


def _best_shifts(fixed: np.ndarray, moving: np.ndarray, cell: float) -> Iterator[tuple[np.ndarray, float, float]]:
    """Shift, evidence (times pairs) and overlap (pairs of spots) where each of the two is largest."""
    size = fixed.shape[-2]
    pairs = fft.irfft2(fixed[0] * np.conj(moving[0]), (size, size))
    best = {int(np.argmax(pairs))}
    evidence = np.zeros_like(pairs)
    if min(len(fixed), len(moving)) > 1:
        evidence = _explained(fixed, moving, pairs)
        best.add(int(np.argmax(evidence)))
    for place in sorted(best):
        row, column = divmod(place, size)
        steps = np.array([column, row], dtype=np.float64)
        shift = cell * np.where(steps >= size / 2, steps - size, steps)
        yield shift, float(evidence[row, column]), float(pairs[row, column])


def _explained(fixed: np.ndarray, moving: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Sum of squares that either section's components explain of the other's, at every shift (mean of both ways)."""
    size = len(pairs)
    n_fixed, n_moving = len(fixed) // 2, len(moving) // 2
    enough = pairs >= LEAST_OVERLAP * pairs.max()
    count = np.where(enough, pairs, np.inf)
    of_fixed = fft.irfft2(fixed[1:] * np.conj(moving[0]), (size, size))
    of_moving = fft.irfft2(fixed[0] * np.conj(moving[1:]), (size, size))
    # Where a component hardly varies, it explains nothing: the floor keeps rounding from being divided by rounding.
    spread_fixed = np.maximum(of_fixed[n_fixed:] - of_fixed[:n_fixed] ** 2 / count, 1e-3 * pairs.max() / n_fixed)
    spread_moving = np.maximum(of_moving[n_moving:] - of_moving[:n_moving] ** 2 / count, 1e-3 * pairs.max() / n_moving)
    total = np.zeros_like(pairs)
    for component in range(n_moving):
        products = fft.irfft2(fixed[1 : n_fixed + 1] * np.conj(moving[1 + component]), (size, size))
        products -= of_fixed[:n_fixed] * of_moving[component] / count
        total += (products**2 * 0.5 * (1.0 / spread_fixed + 1.0 / spread_moving[component])).sum(axis=0)
    return np.where(enough, total, 0.0)


def pick(starts: list[Start], places: np.ndarray, most: int) -> list[Start]:
    """The starts of most evidence, no two of which place the section about alike."""
    picked: list[Start] = []
    for one in sorted(starts, key=lambda start: start.evidence, reverse=True):
        if len(picked) == most:
            break
        if all(transforms.disagreement(one.matrix, other.matrix, places) > APART for other in picked):
            picked.append(one)
    return picked
