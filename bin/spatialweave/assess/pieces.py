"""Sample of a large tissue in compact pieces, within which neighbours stay neighbours.

A random subset would have no neighbours left, and one crop would cover only one part of the tissue. The pieces lie in
the squares of a grid, so that each of the blocks that are drawn for intervals has some.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialweave.blocks.ratios import BLOCKS_PER_SIDE
from spatialweave.graphs.spatial import rows_by_group
from spatialweave.io.dataset import Dataset, Modality

SPOTS = 50_000
"""Larger datasets are assessed on about this many of their spots. Intervals come from blocks, so that more spots would
hardly change them."""

PIECES_PER_SIDE = 2 * BLOCKS_PER_SIDE
"""Squares per side and section: the bounding box is divided into 10 x 10 squares."""


def in_pieces(coordinates: np.ndarray, sections: np.ndarray, most: int = SPOTS) -> np.ndarray:
    """Return the rows of about `most` spots (ascending); all rows if there are no more.

    From every square of a grid over a section, the spots nearest to its median are taken, the same fraction of each
    square.

    Parameters
    ----------
    coordinates
        Spots x 2.
    sections
        The section of each spot.
    """
    n_spots = len(coordinates)
    if n_spots <= most:
        return np.arange(n_spots)
    chosen, seen = [], 0
    for _, rows in rows_by_group(sections):
        points = np.asarray(coordinates[rows], dtype=np.float64)
        extent = np.maximum(np.ptp(points, axis=0), 1e-300)
        cell = np.clip((points - points.min(axis=0)) / extent * PIECES_PER_SIDE, 0, PIECES_PER_SIDE - 1).astype(int)
        square = cell[:, 1] * PIECES_PER_SIDE + cell[:, 0]
        order = np.argsort(square, kind="stable")
        ends = np.cumsum(np.bincount(square))
        # Running totals are rounded, not single squares: a section of a few spots per square would lose all of them.
        kept = np.diff(np.rint((seen + np.append(0, ends)) * most / n_spots).astype(int))
        seen += len(rows)
        for inside, count in zip(np.split(order, ends[:-1]), kept, strict=True):
            if count:
                away = ((points[inside] - np.median(points[inside], axis=0)) ** 2).sum(axis=1)
                chosen.append(rows[inside[np.argsort(away, kind="stable")[:count]]])
    return np.sort(np.concatenate(chosen))


def part(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """Return a dataset of some of the spots, without graphs."""
    modalities = [Modality(m.name, m.latent[rows], m.present[rows]) for m in dataset.modalities]
    return replace(
        dataset, obs=dataset.obs.iloc[rows], coordinates=dataset.coordinates[rows], modalities=modalities, graphs={}
    )
