"""How well domains predict the measurements at hidden spots.

A spot is hidden twice. First, its domain is taken from its neighbours alone: the most frequent of theirs. Second, the
mean of each domain is computed in blocks of the tissue other than the spot's own. So a domain only helps if adjacent
spots have it, and if it means the same in another part of the tissue. A method that groups single spots because their
noise is similar gains nothing, since the noise of a spot is independent of its neighbours.
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
"""Used instead of a modality's name for the mean over modalities."""

N_NEIGHBOURS = 8
"""Number of nearest spots that determine the domain of a hidden spot."""

SHRINKAGE = 10.0
"""Number of pseudo-spots by which the mean of a domain is shrunk to the mean of all spots, so that a domain with few
spots in the other blocks predicts little. It equals the ridge penalty of the registration."""


@dataclass(frozen=True)
class HiddenSpots:
    """Spots of a dataset, prepared for hiding.

    Attributes
    ----------
    neighbours
        CSR, spots x spots: the nearest spots of each spot.
    blocks
        int64, one per spot: 25 blocks per section.
    folds
        int64, one per block; no two adjacent blocks have the same.
    modalities
        Name -> latents of the spots that have the modality (float64, scaled to a total variance of 1), and which spots
        those are (ascending rows).
    """

    neighbours: sparse.csr_matrix
    blocks: np.ndarray
    folds: np.ndarray
    modalities: dict[str, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, dataset: Dataset) -> HiddenSpots:
        """Return those of a dataset; modalities with constant latents are left out, since there is nothing to predict.

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
            raise InputError("latents", "all modalities have constant latents", "values that differ between spots")
        with warnings.catch_warnings():
            # GRAPH has already warned of sections that are smaller than this.
            warnings.simplefilter("ignore", InputWarning)
            neighbours = knn(dataset.coordinates, sections, N_NEIGHBOURS)
        return cls(neighbours, blocks, folds, varying)

    def explained(self, domains: np.ndarray) -> dict[str, BlockRatios]:
        """Return the fraction of the variance at hidden spots that `domains` (from 0) explain, by modality and for all.

        It is below 0 if the domains predict worse than the mean of all spots.
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
    """Return the mean of several scores of the same blocks."""
    return joined([(1.0 / len(ratios), one) for one in ratios])


def voted(domains: np.ndarray, neighbours: sparse.csr_matrix) -> np.ndarray:
    """Return the most frequent domain (from 0) among each spot's neighbours, without the spot itself.

    Ties go to the lower number. A spot without neighbours keeps its own domain.
    """
    i, j = edges(neighbours)
    n_domains = int(domains.max()) + 1
    votes = np.bincount(i * n_domains + domains[j], minlength=len(domains) * n_domains).reshape(len(domains), n_domains)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), domains)


def explained_by_means(domains: np.ndarray, values: np.ndarray, blocks: np.ndarray, folds: np.ndarray) -> BlockRatios:
    """Return the fraction of the variance of `values` that the means of domains explain, each computed in other folds.

    Let m be the mean of all spots of the other folds, and m_d that of their spots of domain d, shrunk to m by
    :data:`SHRINKAGE`. The result per block is the sum of (y - m)^2 - (y - m_d)^2, over the sum of (y - m)^2.

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
        others, held_out = folds != fold, folds == fold
        fitted, counted = sums[others].sum(axis=0), spots[others].sum(axis=0)
        mean = fitted.sum(axis=0) / max(counted.sum(), 1.0)
        # Difference between the mean of each domain and the mean of all spots.
        apart = (fitted - counted[:, None] * mean) / (counted[:, None] + SHRINKAGE)
        hidden = sums[held_out] - spots[held_out][..., None] * mean
        explained[held_out] = 2.0 * np.einsum("bkd,kd->b", hidden, apart) - spots[held_out] @ (apart**2).sum(axis=1)
        n_held_out = spots[held_out].sum(axis=1)
        total[held_out] = squares[held_out] - 2.0 * sums[held_out].sum(axis=1) @ mean + n_held_out * (mean @ mean)
    return BlockRatios(explained[None], total[None], np.ones(1))
