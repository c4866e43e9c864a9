"""What tells one way of laying two sections together from another: how well one section foretells the other.

A square section fits onto a square one in four ways, all equally good by shape. The tissue decides: at the right
transform the features at a place of one section say what the features at that place of the other are. Which feature
says what is learnt from the sections themselves, by ridge regression on some parts of the tissue, and judged on the
parts left out, so that it works between modalities (RNA foretells protein), needs no labels, and is blind to batch
effects that are the same everywhere in a section.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

N_NEIGHBOURS = 6
"""Spots that features are averaged over, besides the spot itself; the average is taken twice."""

MOST_LATENTS = 30
SPOTS_PER_LATENT = 20
"""At most this many latent dimensions are looked at, and no more than one for so many spots."""

MOST_COMPONENTS = 8

PITCH = 0.5
"""Side of an image's pixels, in spacings."""

N_FOLDS = 5
BLOCKS_PER_SIDE = 5
"""The moving section is cut into 5 x 5 blocks, dealt out to 5 folds such that none borders on another of its fold."""

RIDGE = 10.0
"""Weight of the ridge penalty, in spots: neighbours are too alike for few spots to count as proof."""

COVER_LOW, COVER_HIGH = 0.25, 0.5
"""Density of fixed spots (1 = inside the section) below which a place is outside, and from which it is inside. Right
on a straight border it is 0.5."""


@dataclass(frozen=True)
class Components:
    """The spatial components of one modality of one section.

    Attributes
    ----------
    rows
        Spots at which the modality was measured (ascending).
    values
        Spots x components (float64): not averaged over neighbours; the components' variances are their strengths.
    smooth
        The same, averaged over neighbours.
    strength
        Share of each component's variance that is spatial, above what noise would show.
    """

    rows: np.ndarray
    values: np.ndarray
    smooth: np.ndarray
    strength: np.ndarray


def components(points: np.ndarray, latents: np.ndarray, rows: np.ndarray) -> Components | None:
    """The directions in the latents that differ most between parts of the tissue and least between neighbours.

    They are the eigenvectors of the covariance of the twice averaged, whitened latents (maximum autocorrelation
    factors, Switzer and Green 1984). The eigenvalue is the share of variance that averaging leaves; noise would leave
    the mean squared weight of the average, and by chance up to Marchenko and Pastur's edge. Components below that
    edge are left out.

    Parameters
    ----------
    points
        Places of all spots (n x 2).
    latents
        All spots x dimensions.
    rows
        Spots that have the modality.

    Returns
    -------
    None when nothing in the latents is spatial, or there are too few spots to tell.
    """
    n_spots = len(rows)
    n_latents = min(latents.shape[1], MOST_LATENTS, n_spots // SPOTS_PER_LATENT)
    if n_latents < 1:
        return None
    average = neighbour_average(points[rows])
    twice = average @ average
    white = _whiten(np.asarray(latents[rows], dtype=np.float64)[:, :n_latents])
    smooth = twice @ white
    smooth -= smooth.mean(axis=0)
    values, vectors = np.linalg.eigh(smooth.T @ smooth / n_spots)
    floor = float(twice.multiply(twice).sum()) / n_spots
    edge = floor * (1.0 + np.sqrt(white.shape[1] / (n_spots * floor))) ** 2
    chosen = np.flatnonzero(values > edge)[::-1][:MOST_COMPONENTS]
    if not len(chosen):
        return None
    strength = (values[chosen] - floor) / (1.0 - floor)
    # An eigenvector's sign is arbitrary; ridge regression does not care, but a reader of the arrays would.
    loadings = vectors[:, chosen] * np.sqrt(strength)
    raw = white @ loadings
    return Components(rows, raw, average @ (average @ raw), strength)


def _whiten(latents: np.ndarray) -> np.ndarray:
    """Uncorrelated dimensions of variance 1; those without variance are dropped."""
    centred = latents - latents.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = values > 1e-6 * max(float(values[-1]), 1e-30)
    return np.asarray(centred @ (vectors[:, kept] / np.sqrt(values[kept])))


def neighbour_average(points: np.ndarray) -> sparse.csr_matrix:
    """Rows that average a spot and its :data:`N_NEIGHBOURS` nearest (CSR, spots x spots)."""
    n_spots = len(points)
    k = min(N_NEIGHBOURS + 1, n_spots)
    nearest = cKDTree(points).query(points, k=k)[1].reshape(n_spots, k)
    indptr = np.arange(0, n_spots * k + 1, k)
    return sparse.csr_matrix((np.full(n_spots * k, 1.0 / k), nearest.ravel(), indptr), shape=(n_spots, n_spots))


@dataclass(frozen=True)
class Image:
    """Features of a section on a raster, to be read off at any place.

    Attributes
    ----------
    corner
        Place of the first pixel's centre.
    pitch
        Side of a pixel.
    shape
        Rows and columns.
    pixels
        Pixels x (components + 1): means about each pixel, and last the density of spots, 1 inside the section.
    """

    corner: np.ndarray
    pitch: float
    shape: tuple[int, int]
    pixels: np.ndarray

    def read(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Components at `places` (n x components, between pixels linear) and how much each is inside (n, 0 to 1)."""
        position = (places - self.corner) / self.pitch
        whole = np.floor(position).astype(np.int64)
        column = np.clip(whole[:, 0], 0, self.shape[1] - 2)
        row = np.clip(whole[:, 1], 0, self.shape[0] - 2)
        # Beyond the raster the place of its empty border is read.
        x, y = np.clip(position[:, 0] - column, 0.0, 1.0), np.clip(position[:, 1] - row, 0.0, 1.0)
        first = row * self.shape[1] + column
        read = self.pixels[first] * ((1 - x) * (1 - y))[:, None] + self.pixels[first + 1] * (x * (1 - y))[:, None]
        below = first + self.shape[1]
        read += self.pixels[below] * ((1 - x) * y)[:, None] + self.pixels[below + 1] * (x * y)[:, None]
        inside = np.clip((read[:, -1] - COVER_LOW) / (COVER_HIGH - COVER_LOW), 0.0, 1.0)
        return read[:, :-1], inside


def image(points: np.ndarray, values: np.ndarray, unit: float, width: float) -> Image:
    """The mean of `values` (n x components) about every pixel, weighted by a normal curve of `width` spacings.

    Parameters
    ----------
    points
        n x 2.
    unit
        Spacing of the points; pixels are :data:`PITCH` of it.
    """
    pitch, margin = PITCH * unit, int(np.ceil(4.0 * width / PITCH)) + 2
    corner = points.min(axis=0) - margin * pitch
    columns, rows = (int(number) for number in np.ceil(np.ptp(points, axis=0) / pitch).astype(int) + 2 * margin + 1)
    count = _splat(points, np.ones(len(points)), corner, pitch, (rows, columns), width)
    typical = float(np.median(_at(count, points, corner, pitch)))
    sums = [_splat(points, column, corner, pitch, (rows, columns), width) for column in values.T]
    means = [total / np.maximum(count, 1e-3 * typical) for total in sums]
    return Image(corner, pitch, (rows, columns), np.column_stack([m.ravel() for m in [*means, count / typical]]))


def _splat(
    points: np.ndarray, values: np.ndarray, corner: np.ndarray, pitch: float, shape: tuple[int, int], width: float
) -> np.ndarray:
    """Share each value out to the four pixels about its place, then blur."""
    position = (points - corner) / pitch
    column, row = np.floor(position).astype(np.int64).T
    x, y = (position - np.floor(position)).T
    raster = np.zeros(shape[0] * shape[1])
    for right, below, weight in ((0, 0, (1 - x) * (1 - y)), (1, 0, x * (1 - y)), (0, 1, (1 - x) * y), (1, 1, x * y)):
        raster += np.bincount((row + below) * shape[1] + column + right, weight * values, len(raster))
    return np.asarray(gaussian_filter(raster.reshape(shape), width / PITCH, mode="constant"))


def _at(raster: np.ndarray, points: np.ndarray, corner: np.ndarray, pitch: float) -> np.ndarray:
    column, row = np.round((points - corner) / pitch).astype(np.int64).T
    return raster[row, column]


def fold_numbers(points: np.ndarray) -> np.ndarray:
    """The fold (0 to :data:`N_FOLDS` - 1) of every point: blocks of the section's bounding box."""
    low, extent = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-300)
    block = np.minimum((points - low) / extent * BLOCKS_PER_SIDE, BLOCKS_PER_SIDE - 1).astype(np.int64)
    return np.asarray((block[:, 0] + 2 * block[:, 1]) % N_FOLDS)


def explained(predictors: np.ndarray, targets: np.ndarray, weights: np.ndarray, folds: Sequence[slice]) -> float:
    """Sum of squares of `targets` that `predictors` explain in the folds left out, by weighted ridge regression.

    sum over folds of (w y^2 - w (y - b x)^2), b and the intercept from the other folds. Negative when the regression
    is worse than the mean 0.

    Parameters
    ----------
    predictors, targets
        Places x components; the targets' mean is about 0.
    weights
        One per place, 0 to 1.
    folds
        Rows of each fold.
    """
    x = np.column_stack([np.ones(len(predictors)), predictors])
    weighted = x * weights[:, None]
    grams = np.array([weighted[rows].T @ x[rows] for rows in folds])
    crosses = np.array([weighted[rows].T @ targets[rows] for rows in folds])
    # In the predictors' own scale, so that the penalty means the same number of spots for all; none on the intercept.
    gram, spots = grams.sum(axis=0), max(float(weights.sum()), 1e-12)
    typical = float(np.trace(gram[1:, 1:])) / (spots * max(x.shape[1] - 1, 1))
    penalty = np.diag(np.append(1e-9, np.full(x.shape[1] - 1, RIDGE * typical + 1e-9)))
    slopes = np.linalg.solve(gram - grams + penalty, crosses.sum(axis=0) - crosses)
    return float(2.0 * (slopes * crosses).sum() - np.einsum("fik,fij,fjk->", slopes, grams, slopes))
