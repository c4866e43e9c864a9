"""Scores of a transform that moves one section onto another: cross-prediction, overlap and agreement of the shapes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from spatialweave.alignment import transforms
from spatialweave.alignment.prepared_section import PreparedSection
from spatialweave.alignment.raster import Raster, rasterise
from spatialweave.alignment.spatial_components import SpatialComponents
from spatialweave.alignment.transforms import Matrix
from spatialweave.blocks.cross_prediction import explained_by_all, explained_by_same
from spatialweave.blocks.ratios import N_BLOCKS, BlockRatios, block_numbers, joined

OUTLINE_WIDTH = 1.0
"""Width of the Gaussian of the distance between outlines, in spacings."""


@dataclass
class RegistrationScore:
    """Scores transforms that move `moving` onto `fixed`; rasters are made once per modality and width.

    Blocks are those of :func:`~spatialweave.blocks.ratios.block_numbers` on the whole moving section; `moving`
    may be a part of it.

    Attributes
    ----------
    frame
        Coordinates of the whole moving section (n x 2).
    """

    fixed: PreparedSection
    moving: PreparedSection
    frame: np.ndarray
    _rasters: dict[tuple[str, float], Raster] = field(default_factory=dict)
    _rows: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    _density: list[Raster] = field(default_factory=list)

    @property
    def spacing(self) -> float:
        """The larger spacing of the two sections, the unit of all widths."""
        return max(self.fixed.spacing, self.moving.spacing)

    @property
    def has_features(self) -> bool:
        """Whether both sections have spatial components."""
        return bool(self.fixed.components and self.moving.components)

    @property
    def shared_modalities(self) -> list[str]:
        """Modalities with the same components in both sections."""
        return [name for name, one in self.moving.components.items() if one.shared]

    def part(self, blocks: np.ndarray) -> RegistrationScore:
        """Return the scores of the moving spots in some of the blocks (bool, blocks); fixed rasters are shared."""
        points, outline = self.moving.points, self.moving.outline
        spots, border = (blocks[block_numbers(of, self.frame)] for of in (points, outline))
        return RegistrationScore(self.fixed, self.moving.part(spots, border), self.frame, self._rasters)

    def cross_prediction(self, matrix: Matrix, width: float, most: int, averaged: bool = True) -> float:
        """Return the fraction of each section's variance that the other explains (see :meth:`evidence`)."""
        return self.evidence(matrix, width, most, averaged).value

    def evidence(self, matrix: Matrix, width: float, most: int, averaged: bool = True) -> BlockRatios:
        """Return the fraction of the variance of each section's components that the other's components explain.

        It is the mean over both directions and over the pairs of modalities (:meth:`_modality_pairs`) of the sums of
        squares explained in held-out blocks (:mod:`~spatialweave.blocks.cross_prediction`): the moving spots'
        components predicted from the fixed section's raster, and the reverse. Each sum is divided by the sum of squares
        over *all* moving spots. Spots outside the fixed section count as not explained, so that a small overlap cannot
        win by chance. The fraction is at most 1, about 0 if the sections have nothing in common, and 0 without
        features.

        Parameters
        ----------
        width
            Width of the fixed section's rasters, in spacings.
        most
            Number of moving spots to use, evenly sampled.
        averaged
            Whether the moving spots' components are averaged over neighbours. Averaging separates right from wrong
            transforms better. But averages at a border are shifted inwards, and single spots give the finest detail.
        """
        explained, whole = [], []
        for moving_name, name in self._modality_pairs():
            one, other = self.moving.components[moving_name], self.fixed.components[name]
            rows, ends = self._rows_by_block(moving_name, most)
            targets = (one.smooth if averaged else one.values)[rows]
            points = transforms.apply(matrix, self.moving.points[one.rows[rows]])
            read, inside = self._raster(name, width).read(points)
            squares = explained_by_same if self.shared_modalities else explained_by_all
            explained += [squares(read, targets, inside, ends), squares(targets, read, inside, ends)]
            upto = np.append(0.0, np.cumsum((targets**2).sum(axis=1)))[ends]
            variance = (other.smooth**2).sum() / len(other.rows)
            whole += [np.diff(upto, prepend=0.0), variance * np.diff(ends, prepend=0)]
        if not explained:
            return BlockRatios.none()
        return BlockRatios(np.array(explained), np.array(whole), np.full(len(whole), 1.0 / len(whole)))

    def overlap(self, matrix: Matrix) -> float:
        """Return the fraction of the moving spots that are inside the fixed section."""
        return float(self._inside(matrix).mean())

    def common(self, matrix: Matrix) -> float:
        """Return the fraction of spots inside the other section, for the section in which it is smaller."""
        sides = self.coverage(matrix)
        return float((sides.numerators.sum(axis=1) / np.maximum(sides.denominators.sum(axis=1), 1.0)).min())

    def shape_agreement(self, matrix: Matrix) -> float:
        """Return the agreement of the shapes, 0 to 1 (see :meth:`shape`)."""
        return self.shape(matrix).value

    def shape(self, matrix: Matrix) -> BlockRatios:
        """Return the agreement of the shapes, 0 to 1: half :meth:`coverage`, half :meth:`outline_agreement`."""
        return joined([(0.5, self.coverage(matrix)), (0.5, self.outline_agreement(matrix))])

    def coverage(self, matrix: Matrix) -> BlockRatios:
        """Return the fraction of spots that are inside the other section, mean of both sections.

        Each fixed spot is counted in the block of the moving section that contains it.
        """
        moved_back = transforms.apply(np.linalg.inv(matrix), self.fixed.points)
        sides = [(self._inside(matrix), self.moving.points), (self._moving_density().read(moved_back)[1], moved_back)]
        return joined([(0.5, self._mean_by_block(values, points)) for values, points in sides])

    def outline_agreement(self, matrix: Matrix) -> BlockRatios:
        """Return the mean over the moving outline's spots of a Gaussian of the distance to the fixed outline.

        The Gaussian has the width :data:`OUTLINE_WIDTH`, so that a missing edge costs its own length only.
        """
        distance, _ = cKDTree(self.fixed.outline).query(transforms.apply(matrix, self.moving.outline))
        near = np.exp(-0.5 * (distance / (OUTLINE_WIDTH * self.spacing)) ** 2)
        return self._mean_by_block(near, self.moving.outline)

    def _mean_by_block(self, values: np.ndarray, points: np.ndarray) -> BlockRatios:
        """Return the mean of values at points of the moving section."""
        block = block_numbers(points, self.frame)
        count = np.bincount(block, minlength=N_BLOCKS).astype(np.float64)
        return BlockRatios(np.bincount(block, values, N_BLOCKS)[None], count[None], np.ones(1))

    def _modality_pairs(self) -> list[tuple[str, str]]:
        """Return the pairs of modalities, moving and fixed, that can predict each other.

        Where sections share components, only these are paired: they are more informative than RNA is about protein.
        """
        if self.shared_modalities:
            return [(name, name) for name in self.shared_modalities]
        return [(own, name) for own in self.moving.components for name in self.fixed.components]

    def _rows_by_block(self, modality: str, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return at most `most` evenly spaced rows of a modality by block, and their number up to each block's end."""
        if (modality, most) not in self._rows:
            one: SpatialComponents = self.moving.components[modality]
            rows = np.arange(0, len(one.rows), max(1, -(-len(one.rows) // most)))
            block = block_numbers(self.moving.points[one.rows[rows]], self.frame)
            ends = np.cumsum(np.bincount(block, minlength=N_BLOCKS))
            self._rows[modality, most] = rows[np.argsort(block, kind="stable")], ends
        return self._rows[modality, most]

    def _inside(self, matrix: Matrix) -> np.ndarray:
        """Return to what extent each moving spot is inside the fixed section (n, 0 to 1)."""
        return self._raster("", 1.0).read(transforms.apply(matrix, self.moving.points))[1]

    def _raster(self, modality: str, width: float) -> Raster:
        """Return the fixed section's raster of a modality's components; for no modality ("") its density alone."""
        if (modality, width) not in self._rasters:
            one = self.fixed.components.get(modality)
            points = self.fixed.points if one is None else self.fixed.points[one.rows]
            values = np.zeros((len(points), 0)) if one is None else one.values
            relative = width * self.spacing / self.fixed.spacing
            self._rasters[modality, width] = rasterise(points, values, self.fixed.spacing, relative)
        return self._rasters[modality, width]

    def _moving_density(self) -> Raster:
        # Not shared with parts, unlike the rasters of the fixed section.
        if not self._density:
            points, relative = self.moving.points, self.spacing / self.moving.spacing
            self._density.append(rasterise(points, np.zeros((len(points), 0)), self.moving.spacing, relative))
        return self._density[0]
