"""How well domains predict the measurements at hidden spots.

A spot is hidden twice. First, its domain is taken from its neighbours alone: the most frequent of theirs. Second, the
mean of each domain is computed in blocks of the tissue other than the spot's own. So a domain only helps if adjacent
spots have it, and if it means the same in another part of the tissue. A method that groups single spots because their
noise is similar gains nothing, since the noise of a spot is independent of its neighbours.

Each section is predicted from itself. Otherwise domains that correspond across sections would predict a section from
its equal in the next one, whether or not expression has to do with them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from spatialweave.assess.intervals import BlockDraws
from spatialweave.blocks.cross_prediction import FOLD_OF_BLOCK, N_FOLDS
from spatialweave.blocks.ratios import N_BLOCKS, block_numbers
from spatialweave.errors import InputError
from spatialweave.graphs.matrices import edges
from spatialweave.graphs.smoothing import scaled
from spatialweave.graphs.spatial import knn, rows_by_group
from spatialweave.io.dataset import Dataset
from spatialweave.io.notices import InputWarning
from spatialweave.io.result_tables import ALL

N_NEIGHBOURS = 8
"""Number of nearest spots that determine the domain of a hidden spot."""

SHRINKAGE = 10.0
"""Number of pseudo-spots by which the mean of a domain is shrunk to the mean of all spots, so that a domain with few
spots in the other blocks predicts little. It equals the ridge penalty of the registration."""

AT_ONCE = 200_000
"""Sums of values over draws that are computed at once, so that the few arrays of them stay in the cache."""


@dataclass(frozen=True)
class BlockSums:
    """Sums over the spots of each block, from which follows what the means of domains explain.

    Attributes
    ----------
    values
        Sections x :data:`N_BLOCKS` x domains x dimensions: sums of the values.
    spots
        Sections x blocks x domains: numbers of spots.
    squares
        Sections x blocks: sums of the squared values.
    """

    values: np.ndarray
    spots: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, domains: np.ndarray, values: np.ndarray, blocks: np.ndarray, n_sections: int) -> BlockSums:
        """Return those of `values` (spots x dimensions) in domains (codes from 0) and blocks of all sections."""
        n_domains, n_blocks = int(domains.max(initial=0)) + 1, n_sections * N_BLOCKS
        cell = blocks * n_domains + domains
        indicator = sparse.csr_matrix(
            (np.ones(len(cell)), (cell, np.arange(len(cell)))), shape=(n_blocks * n_domains, len(cell))
        )
        shape = (n_sections, N_BLOCKS, n_domains)
        return cls(
            np.asarray(indicator @ values).reshape(*shape, -1),
            np.bincount(cell, minlength=n_blocks * n_domains).reshape(shape).astype(np.float64),
            np.bincount(blocks, (values**2).sum(axis=1), minlength=n_blocks).reshape(shape[:2]),
        )

    def explained(self, times: np.ndarray, refit: bool = True) -> np.ndarray:
        """Return the fraction of the variance that the means of domains explain, each computed in other folds.

        Let m be the mean of all spots of the other folds of the section, and m_d that of their spots of domain d,
        shrunk to m by :data:`SHRINKAGE`. The result is the sum over spots of (y - m)^2 - (y - m_d)^2, over that of
        (y - m)^2.

        Parameters
        ----------
        times
            Draws x blocks of all sections: how often each block counts.
        refit
            Whether it counts as often for the means, or once.

        Returns
        -------
        Draws x sections: the contribution of each section, whose sum is the fraction of the variance of all.
        """
        n_draws = len(times)
        weights = times.reshape(n_draws, -1, N_BLOCKS).swapaxes(0, 1)
        # Each draw has sums of its own, as many numbers as the values of one block of all sections.
        n_parts = -(-n_draws * self.values[:, 0].size // AT_ONCE)
        parts = [self._explained(part, refit) for part in np.array_split(weights, min(n_parts, n_draws), axis=1)]
        explained, total = (np.concatenate(of_parts, axis=1) for of_parts in zip(*parts, strict=True))
        return np.asarray((explained / np.maximum(total.sum(axis=0), 1e-12)).T)

    def _explained(self, weights: np.ndarray, refit: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums over spots of (y - m)^2 - (y - m_d)^2 and of (y - m)^2, both sections x draws.

        `weights` are sections x draws x blocks.
        """
        of_means = weights if refit else np.ones((len(weights), 1, N_BLOCKS))
        explained, total = np.zeros(weights.shape[:2]), np.zeros(weights.shape[:2])
        for fold in range(N_FOLDS):
            inside = np.equal(FOLD_OF_BLOCK, fold)
            held_out, n_held_out = self._sums(weights, inside)
            fitted, counted = self._sums(of_means, ~inside)
            mean = fitted.sum(axis=2) / np.maximum(counted.sum(axis=2), 1.0)[..., None]
            # Difference between the mean of each domain and the mean of all spots.
            apart = (fitted - counted[..., None] * mean[:, :, None]) / (counted[..., None] + SHRINKAGE)
            hidden = held_out - n_held_out[..., None] * mean[:, :, None]
            explained += ((2.0 * hidden - n_held_out[..., None] * apart) * apart).sum(axis=(2, 3))
            n_spots = n_held_out.sum(axis=2)[..., None]
            total += (weights[..., inside] @ self.squares[:, inside, None])[..., 0]
            total -= ((2.0 * held_out.sum(axis=2) - n_spots * mean) * mean).sum(axis=2)
        return explained, total

    def _sums(self, weights: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of the values (sections x draws x domains x dimensions) and of the spots in some blocks."""
        n_sections, _, n_domains, n_dimensions = self.values.shape
        values = weights[..., blocks] @ self.values[:, blocks].reshape(n_sections, -1, n_domains * n_dimensions)
        return values.reshape(*values.shape[:2], n_domains, n_dimensions), weights[..., blocks] @ self.spots[:, blocks]


@dataclass(frozen=True)
class Explained:
    """Fraction of the variance at hidden spots that domains explain: the mean over `parts`, e.g. modalities."""

    parts: tuple[BlockSums, ...]

    def values(self, times: np.ndarray, refit: bool = True) -> np.ndarray:
        """Return it with each block counted `times` (draws x blocks) times: one number per draw.

        `refit` is explained in :meth:`BlockSums.explained`.
        """
        return np.asarray(self._by_section(times, refit).sum(axis=1))

    @cached_property
    def by_section(self) -> np.ndarray:
        """The contribution of each section, with every block counted once."""
        return np.asarray(self._by_section(np.ones((1, self.parts[0].squares.size)))[0])

    @property
    def value(self) -> float:
        """It with every block counted once."""
        return float(self.by_section.sum())

    def _by_section(self, times: np.ndarray, refit: bool = True) -> np.ndarray:
        return np.asarray(np.mean([part.explained(times, refit) for part in self.parts], axis=0))

    @classmethod
    def mean_of(cls, several: Iterable[Explained]) -> Explained:
        """Return the mean of several with equally many parts."""
        return cls(tuple(part for one in several for part in one.parts))


@dataclass(frozen=True)
class HiddenSpots:
    """Spots of a dataset, prepared for hiding.

    Attributes
    ----------
    neighbours
        CSR, spots x spots: the nearest spots of each spot.
    blocks
        int64, one per spot: :data:`N_BLOCKS` per section.
    n_sections
        Number of sections.
    modalities
        Name -> latents of the spots that have the modality (float64, scaled to a total variance of 1), and which spots
        those are (ascending rows).
    """

    neighbours: sparse.csr_matrix
    blocks: np.ndarray
    n_sections: int
    modalities: dict[str, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, dataset: Dataset) -> HiddenSpots:
        """Return those of a dataset; modalities with constant latents are left out, since there is nothing to predict.

        Raises
        ------
        InputError
            When no modality varies.
        """
        sections = dataset.section_of_spot
        blocks = np.empty(dataset.n_spots, dtype=np.int64)
        for number, (_, rows) in enumerate(rows_by_group(sections)):
            blocks[rows] = number * N_BLOCKS + block_numbers(dataset.coordinates[rows], dataset.coordinates[rows])
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
        return cls(neighbours, blocks, len(dataset.sections), varying)

    def explained(self, domains: np.ndarray, spots: np.ndarray | None = None) -> dict[str, Explained]:
        """Return the fraction of the variance at hidden spots that `domains` (from 0) explain, by modality and for all.

        It is below 0 if the domains predict worse than the mean of all spots.

        Parameters
        ----------
        spots
            Which spots are predicted, and from which (bool); None = all.
        """
        seen = voted(domains, self.neighbours)
        found = {}
        for name, (values, rows) in self.modalities.items():
            used = slice(None) if spots is None else spots[rows]
            sums = BlockSums.of(seen[rows[used]], values[used], self.blocks[rows[used]], self.n_sections)
            found[name] = Explained((sums,))
        return found | {ALL: Explained.mean_of(found.values())}

    def draws(self) -> BlockDraws:
        """Return draws of the blocks of all sections."""
        return BlockDraws.of(self.blocks, self.n_sections * N_BLOCKS)


def voted(domains: np.ndarray, neighbours: sparse.csr_matrix) -> np.ndarray:
    """Return the most frequent domain (from 0) among each spot's neighbours, without the spot itself.

    Ties go to the lower number. A spot without neighbours keeps its own domain.
    """
    i, j = edges(neighbours)
    n_domains = int(domains.max()) + 1
    votes = np.bincount(i * n_domains + domains[j], minlength=len(domains) * n_domains).reshape(len(domains), n_domains)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), domains)
