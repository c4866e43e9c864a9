"""Whether a tissue has domains at all: what the control finds in it, and in the same tissue with the spots permuted.

Permuting the spots keeps everything that was measured and destroys where. All that the control then finds it has made
of noise, and by how much such domains seem to predict hidden spots shows how far any method's would: the neighbours'
domains depend a little on the hidden spot itself, because methods average over neighbours. Since the whole computation
is repeated for every permutation, the test is exact whatever the statistic (Phipson and Smyth, Stat Appl Genet Mol Biol
9:39, 2010).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.pieces import part
from spatialweave.domains.initial_partitions import kmeans_partition
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.graphs.spatial import section_rows
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.metrics.neighbours import random_subset

SPOTS = 10_000
"""Of more spots a random subset is tested: domains of the whole tissue are there, too."""

PERMUTATIONS = 39
"""The smallest p value is 1 / 40."""


@dataclass(frozen=True)
class PermutedTissue:
    """The fraction of the variance at hidden spots that the control's domains explain, by modality and of all.

    Attributes
    ----------
    found
        In the tissue.
    permuted
        In its permutations, one value each.
    n_spots
        Spots that were tested.
    """

    found: dict[str, float]
    permuted: dict[str, np.ndarray]
    n_spots: int

    def p(self, modality: str, explained: float | None = None) -> float:
        """The p value of what the control found, or of another fraction explained."""
        return p_value(self.found[modality] if explained is None else explained, self.permuted[modality])


def p_value(value: float, null: np.ndarray) -> float:
    """How probable a value as high is among the draws of the null, itself one of them."""
    return float((1 + np.sum(null >= value)) / (1 + len(null)))


def permuted_tissue(dataset: Dataset, n_domains: int, seed: int) -> PermutedTissue:
    """Find domains by the control (averaged latents and k-means) in the tissue and in its permutations."""
    rows = random_subset(dataset.n_spots, SPOTS, seed)
    sample = part(dataset, rows)
    hidden = HiddenSpots.of(sample)
    sections = sample.obs["section"].astype(str).to_numpy()
    rng = np.random.default_rng(seed)
    number = min(max(n_domains, 2), len(rows))
    orders = [np.arange(len(rows))] + [_permutation(sections, rng) for _ in range(PERMUTATIONS)]
    found, *permuted = (_explained(sample, hidden, order, number, seed) for order in orders)
    return PermutedTissue(found, {name: np.array([null[name] for null in permuted]) for name in found}, len(rows))


def _explained(dataset: Dataset, hidden: HiddenSpots, order: np.ndarray, n_domains: int, seed: int) -> dict[str, float]:
    """What the control's domains explain where the measurements of spot order[i] are those of spot i."""
    modalities = [Modality(m.name, m.latent[order], m.present[order]) for m in dataset.modalities]
    embedding = smoothed(modalities, hidden.neighbours, CONTROL_ROUNDS).astype(np.float64)
    domains = kmeans_partition(embedding, n_domains, seed, n_init=1)
    place = np.argsort(order)
    moved = {name: (values, place[rows]) for name, (values, rows) in hidden.modalities.items()}
    return {name: ratios.value for name, ratios in replace(hidden, modalities=moved).explained(domains).items()}


def _permutation(sections: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order of the spots, within their sections."""
    order = np.empty(len(sections), dtype=np.int64)
    for _, rows in section_rows(sections):
        order[rows] = rng.permutation(rows)
    return order
