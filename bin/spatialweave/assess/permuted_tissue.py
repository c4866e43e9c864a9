"""Whether a tissue has domains at all: what the control finds in it, and in the same tissue with the spots permuted.

Permuting the spots keeps everything that was measured and destroys where. All that the control then finds it has made
of noise, and by how much such domains seem to predict hidden spots shows how far any method's would: the neighbours'
domains depend a little on the hidden spot itself, because methods average over neighbours. Since the whole computation
is repeated for every permutation, the test is exact whatever the statistic (Phipson and Smyth, Stat Appl Genet Mol Biol
9:39, 2010), where spots of one section with the same modalities are exchangeable. Where a modality was measured stays
as it is: averages over neighbours are of fewer spots at the rim of a gap and within it, so that gaps scattered over the
tissue would be no null of a gap in one piece. That spots with and without a modality differ is not tested.

The more spots an average is taken over, the less of it is any one of them, so that domains of averaged noise seem to
predict less, the smoother they are. Weak signal of large domains shows only once it is averaged often. So the control
averages more and less often here, and a run is compared with noise whose domains are about as smooth as its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from spatialweave.assess.hidden_spots import ALL, HiddenSpots
from spatialweave.assess.pieces import part
from spatialweave.domains.initial_partitions import kmeans_partition
from spatialweave.graphs.matrices import edges
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.graphs.spatial import section_rows
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.metrics.neighbours import random_subset

SPOTS = 10_000
"""Of more spots a random subset is tested: domains of the whole tissue are there, too."""

PERMUTATIONS = 39
"""The smallest p value is 1 / 40."""

ROUNDS = (CONTROL_ROUNDS, 8, 32)
"""How often latents are averaged over neighbours, ascending."""


@dataclass(frozen=True)
class Averaged:
    """The fraction of the variance at hidden spots that domains of averaged latents explain, by modality and of all.

    Attributes
    ----------
    rounds
        How often they were averaged.
    found
        In the tissue.
    permuted
        In its permutations, one value each.
    smoothness
        Of the domains of the first permutation (:func:`smoothness`).
    """

    rounds: int
    found: dict[str, float]
    permuted: dict[str, np.ndarray]
    smoothness: float

    def standardised(self, modality: str) -> np.ndarray:
        """What is found in the tissue, then in each permutation, by mean and standard deviation of them all.

        0 where all are the same, but for rounding.
        """
        values = np.array([self.found[modality], *self.permuted[modality]])
        apart, spread = values - values.mean(), values.std()
        return apart / spread if spread > 1e-12 else np.zeros_like(apart)


@dataclass(frozen=True)
class PermutedTissue:
    """A tissue beside its permutations.

    Attributes
    ----------
    averaged
        What is found with latents averaged as often as :data:`ROUNDS` has it, ascending.
    n_spots
        Spots that were tested.
    """

    averaged: Sequence[Averaged]
    n_spots: int

    def p(self, modality: str) -> float:
        """Whether the tissue has domains in a modality, or in all.

        The statistic is the largest standardised value over the rounds.
        """
        value, *null = np.max([one.standardised(modality) for one in self.averaged], axis=0)
        return p_value(value, np.array(null))

    @property
    def clearest(self) -> Averaged:
        """Where the tissue stands out most from its permutations."""
        return max(self.averaged, key=lambda one: one.standardised(ALL)[0])

    def p_of_run(self, modality: str, explained: float, smoothness: float) -> float:
        """The p value of what a run's domains explain, against noise that is as smooth as they are, or rougher."""
        rougher = [one for one in self.averaged[1:] if one.smoothness <= smoothness]
        return p_value(explained, (rougher or self.averaged[:1])[-1].permuted[modality])


def p_value(value: float, null: np.ndarray) -> float:
    """How probable a value as high is among the draws of the null, itself one of them."""
    return float((1 + np.sum(null >= value)) / (1 + len(null)))


def smoothness(domains: np.ndarray, neighbours: sparse.csr_matrix) -> float:
    """How much more often neighbours are in the same domain than by chance: 0 = as often, 1 = always.

    0 where all spots are in one domain.

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
        """Those found where the measurements of spot order[i] are those of spot i."""
        modalities = [Modality(m.name, m.latent[order], m.present) for m in sample.modalities]
        embedding = smoothed(modalities, hidden.neighbours, rounds).astype(np.float64)
        return kmeans_partition(embedding, number, seed, n_init=1)

    def explained(order: np.ndarray, domains: np.ndarray) -> dict[str, float]:
        place = np.argsort(order)
        moved = {name: (values, place[own]) for name, (values, own) in hidden.modalities.items()}
        return {name: ratios.value for name, ratios in replace(hidden, modalities=moved).explained(domains).items()}

    averaged = []
    for rounds in ROUNDS:
        partitions = [domains(order, rounds) for order in orders]
        found, *null = (explained(order, own) for order, own in zip(orders, partitions, strict=True))
        permuted = {name: np.array([values[name] for values in null]) for name in found}
        averaged.append(Averaged(rounds, found, permuted, smoothness(partitions[1], hidden.neighbours)))
    return PermutedTissue(averaged, len(rows))


def alike(dataset: Dataset, *codes: np.ndarray) -> np.ndarray:
    """Per spot a number (int64): the same for spots of one section that have the same modalities (and `codes`)."""
    sections = np.unique(dataset.obs["section"].astype(str).to_numpy(), return_inverse=True)[1]
    kinds = np.column_stack([sections, *(modality.present for modality in dataset.modalities), *codes])
    return np.unique(kinds, axis=0, return_inverse=True)[1].ravel()


def permutation(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order of the spots, within their groups."""
    order = np.empty(len(groups), dtype=np.int64)
    for _, rows in section_rows(groups):
        order[rows] = rng.permutation(rows)
    return order
