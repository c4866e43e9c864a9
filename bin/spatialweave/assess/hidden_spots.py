"""How well domains predict what was measured at spots that are hidden.

A spot is hidden twice. Its domain is taken from its neighbours alone: the most frequent of theirs. And the mean of each
domain is computed in blocks of the tissue other than the spot's own. So a domain is worth something only where spots
beside each other have it, and where it means the same in another part of the tissue. A method that puts single spots
together because their noise is alike gains nothing: the noise of a spot says nothing about its neighbours.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from spatialweave.alignment.block_ratios import N_BLOCKS, BlockRatios, block_numbers, joined
from spatialweave.alignment.cross_prediction import FOLD_OF_BLOCK, N_FOLDS
from spatialweave.errors import InputError
from spatialweave.graphs.matrices import edges
from spatialweave.graphs.smoothing import scaled
from spatialweave.graphs.spatial import knn, section_rows
from spatialweave.io.dataset import Dataset
from spatialweave.io.notices import InputWarning

ALL = "all"
"""In place of a modality's name: the mean over modalities."""

N_NEIGHBOURS = 8
"""Nearest spots that say in which domain a hidden spot is."""

SHRINKAGE = 10.0
"""The mean of a domain is drawn to that of all spots as if so many spots more had the latter: a domain with few spots
in the other blocks predicts little. As many as the ridge penalty of the registration."""


@dataclass(frozen=True)
class HiddenSpots:
    """The spots of a dataset, ready to be hidden.

    Attributes
    ----------
    neighbours
        CSR, spots x spots: the nearest spots of each.
    blocks
        int64, one per spot: 25 blocks per section.
    folds
        int64, one per block; no two adjacent blocks have the same.
    modalities
        By name the latents of the spots that have the modality (float64, scaled to a total variance of 1), and which
        spots those are (ascending rows).
    """

    neighbours: sparse.csr_matrix
    blocks: np.ndarray
    folds: np.ndarray
    modalities: dict[str, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, dataset: Dataset) -> HiddenSpots:
        """Those of a dataset; of modalities whose latents are constant there is nothing to predict.

        Raises
        ------
        InputError
            When no modality varies.
        """
        sections = dataset.obs["section"].astype(str).to_numpy()
        blocks = np.empty(dataset.n_spots, dtype=np.int64)
        for number, (_, rows) in enumerate(section_rows(sections)):
            blocks[rows] = number * N_BLOCKS + block_numbers(dataset.coordinates[rows], dataset.coordinates[rows])
        folds = np.tile(FOLD_OF_BLOCK, len(dataset.sections))
        modalities = {
            modality.name: (scaled(modality)[modality.present].astype(np.float64), np.flatnonzero(modality.present))
            for modality in dataset.modalities
        }
        varying = {name: (values, rows) for name, (values, rows) in modalities.items() if values.any()}
        if not varying:
            raise InputError("latents", "those of all modalities are constant", "values that differ between spots")
        with warnings.catch_warnings():
            # GRAPH has already warned of sections that are smaller than this.
            warnings.simplefilter("ignore", InputWarning)
            neighbours = knn(dataset.coordinates, sections, N_NEIGHBOURS)
        return cls(neighbours, blocks, folds, varying)

    def explained(self, domains: np.ndarray) -> dict[str, BlockRatios]:
        """The fraction of the variance at hidden spots that `domains` (from 0) explain: of each modality, and of all.

        Below 0 where the domains predict worse than the mean of all spots does.
        """
        seen = voted(domains, self.neighbours)
        found = {
            name: explained_by_means(seen[rows], values, self.blocks[rows], self.folds)
            for name, (values, rows) in self.modalities.items()
        }
        return found | {ALL: mean_of(list(found.values()))}

    @property
    def occupied(self) -> np.ndarray:
        """Which blocks have spots (bool)."""
        return np.bincount(self.blocks, minlength=len(self.folds)) > 0


def mean_of(ratios: list[BlockRatios]) -> BlockRatios:
    """The mean of several scores of the same blocks."""
    return joined([(1.0 / len(ratios), one) for one in ratios])


def voted(domains: np.ndarray, neighbours: sparse.csr_matrix) -> np.ndarray:
    """The most frequent domain (from 0) among each spot's neighbours, itself excluded.

    Of equally frequent ones the lower. A spot without neighbours keeps its own.
    """
    i, j = edges(neighbours)
    n_domains = int(domains.max()) + 1
    votes = np.bincount(i * n_domains + domains[j], minlength=len(domains) * n_domains).reshape(len(domains), n_domains)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), domains)


def explained_by_means(domains: np.ndarray, values: np.ndarray, blocks: np.ndarray, folds: np.ndarray) -> BlockRatios:
    """The fraction of the variance of `values` that the means of domains explain, each computed in other folds.

    With m the mean of all spots of the other folds and m_d that of their spots of domain d, drawn to m by
    :data:`SHRINKAGE`: per block the sum of (y - m)^2 - (y - m_d)^2, over the sum of (y - m)^2.

    Parameters
    ----------
    domains
        Codes from 0, one per spot.
    values
        Spots x dimensions.
    blocks
        One per spot.
    folds
        One per block.
    """
    n_domains, n_blocks = int(domains.max()) + 1, len(folds)
    cell = blocks * n_domains + domains
    indicator = sparse.csr_matrix(
        (np.ones(len(cell)), (cell, np.arange(len(cell)))), shape=(n_blocks * n_domains, len(cell))
    )
    sums = np.asarray(indicator @ values).reshape(n_blocks, n_domains, -1)
    spots = np.bincount(cell, minlength=n_blocks * n_domains).reshape(n_blocks, n_domains).astype(np.float64)
    squares = np.bincount(blocks, (values**2).sum(axis=1), minlength=n_blocks)
    explained, total = np.zeros(n_blocks), np.zeros(n_blocks)
    for fold in range(N_FOLDS):
        others, own = folds != fold, folds == fold
        known, counted = sums[others].sum(axis=0), spots[others].sum(axis=0)
        mean = known.sum(axis=0) / max(counted.sum(), 1.0)
        # How far the mean of each domain lies from that of all.
        apart = (known - counted[:, None] * mean) / (counted[:, None] + SHRINKAGE)
        hidden = sums[own] - spots[own][..., None] * mean
        explained[own] = 2.0 * np.einsum("bkd,kd->b", hidden, apart) - spots[own] @ (apart**2).sum(axis=1)
        n_own = spots[own].sum(axis=1)
        total[own] = squares[own] - 2.0 * sums[own].sum(axis=1) @ mean + n_own * (mean @ mean)
    return BlockRatios(explained[None], total[None], np.ones(1))
