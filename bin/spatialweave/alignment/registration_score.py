"""Scores of a transform that moves one section onto another: cross-prediction, overlap and agreement of the shapes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from spatialweave.alignment import transforms
from spatialweave.alignment.cross_prediction import explained_squares, rows_by_fold
from spatialweave.alignment.prepared_section import PreparedSection
from spatialweave.alignment.raster import Raster, rasterise
from spatialweave.alignment.transforms import Matrix

OUTLINE_WIDTH = 1.0
"""In spacings: width of the Gaussian of the distance between outlines."""


@dataclass
class RegistrationScore:
    """Scores transforms that move `moving` onto `fixed`; rasters are made once per modality and width."""

    fixed: PreparedSection
    moving: PreparedSection
    _rasters: dict[tuple[str, float], Raster] = field(default_factory=dict)

    @property
    def spacing(self) -> float:
        """The larger spacing of the two sections, the unit of all widths."""
        return max(self.fixed.spacing, self.moving.spacing)

    @property
    def has_features(self) -> bool:
        """Whether both sections have spatial components."""
        return bool(self.fixed.components and self.moving.components)

    def cross_prediction(self, matrix: Matrix, width: float, most: int, averaged: bool = True) -> float:
        """Fraction of the variance of each section's components that the other's explain, mean over both directions.

        Mean over all pairs of modalities of the sums of squares explained in held-out blocks
        (:func:`~spatialweave.alignment.cross_prediction.explained_squares`): of the moving spots' components by the
        fixed section's raster, and the reverse. Each is divided by the sum of squares over *all* moving spots. Spots
        outside the fixed section count as not explained, so that a small overlap cannot win by chance. At most 1;
        about 0 where the sections have nothing in common.

        Parameters
        ----------
        width
            Of the fixed section's rasters, in spacings.
        most
            Moving spots to use, evenly taken.
        averaged
            Whether the moving spots' components are averaged over neighbours. Averaging separates right from wrong
            transforms better; but averages at a border are shifted inwards, and single spots give the finest detail.
        """
        fractions = []
        for one in self.moving.components.values():
            rows, folds = rows_by_fold(self.moving.points[one.rows], most)
            points = transforms.apply(matrix, self.moving.points[one.rows[rows]])
            targets = (one.smooth if averaged else one.values)[rows]
            for name, other in self.fixed.components.items():
                read, inside = self._raster(name, width).read(points)
                variance = (other.smooth**2).sum() / len(other.rows)
                forward = explained_squares(read, targets, inside, folds) / (targets**2).sum()
                backward = explained_squares(targets, read, inside, folds) / (variance * len(rows))
                fractions.append(0.5 * (forward + backward))
        return float(np.mean(fractions)) if fractions else 0.0

    def overlap(self, matrix: Matrix) -> float:
        """Fraction of the moving spots that are inside the fixed section."""
        points = transforms.apply(matrix, self.moving.points)
        return float(self._raster("", 1.0).read(points)[1].mean())

    def shape_agreement(self, matrix: Matrix) -> float:
        """Agreement of the shapes, 0 to 1: the mean of the overlap (of both sections) and the outlines' agreement.

        The outlines' agreement is the mean over the moving outline's spots of a Gaussian of the distance to the fixed
        outline (width :data:`OUTLINE_WIDTH`), so that a missing edge costs its own length only.
        """
        inverse = np.linalg.inv(matrix)
        covered = self._moving_density().read(transforms.apply(inverse, self.fixed.points))[1].mean()
        distance, _ = cKDTree(self.fixed.outline).query(transforms.apply(matrix, self.moving.outline))
        near = np.exp(-0.5 * (distance / (OUTLINE_WIDTH * self.spacing)) ** 2).mean()
        return float(0.25 * (self.overlap(matrix) + covered) + 0.5 * near)

    def _raster(self, modality: str, width: float) -> Raster:
        """The fixed section's raster of a modality's components; of no modality ("") its density alone."""
        if (modality, width) not in self._rasters:
            one = self.fixed.components.get(modality)
            points = self.fixed.points if one is None else self.fixed.points[one.rows]
            values = np.zeros((len(points), 0)) if one is None else one.values
            relative = width * self.spacing / self.fixed.spacing
            self._rasters[modality, width] = rasterise(points, values, self.fixed.spacing, relative)
        return self._rasters[modality, width]

    def _moving_density(self) -> Raster:
        key = ("moving", 1.0)
        if key not in self._rasters:
            points = self.moving.points
            relative = self.spacing / self.moving.spacing
            self._rasters[key] = rasterise(points, np.zeros((len(points), 0)), self.moving.spacing, relative)
        return self._rasters[key]
