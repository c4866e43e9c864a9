"""A sample of a large tissue in compact pieces, in which neighbours of spots stay neighbours.

A random subset would have no neighbours left, and one crop would be of one part of the tissue. Pieces are where the
squares of a grid are, so that each of the blocks that are drawn for intervals has some.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialweave.alignment.block_ratios import BLOCKS_PER_SIDE
from spatialweave.graphs.spatial import section_rows
from spatialweave.io.dataset import Dataset, Modality

SPOTS = 100_000
"""Larger datasets are assessed by about so many of their spots."""

PIECES_PER_SIDE = 2 * BLOCKS_PER_SIDE
"""Per section: the bounding box is divided into 10 x 10 squares."""


def in_pieces(coordinates: np.ndarray, sections: np.ndarray, most: int = SPOTS) -> np.ndarray:
    """The rows of about `most` spots (ascending), all where there are no more.

    Of every square of a grid over a section the spots nearest to the middle of those in it, the same fraction of each.

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
    chosen = []
    for _, rows in section_rows(sections):
        points = np.asarray(coordinates[rows], dtype=np.float64)
        extent = np.maximum(np.ptp(points, axis=0), 1e-300)
        cell = np.clip((points - points.min(axis=0)) / extent * PIECES_PER_SIDE, 0, PIECES_PER_SIDE - 1).astype(int)
        square = cell[:, 1] * PIECES_PER_SIDE + cell[:, 0]
        order = np.argsort(square, kind="stable")
        for inside in np.split(order, np.cumsum(np.bincount(square))[:-1]):
            away = ((points[inside] - np.median(points[inside], axis=0)) ** 2).sum(axis=1) if len(inside) else inside
            kept = round(len(inside) * most / n_spots)
            chosen.append(rows[inside[np.argsort(away, kind="stable")[:kept]]])
    return np.sort(np.concatenate(chosen))


def part(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """A dataset of some of the spots, without graphs."""
    modalities = [Modality(m.name, m.latent[rows], m.present[rows]) for m in dataset.modalities]
    return replace(
        dataset, obs=dataset.obs.iloc[rows], coordinates=dataset.coordinates[rows], modalities=modalities, graphs={}
    )
