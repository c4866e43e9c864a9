"""A section prepared for registration: pooled where it has many spots, with its spatial components and its outline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spatialweave.alignment.outline import outline
from spatialweave.alignment.spatial_components import SpatialComponents, spatial_components
from spatialweave.graphs import spatial

MOST_SPOTS = 30_000
"""Sections with more spots are pooled to about this number."""


@dataclass(frozen=True)
class PreparedSection:
    """A section of at most about :data:`MOST_SPOTS` spots.

    Attributes
    ----------
    points
        Coordinates (n x 2), pooled where there were too many spots.
    spacing
        Of these.
    components
        Modality -> its spatial components; modalities without any are left out.
    outline
        Coordinates of the outline's spots (m x 2).
    """

    points: np.ndarray
    spacing: float
    components: dict[str, SpatialComponents]
    outline: np.ndarray


def prepare(
    points: np.ndarray, features: Mapping[str, tuple[np.ndarray, np.ndarray]], least_spacing: float
) -> PreparedSection:
    """Pool a section where it has more spots than needed, and find its spatial components and its outline.

    Parameters
    ----------
    points
        n x 2.
    features
        Modality -> latents (n x d) and whether each spot has them (n).
    least_spacing
        A section with a smaller spacing is pooled to this one, in the units of the points.
    """
    spacing = spatial.spacing(points)
    cell = max(least_spacing, spacing * np.sqrt(len(points) / MOST_SPOTS) if len(points) > MOST_SPOTS else 0.0)
    if cell > spacing:
        points, features = pool(points, features, cell)
        spacing = spatial.spacing(points)
    found = {
        name: spatial_components(points, latents, np.flatnonzero(present))
        for name, (latents, present) in features.items()
    }
    components = {name: one for name, one in found.items() if one is not None}
    return PreparedSection(points, spacing, components, points[outline(points)])


def pool(
    points: np.ndarray, features: Mapping[str, tuple[np.ndarray, np.ndarray]], cell: float
) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """One spot per occupied square of side `cell`: mean coordinates, and mean latents of the spots that have them."""
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
