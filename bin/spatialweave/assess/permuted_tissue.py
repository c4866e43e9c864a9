"""Test whether a tissue has domains at all: the control on the tissue, and on the same tissue with permuted spots.

Permuting the spots keeps all measured values and destroys their positions. Everything that the control then finds is
made of noise. How well such domains seem to predict hidden spots shows how well those of any method would: the
neighbours' domains depend a little on the hidden spot itself, because methods average over neighbours. Since the whole
computation is repeated for every permutation, the test is exact for any statistic (Phipson and Smyth, Stat Appl Genet
Mol Biol 9:39, 2010), provided that spots of one section with the same modalities are exchangeable. Where a modality was
measured is not permuted: averages over neighbours use fewer spots at the border of a gap and within it, so gaps
scattered over the tissue would not be a valid null for a gap in one piece. The test does not cover differences between
spots with and without a modality.

The more spots an average is taken over, the less any single spot contributes. So domains of averaged noise seem to
predict less, the smoother they are. Weak signal of large domains shows only after averaging many times. So the control
averages more and less often here, and a run is compared with noise whose domains are about as smooth as its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.pieces import part
from spatialweave.domains.initial_partitions import kmeans_partition
from spatialweave.graphs.matrices import edges
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.graphs.spatial import rows_by_group
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.io.result_tables import ALL
from spatialweave.sampling import random_subset

SPOTS = 10_000
"""Larger datasets are tested on a random subset of this size, which also contains domains of the whole tissue."""

PERMUTATIONS = 39
"""Number of permutations; the smallest p value is 1 / 40."""

SIGNIFICANT = 0.05
"""Highest p value that counts as evidence."""

ROUNDS = (CONTROL_ROUNDS, 8, 32)
"""How often latents are averaged over neighbours, ascending."""


@dataclass(frozen=True)
class Averaged:
    """Fraction of the variance at hidden spots that domains of averaged latents explain, by modality and for all.

    Attributes
    ----------
    rounds
        Number of times the latents were averaged.
    found
        Value in the tissue.
    permuted
        Values in its permutations.
    smoothness
        Smoothness of the domains of the first permutation (:func:`smoothness`).
    """

    rounds: int
    found: dict[str, float]
    permuted: dict[str, np.ndarray]
    smoothness: float

    def standardised(self, modality: str) -> np.ndarray:
        """Return the value in the tissue, then those in the permutations, standardised by the mean and SD of all of
        them.

        0 if all are equal up to rounding.
        """
        values = np.array([self.found[modality], *self.permuted[modality]])
        apart, spread = values - values.mean(), values.std()
        return apart / spread if spread > 1e-12 else np.zeros_like(apart)


@dataclass(frozen=True)
class PermutedTissue:
    """Results for a tissue and its permutations.

    Attributes
    ----------
    averaged
        Results with latents averaged as often as each of :data:`ROUNDS`, ascending.
    n_spots
        Number of spots that were tested.
    """

    averaged: Sequence[Averaged]
    n_spots: int

    def p(self, modality: str) -> float:
        """Return the p value of the test whether the tissue has domains in a modality, or in all.

        The statistic is the largest standardised value over the rounds.
        """
        value, *null = np.max([one.standardised(modality) for one in self.averaged], axis=0)
        return p_value(value, np.array(null))

    @property
    def clearest(self) -> Averaged:
        """The result in which the tissue differs most from its permutations."""
        return max(self.averaged, key=lambda one: one.standardised(ALL)[0])

    def p_of_run(self, modality: str, explained: float, smoothness: float) -> float:
        """Return the p value of what a run's domains explain, against noise that is as smooth or rougher."""
        rougher = [one for one in self.averaged[1:] if one.smoothness <= smoothness]
        return p_value(explained, (rougher or self.averaged[:1])[-1].permuted[modality])


def p_value(value: float, null: np.ndarray) -> float:
    """Return the probability of a value at least this high among the draws of the null, including the value itself."""
    return float((1 + np.sum(null >= value)) / (1 + len(null)))


def smoothness(domains: np.ndarray, neighbours: sparse.csr_matrix) -> float:
    """Return how much more often than by chance neighbours are in the same domain: 0 = as often, 1 = always.

    0 if all spots are in one domain.

    Parameters
    ----------
    domains
        One per spot, any integers.
    neighbours
        Spots x spots, CSR.
    """
    i, j = edges(neighbours)
    by_chance = float(np.sum((np.unique(domains, return_counts=True)[1] / len(domains)) ** 2))
    if by_chance == 1.0 or len(i) == 0:
        return 0.0
    return float((np.mean(domains[i] == domains[j]) - by_chance) / (1.0 - by_chance))


def permuted_tissue(dataset: Dataset, n_domains: int, seed: int) -> PermutedTissue:
    """Find domains by the control (averaged latents and k-means) in the tissue and in its permutations."""
    rows = random_subset(dataset.n_spots, SPOTS, seed)
    sample = part(dataset, rows)
    hidden = HiddenSpots.of(sample)
    groups = alike(sample)
    rng = np.random.default_rng(seed)
    number = min(max(n_domains, 2), len(rows))
    orders = [np.arange(len(rows))] + [permutation(groups, rng) for _ in range(PERMUTATIONS)]

    def domains(order: np.ndarray, rounds: int) -> np.ndarray:
        """Return the domains found if spot i has the measurements of spot order[i]."""
        modalities = [Modality(m.name, m.latent[order], m.present) for m in sample.modalities]
        embedding = smoothed(modalities, hidden.neighbours, rounds).astype(np.float64)
        return kmeans_partition(embedding, number, seed, n_init=1)

    def explained(order: np.ndarray, domains: np.ndarray) -> dict[str, float]:
        position = np.argsort(order)
        moved = {name: (values, position[spots]) for name, (values, spots) in hidden.modalities.items()}
        return {name: ratios.value for name, ratios in replace(hidden, modalities=moved).explained(domains).items()}

    averaged = []
    for rounds in ROUNDS:
        partitions = [domains(order, rounds) for order in orders]
        found, *null = (explained(order, codes) for order, codes in zip(orders, partitions, strict=True))
        permuted = {name: np.array([values[name] for values in null]) for name in found}
        averaged.append(Averaged(rounds, found, permuted, smoothness(partitions[1], hidden.neighbours)))
    return PermutedTissue(averaged, len(rows))


def alike(dataset: Dataset, *codes: np.ndarray) -> np.ndarray:
    """Return a group number (int64) per spot: equal for spots of one section with the same modalities (and `codes`)."""
    sections = np.unique(dataset.section_of_spot, return_inverse=True)[1]
    kinds = np.column_stack([sections, *(modality.present for modality in dataset.modalities), *codes])
    return np.unique(kinds, axis=0, return_inverse=True)[1].ravel()


def permutation(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random order of the spots within their groups."""
    order = np.empty(len(groups), dtype=np.int64)
    for _, rows in rows_by_group(groups):
        order[rows] = rng.permutation(rows)
    return order
