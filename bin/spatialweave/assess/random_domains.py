"""Random domains that depend on the tissue but not on the measurements, with the number, sizes (in each section) and
smoothness of given ones.

If expression is smooth, any smooth partition of the tissue explains some of it. What domains explain is therefore
compared with what such random domains explain. They are level sets of random fields on a tissue of any outline: sums of
cosines with random directions, phases and wavelengths, which is a Gaussian field with the covariance exp(-d^2 / 2 l^2)
(Rahimi and Recht, NIPS 2007). The length l, and a fraction of single spots whose domains are exchanged, are chosen such
that spots at several distances are in the same domain as often as in the given partition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from spatialweave.graphs.spatial import rows_by_group
from spatialweave.io.layout import spacing

LAGS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Distances in spot spacings at which the smoothness of two partitions is compared."""

PAIRS = 20_000
"""Largest number of pairs of spots per distance."""

LENGTHS = 0.5 * 2.0 ** np.arange(0.0, 8.0, 0.5)
"""Candidate lengths in spot spacings, used up to half the extent of the tissue."""

TRIALS = 3
"""Random partitions per length; their mean smoothness is compared."""

WAVES = 96
"""Number of cosines per field."""


@dataclass(frozen=True)
class Tissue:
    """Positions of the spots, and pairs of spots by distance.

    Attributes
    ----------
    points
        float64, spots x 2, in spot spacings, from the corner of the section.
    sections
        Rows of the spots of each section.
    pairs
        For each distance of :data:`LAGS` that occurs in the tissue, the rows of pairs of spots of one section.
    extent
        Extent of the widest section, in spot spacings.
    """

    points: np.ndarray
    sections: list[np.ndarray]
    pairs: list[tuple[np.ndarray, np.ndarray]]
    extent: float

    @classmethod
    def of(cls, coordinates: np.ndarray, sections: np.ndarray, seed: int) -> Tissue:
        """Return the tissue of spots at `coordinates` (spots x 2)."""
        rng = np.random.default_rng(seed)
        points = np.empty(np.shape(coordinates), dtype=np.float64)
        extent = 0.0
        found: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in LAGS]
        of_sections = [rows for _, rows in rows_by_group(sections)]
        for rows in of_sections:
            section_points = np.asarray(coordinates[rows], dtype=np.float64)
            section_points = (section_points - section_points.min(axis=0)) / (spacing(section_points) or 1.0)
            points[rows] = section_points
            extent = max(extent, float(np.ptp(section_points, axis=0).max()))
            most = max(1, PAIRS * len(rows) // len(coordinates))
            tree = cKDTree(section_points)
            for lag, pairs in zip(LAGS, found, strict=True):
                pairs.append(tuple(rows[side] for side in _pairs_at(section_points, tree, lag, most, rng)))
        joined = [(np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])) for pairs in found]
        return cls(points, of_sections, [pairs for pairs in joined if len(pairs[0])], extent)

    def together(self, domains: np.ndarray) -> np.ndarray:
        """Return, per distance, the fraction of pairs that are in the same domain."""
        return np.array([np.mean(domains[a] == domains[b]) for a, b in self.pairs])


def _pairs_at(
    points: np.ndarray, tree: cKDTree, lag: float, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of spots about `lag` apart: random spots, and the nearest spot there in a random direction."""
    start = rng.choice(len(points), min(most, len(points)), replace=False)
    angle = rng.uniform(0.0, 2.0 * np.pi, len(start))
    distance, end = tree.query(points[start] + lag * np.column_stack([np.cos(angle), np.sin(angle)]))
    near = (distance < 0.75) & (end != start)
    return start[near], end[near]


@dataclass(frozen=True)
class RandomDomains:
    """Sampler of random domains similar to given ones.

    Attributes
    ----------
    sizes
        Sections x domains: spots per domain in each section.
    length
        Length of the random fields, in spot spacings.
    exchanged
        Fraction of the spots whose domains are exchanged at random.
    """

    tissue: Tissue
    sizes: np.ndarray
    length: float
    exchanged: float

    @classmethod
    def like(cls, tissue: Tissue, domains: np.ndarray, seed: int) -> RandomDomains:
        """Fit a sampler of domains that are similar to `domains` (codes from 0)."""
        codes = np.unique(domains, return_inverse=True)[1]
        sizes = np.array([np.bincount(codes[rows], minlength=codes.max() + 1) for rows in tissue.sections])
        target = tissue.together(domains) - _by_chance(sizes)
        best = (np.inf, float(LENGTHS[0]), 1.0)
        longest = max(tissue.extent / 2.0, LENGTHS[0])
        for length in LENGTHS[longest >= LENGTHS]:
            trial = cls(tissue, sizes, float(length), 0.0)
            rng = np.random.default_rng(seed)
            waves = trial.waves(rng)
            smooth = np.mean([tissue.together(trial.draw(waves, rng)) for _ in range(TRIALS)], axis=0)
            smooth -= _by_chance(sizes)
            # If a fraction e of the spots is exchanged, a pair stays unchanged with probability (1 - e)^2.
            kept = float(np.clip(smooth @ target / max(smooth @ smooth, 1e-300), 0.0, 1.0))
            misfit = float(np.sum((target - kept * smooth) ** 2))
            if misfit < best[0]:
                best = (misfit, float(length), 1.0 - np.sqrt(kept))
        return cls(tissue, sizes, best[1], best[2])

    def waves(self, rng: np.random.Generator) -> np.ndarray:
        """Return cosines and sines of random waves at every spot (float32, spots x 2 :data:`WAVES`)."""
        frequencies = rng.standard_normal((2, WAVES)) / self.length
        phase = self.tissue.points @ frequencies
        return np.concatenate([np.cos(phase), np.sin(phase)], axis=1).astype(np.float32)

    def draw(self, waves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw one random partition (codes from 0), with exactly the given sizes in every section."""
        n_domains = self.sizes.shape[1]
        domains = np.empty(len(waves), dtype=np.int64)
        for rows, sizes in zip(self.tissue.sections, self.sizes, strict=True):
            fields = waves[rows] @ rng.standard_normal((waves.shape[1], n_domains)).astype(np.float32)
            left = np.arange(len(rows))
            order = rng.permutation(np.flatnonzero(sizes))
            for domain in order[:-1]:
                # The spots with the highest values of the domain's field among those that are left.
                highest = np.argpartition(-fields[left, domain], sizes[domain] - 1)
                domains[rows[left[highest[: sizes[domain]]]]] = domain
                left = left[highest[sizes[domain] :]]
            domains[rows[left]] = order[-1]
            moved = rows[rng.random(len(rows)) < self.exchanged]
            domains[moved] = domains[rng.permutation(moved)]
        return domains


def _by_chance(sizes: np.ndarray) -> float:
    """Return the fraction of pairs of one section in the same domain, for sizes (sections x domains) without spatial
    structure.
    """
    spots = sizes.sum(axis=1)
    return float(np.sum((sizes / spots[:, None]) ** 2 * (spots / spots.sum())[:, None]))
