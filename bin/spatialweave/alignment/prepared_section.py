"""Section prepared for registration: pooled if it has many spots, with its spatial components and its outline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spatialweave.alignment.outline import outline
from spatialweave.alignment.spatial_components import SectionLatents, SpatialComponents, spatial_components
from spatialweave.graphs import spatial

MOST_SPOTS = 30_000
"""Sections with more spots are pooled to about this number."""

FEWEST_IN_PART = 20
"""A part of a section has a modality if at least this many of its spots have it."""


@dataclass(frozen=True)
class UnpreparedSection:
    """Section before preparation.

    Attributes
    ----------
    points
        n x 2.
    features
        Modality -> latents (n x d) and whether each spot has them (n).
    least_spacing
        If the section's spacing is smaller, it is pooled to this one, in the units of the points.
    """

    points: np.ndarray
    features: Mapping[str, tuple[np.ndarray, np.ndarray]]
    least_spacing: float


@dataclass(frozen=True)
class PreparedSection:
    """Section with at most about :data:`MOST_SPOTS` spots.

    Attributes
    ----------
    points
        Coordinates (n x 2), pooled if there were too many spots.
    spacing
        Spacing of these.
    components
        Modality -> its spatial components; modalities without any are left out.
    outline
        Coordinates of the outline's spots (m x 2).
    """

    points: np.ndarray
    spacing: float
    components: dict[str, SpatialComponents]
    outline: np.ndarray

    def part(self, spots: np.ndarray, border: np.ndarray) -> PreparedSection:
        """Return the section with some of the spots (n, bool), their components and some of the outline (m, bool).

        A modality with fewer than :data:`FEWEST_IN_PART` of these spots is left out.
        """
        parts = {
            name: one.part(self.points, spots)
            for name, one in self.components.items()
            if spots[one.rows].sum() >= FEWEST_IN_PART
        }
        return replace(self, points=self.points[spots], components=parts, outline=self.outline[border])


def prepare(sections: Sequence[UnpreparedSection]) -> list[PreparedSection]:
    """Pool sections with more spots than needed, and compute their spatial components and outlines.

    A modality that all sections have, with latents of the same dimensions, has the same components in all of them.
    """
    pooled = [_pooled_where_needed(section) for section in sections]
    components: list[dict[str, SpatialComponents]] = [{} for _ in sections]
    for name in sorted({name for one in pooled for name in one.features}):
        having = [index for index, one in enumerate(pooled) if name in one.features]
        widths = {pooled[index].features[name][0].shape[1] for index in having}
        together = [having] if len(widths) == 1 else [[index] for index in having]
        for group in together:
            latents = [_latents(pooled[index], name) for index in group]
            for index, found in zip(group, spatial_components(latents) or [], strict=False):
                components[index][name] = found
    return [
        PreparedSection(section.points, section.least_spacing, parts, section.points[outline(section.points)])
        for section, parts in zip(pooled, components, strict=True)
    ]


def _latents(section: UnpreparedSection, name: str) -> SectionLatents:
    latents, present = section.features[name]
    return SectionLatents(section.points, latents, np.flatnonzero(present))


def _pooled_where_needed(section: UnpreparedSection) -> UnpreparedSection:
    """Return the section, pooled if it has too many spots, with `least_spacing` set to its spacing."""
    points, features = section.points, section.features
    spacing = spatial.spacing(points)
    crowded = spacing * np.sqrt(len(points) / MOST_SPOTS) if len(points) > MOST_SPOTS else 0.0
    cell = max(section.least_spacing, crowded)
    if cell > spacing:
        points, features = pool(points, features, cell)
        spacing = spatial.spacing(points)
    return UnpreparedSection(points, features, spacing)


def pool(
    points: np.ndarray, features: Mapping[str, tuple[np.ndarray, np.ndarray]], cell: float
) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Pool to one spot per occupied square of side `cell`: mean coordinates, and mean latents of spots with latents."""
    column, row = np.floor((points - points.min(axis=0)) / cell).astype(np.int64).T
    _, square = np.unique(row * (column.max() + 1) + column, return_inverse=True)
    n_squares = int(square.max()) + 1
    count = np.bincount(square, minlength=n_squares)
    means = np.column_stack([np.bincount(square, axis, n_squares) / count for axis in points.T])
    pooled = {}
    for name, (latents, present) in features.items():
        kept = np.asarray(present, dtype=bool)
        spots = np.bincount(square[kept], minlength=n_squares)
        columns = [np.bincount(square[kept], values[kept], n_squares) / np.maximum(spots, 1) for values in latents.T]
        pooled[name] = (np.column_stack(columns) if columns else np.zeros((n_squares, 0)), spots > 0)
    return means, pooled
