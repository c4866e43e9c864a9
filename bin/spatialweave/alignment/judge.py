"""Two sections made ready for comparison, and how well a transform lays one onto the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from spatialweave.alignment import evidence, transforms
from spatialweave.alignment.evidence import Components, Image
from spatialweave.alignment.outline import outline
from spatialweave.alignment.transforms import Matrix
from spatialweave.graphs.spatial import spacing

MOST_SPOTS = 30_000
"""Sections with more spots are pooled into about so many."""

COARSEST = 0.5
"""A section with narrower spacing than this many units is pooled to it: detail that the other section cannot have."""

OUTLINE_REACH = 1.0
"""In units: outlines closer than this agree."""


@dataclass(frozen=True)
class Part:
    """A section made ready: at most about :data:`MOST_SPOTS` places.

    Attributes
    ----------
    points
        Places (n x 2), pooled where there were too many.
    unit
        Their spacing.
    components
        Modality -> its spatial components, only where there are any.
    border
        Places of the outline (m x 2).
    """

    points: np.ndarray
    unit: float
    components: dict[str, Components]
    border: np.ndarray


def prepare(points: np.ndarray, features: Mapping[str, tuple[np.ndarray, np.ndarray]], least: float) -> Part:
    """Pool a section where it has more spots than are needed, and find its components and its outline.

    Parameters
    ----------
    points
        n x 2.
    features
        Modality -> latents (n x d) and whether each spot has them (n).
    least
        Pooled spots are not to lie closer than this, in the points' units.
    """
    unit = spacing(points)
    cell = max(least, unit * np.sqrt(len(points) / MOST_SPOTS) if len(points) > MOST_SPOTS else 0.0)
    if cell > unit:
        points, features = pool(points, features, cell)
        unit = spacing(points)
    found = {
        name: evidence.components(points, latents, np.flatnonzero(present))
        for name, (latents, present) in features.items()
    }
    return Part(points, unit, {name: one for name, one in found.items() if one is not None}, points[outline(points)])


def pool(
    points: np.ndarray, features: Mapping[str, tuple[np.ndarray, np.ndarray]], cell: float
) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """One spot per occupied square of side `cell`: the mean place, and the mean latents of those that have them."""
    column, row = np.floor((points - points.min(axis=0)) / cell).astype(np.int64).T
    _, place = np.unique(row * (column.max() + 1) + column, return_inverse=True)
    n_places = int(place.max()) + 1
    count = np.bincount(place, minlength=n_places)
    means = np.column_stack([np.bincount(place, axis, n_places) / count for axis in points.T])
    pooled = {}
    for name, (latents, present) in features.items():
        kept = np.asarray(present, dtype=bool)
        spots = np.bincount(place[kept], minlength=n_places)
        columns = [np.bincount(place[kept], values[kept], n_places) / np.maximum(spots, 1) for values in latents.T]
        pooled[name] = (np.column_stack(columns) if columns else np.zeros((n_places, 0)), spots > 0)
    return means, pooled


@dataclass
class Judge:
    """Scores transforms that lay `moving` onto `fixed`; images are drawn once per width."""

    fixed: Part
    moving: Part
    scale: float = 1.0
    _images: dict[tuple[str, float], Image] = field(default_factory=dict)

    @property
    def unit(self) -> float:
        """The wider spacing of the two sections, in fixed units (the moving section's at the expected scale)."""
        return max(self.fixed.unit, self.scale * self.moving.unit)

    @property
    def has_features(self) -> bool:
        """Whether both sections have spatial components."""
        return bool(self.fixed.components and self.moving.components)

    def evidence(self, matrix: Matrix, width: float, most: int, averaged: bool = True) -> float:
        """Share of the variance of either section's components that the other foretells.

        The mean over all pairs of modalities.

        Explained sums of squares in held-out blocks (:func:`~spatialweave.alignment.evidence.explained`), of the
        moving spots' components from the fixed image and the other way round, each over the sum of squares of *all*
        moving spots: spots that lie outside the fixed section count as not foretold, which is what keeps a small
        overlap from winning by chance. At most 1; about 0 where there is nothing in common.

        Parameters
        ----------
        width
            Of the fixed section's images, in units.
        most
            Moving spots to look at, evenly taken.
        averaged
            Whether the moving spots' components are averaged over neighbours. Averaged they tell right from wrong the
            more clearly; but averages at a border lean inwards, and spot by spot the last detail is found the better.
        """
        shares = []
        for one in self.moving.components.values():
            rows, folds = _take(self.moving.points[one.rows], most)
            places = transforms.apply(matrix, self.moving.points[one.rows[rows]])
            targets = (one.smooth if averaged else one.values)[rows]
            for name, other in self.fixed.components.items():
                read, inside = self._image(name, width).read(places)
                spread = (other.smooth**2).sum() / len(other.rows)
                forth = evidence.explained(read, targets, inside, folds) / (targets**2).sum()
                back = evidence.explained(targets, read, inside, folds) / (spread * len(rows))
                shares.append(0.5 * (forth + back))
        return float(np.mean(shares)) if shares else 0.0

    def overlap(self, matrix: Matrix) -> float:
        """Share of the moving places that lie inside the fixed section."""
        places = transforms.apply(matrix, self.moving.points)
        return float(self._image("", 1.0).read(places)[1].mean())

    def shape(self, matrix: Matrix) -> float:
        """How well the shapes agree, 0 to 1: mean of the overlap (both ways) and of the outlines' agreement.

        The outlines' agreement is the share of the moving outline that lies within :data:`OUTLINE_REACH` of the fixed
        one, the nearer the more, so that a missing edge costs its own length only.
        """
        back = np.linalg.inv(matrix)
        covered = self._moving_image().read(transforms.apply(back, self.fixed.points))[1].mean()
        distance, _ = cKDTree(self.fixed.border).query(transforms.apply(matrix, self.moving.border))
        near = np.exp(-0.5 * (distance / (OUTLINE_REACH * self.unit)) ** 2).mean()
        return float(0.25 * (self.overlap(matrix) + covered) + 0.5 * near)

    def _image(self, name: str, width: float) -> Image:
        """The fixed section's image of a modality's components; of no modality ("") its density alone."""
        if (name, width) not in self._images:
            one = self.fixed.components.get(name)
            points = self.fixed.points if one is None else self.fixed.points[one.rows]
            values = np.zeros((len(points), 0)) if one is None else one.values
            relative = width * self.unit / self.fixed.unit
            self._images[name, width] = evidence.image(points, values, self.fixed.unit, relative)
        return self._images[name, width]

    def _moving_image(self) -> Image:
        key = ("moving", 1.0)
        if key not in self._images:
            points = self.moving.points
            relative = self.unit / (self.scale * self.moving.unit)
            self._images[key] = evidence.image(points, np.zeros((len(points), 0)), self.moving.unit, relative)
        return self._images[key]


def _take(points: np.ndarray, most: int) -> tuple[np.ndarray, list[slice]]:
    """At most `most` evenly spaced rows of `points`, ordered by fold, and each fold's slice of them."""
    rows = np.arange(0, len(points), max(1, -(-len(points) // most)))
    folds = evidence.fold_numbers(points[rows])
    order = np.argsort(folds, kind="stable")
    ends = np.cumsum(np.bincount(folds, minlength=evidence.N_FOLDS))
    starts = np.concatenate([[0], ends[:-1]])
    return rows[order], [slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]
