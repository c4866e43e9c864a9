"""Initial transforms: all shifts at many angles, scored by cross-correlation of coarse rasters of two sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from spatialweave.alignment import transforms
from spatialweave.alignment.transforms import Matrix

CELLS_ACROSS = 64
"""Raster cells along the larger section's diameter; cells are never smaller than :data:`LEAST_CELL`."""

LEAST_CELL = 1.5
"""Smallest side of a cell in spacings; smaller cells would resolve the lattice."""

LEAST_OVERLAP = 0.3
"""Shifts with an overlap below this fraction of the largest overlap are not considered."""

DIFFERENT = 0.25
"""Two transforms differ if their distance in radii of the section
(:func:`~spatialweave.alignment.transforms.disagreement`) is above this."""

BLUR = 0.7
"""Standard deviation, in cells, of the Gaussian within which spots of the two sections count as overlapping."""


@dataclass(frozen=True)
class InitialTransform:
    """Initial transform of the moving section onto the fixed one.

    Attributes
    ----------
    matrix
        Moving -> fixed.
    explained
        Variance of each section's components that single components of the other explain, relative to the largest
        overlap; 0 without components.
    overlap
        Pairs of overlapping spots, relative to the largest number for any transform.
    """

    matrix: Matrix
    explained: float
    overlap: float


@dataclass(frozen=True)
class ComponentMap:
    """Section for the search: coordinates (n x 2) and weighted components (n x d; 0 where not measured)."""

    points: np.ndarray
    components: np.ndarray


def search_shifts(
    fixed: ComponentMap,
    moving: ComponentMap,
    spacing: float,
    n_angles: int,
    reflections: Sequence[bool],
    scales: Sequence[float],
    same: bool = False,
) -> list[InitialTransform]:
    """Return, for every angle, reflection and scale, the shift that explains most and the one with the largest overlap.

    For every shift, sums over pairs of overlapping spots (of the components, their squares and their products between
    the sections) give the variances and covariances within the overlap (Padfield, IEEE Trans Image Process 21:2706,
    2012). A squared covariance divided by the variance of one component is what that component explains of the other.
    All these sums are cross-correlations of rasters, which Fourier transforms give for all shifts at once.

    Parameters
    ----------
    spacing
        The larger spot spacing of the two sections.
    n_angles
        Number of angles, equally spaced over the full circle.
    same
        Whether the sections have the same components. Then each explains itself only, by a covariance above 0.
    """
    centre, origin = fixed.points.mean(axis=0), moving.points.mean(axis=0)
    still, turning = fixed.points - centre, moving.points - origin
    radius = float(np.linalg.norm(still, axis=1).max())
    reach = float(np.linalg.norm(turning, axis=1).max()) * max(scales)
    cell = max(cell_side(still, spacing), cell_side(turning * max(scales), spacing))
    size = fft.next_fast_len(int(np.ceil(2.0 * (radius + reach) / cell)) + 8, real=True)
    spectrum = _spectrum(still, fixed.components, cell, size)
    frequency = np.fft.fftfreq(size)
    blur = np.exp(-2.0 * (np.pi * BLUR) ** 2 * (frequency[:, None] ** 2 + frequency[None, : size // 2 + 1] ** 2))
    blurred = spectrum * blur
    found = []
    for scale in scales:
        at_scale = []
        for reflect in reflections:
            for turn in range(n_angles):
                matrix = transforms.rigid(2.0 * np.pi * turn / n_angles, (0.0, 0.0), scale, reflect)
                other = _spectrum(transforms.apply(matrix, turning), moving.components, cell, size)
                for shift, explained, overlap in _best_shifts(blurred, other, cell, same):
                    placed = transforms.rigid(0.0, centre + shift) @ matrix @ transforms.rigid(0.0, -origin)
                    at_scale.append(InitialTransform(placed, explained, overlap))
        # The number of pairs, and with it sums over pairs, depends on the scale; ratios of such sums do not.
        most = max(one.overlap for one in at_scale)
        found += [InitialTransform(one.matrix, one.explained / most, one.overlap / most) for one in at_scale]
    return found


def cell_side(points: np.ndarray, spacing: float) -> float:
    """Return the side of the search cells for a section with these points: about the error of an initial transform."""
    radius = float(np.linalg.norm(points - points.mean(axis=0), axis=1).max())
    return max(LEAST_CELL * spacing, 2.0 * radius / CELLS_ACROSS)


def _spectrum(points: np.ndarray, components: np.ndarray, cell: float, size: int) -> np.ndarray:
    """Return the Fourier transforms of the rasters of the number of spots, and of sums of components and their squares.

    The shape is (1 + 2 d) x size x (size // 2 + 1), complex. Components are divided by the standard deviation of all of
    them together.
    """
    column, row = (np.floor(points / cell).astype(np.int64) % size).T
    pixel = row * size + column
    if components.shape[1]:
        components = components / np.sqrt(components.var(axis=0).sum())
    columns = [np.ones(len(pixel)), *components.T, *(components**2).T]
    rasters = [np.bincount(pixel, values, size * size) for values in columns]
    return np.asarray(fft.rfft2(np.array(rasters).reshape(-1, size, size)))


def _best_shifts(
    fixed: np.ndarray, moving: np.ndarray, cell: float, same: bool
) -> Iterator[tuple[np.ndarray, float, float]]:
    """Yield shift, explained sum of squares and overlap (pairs of spots) where either of the latter two is largest."""
    size = fixed.shape[-2]
    pairs = fft.irfft2(fixed[0] * np.conj(moving[0]), (size, size))
    best = {int(np.argmax(pairs))}
    explained = np.zeros_like(pairs)
    if min(len(fixed), len(moving)) > 1:
        explained = _explained(fixed, moving, pairs, same)
        best.add(int(np.argmax(explained)))
    for pixel in sorted(best):
        row, column = divmod(pixel, size)
        steps = np.array([column, row], dtype=np.float64)
        shift = cell * np.where(steps >= size / 2, steps - size, steps)
        yield shift, float(explained[row, column]), float(pairs[row, column])


def _explained(fixed: np.ndarray, moving: np.ndarray, pairs: np.ndarray, same: bool) -> np.ndarray:
    """Return the sum of squares that either section's components explain of the other's, per shift; mean of both."""
    size = len(pairs)
    n_fixed, n_moving = len(fixed) // 2, len(moving) // 2
    enough = pairs >= LEAST_OVERLAP * pairs.max()
    count = np.where(enough, pairs, np.inf)
    of_fixed = fft.irfft2(fixed[1:] * np.conj(moving[0]), (size, size))
    of_moving = fft.irfft2(fixed[0] * np.conj(moving[1:]), (size, size))
    # A component that hardly varies explains nothing; the floor avoids dividing one rounding error by another.
    squares_fixed = np.maximum(of_fixed[n_fixed:] - of_fixed[:n_fixed] ** 2 / count, 1e-3 * pairs.max() / n_fixed)
    squares_moving = np.maximum(of_moving[n_moving:] - of_moving[:n_moving] ** 2 / count, 1e-3 * pairs.max() / n_moving)
    if same:
        products = fft.irfft2(fixed[1 : n_fixed + 1] * np.conj(moving[1 : n_moving + 1]), (size, size))
        products = np.maximum(products - of_fixed[:n_fixed] * of_moving[:n_moving] / count, 0.0)
        explained = (products**2 * 0.5 * (1.0 / squares_fixed + 1.0 / squares_moving)).sum(axis=0)
        return np.where(enough, explained, 0.0)
    total = np.zeros_like(pairs)
    for component in range(n_moving):
        products = fft.irfft2(fixed[1 : n_fixed + 1] * np.conj(moving[1 + component]), (size, size))
        products -= of_fixed[:n_fixed] * of_moving[component] / count
        total += (products**2 * 0.5 * (1.0 / squares_fixed + 1.0 / squares_moving[component])).sum(axis=0)
    return np.where(enough, total, 0.0)


def best_different(scored: Sequence[tuple[float, Matrix]], points: np.ndarray, most: int) -> list[Matrix]:
    """Return the `most` transforms with the highest scores that place the `points` (n x 2) differently."""
    picked: list[Matrix] = []
    for _, matrix in sorted(scored, key=lambda pair: pair[0], reverse=True):
        if len(picked) == most:
            break
        if all(transforms.disagreement(matrix, other, points) > DIFFERENT for other in picked):
            picked.append(matrix)
    return picked
