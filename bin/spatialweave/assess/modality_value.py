"""What each modality of a dataset adds: the control with all modalities, without each one, and with each one alone.

The control is used because it treats all modalities equally and takes seconds. It shows how much of the tissue's
structure each modality contains; a trained method may make more or less use of it.

By its own measure a modality gains even if it is noise, because domains of averages over neighbours contain some
information about a hidden spot, but only from the modalities used to find them. So the gain of a modality on itself is
compared with its gain after its spots are permuted within the domains that are found without it. After this permutation
it contains nothing that the others do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from spatialweave.alignment.block_ratios import BlockRatios, draws, joined
from spatialweave.assess.cross_prediction import CrossPrediction, cross_prediction
from spatialweave.assess.hidden_spots import HiddenSpots, mean_of
from spatialweave.assess.intervals import Interval
from spatialweave.assess.permuted_tissue import PermutedTissue, alike, permutation
from spatialweave.domains.matching import overlap_table
from spatialweave.domains.mixture import tied_mixture
from spatialweave.domains.number import half_agreement
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, scaled, smoothed
from spatialweave.io.dataset import Dataset, Modality

SEEDS = 3
"""Number of clusterings of each embedding."""

N_RANDOM = 1
"""Random initial partitions of the mixture, in addition to Ward's and the k-means partition."""

FOUND_AGAIN = 0.5
"""Jaccard index from which a domain counts as found again: at least as many spots in both domains as in only one."""


@dataclass(frozen=True)
class ModalityValue:
    """What one modality adds to the others.

    Attributes
    ----------
    gain
        Modality -> the fraction of its variance at hidden spots that the domains of all modalities explain, minus that
        explained by the domains without this modality; for the modality itself also minus its gain by chance
        (:func:`_by_chance`). The intervals are over draws of blocks and seeds.
    gain_others
        The mean of `gain` over the other modalities.
    stability
        Agreement of the domains of two random halves of the spots, found with ``all`` modalities, ``without`` this one,
        or with this one ``alone``. Mean and range over divisions; empty if there are too few spots.
    again
        For each domain of all modalities, its highest Jaccard index with a domain found without this one: mean and
        range over seeds.
    predicted
        None if no other modality was measured at the same spots.
    p
        p value of the test whether the domains of all modalities explain more of it than in the permuted tissue.
    without
        The domains (codes from 0) found without it, by seed.
    """

    name: str
    gain: dict[str, Interval]
    gain_others: Interval
    stability: dict[str, Interval]
    again: list[Interval]
    predicted: CrossPrediction | None
    p: float
    without: list[np.ndarray] = field(default_factory=list, compare=False)


@dataclass(frozen=True)
class ModalityValues:
    """What each modality adds; for the domains of all modalities their sizes, and how well other seeds recover them.

    `partitions`: the domains (codes from 0) found with all modalities, by seed.
    """

    modalities: list[ModalityValue]
    sizes: list[int]
    again: list[Interval]
    partitions: list[np.ndarray] = field(default_factory=list, compare=False)

    def only_with(self, value: ModalityValue) -> list[int]:
        """Return the domains (from 1) that other seeds find again, but not the runs without this modality."""
        pairs = zip(self.again, value.again, strict=True)
        return [
            number
            for number, (with_all, without) in enumerate(pairs, start=1)
            if with_all.value >= FOUND_AGAIN > without.high
        ]


@dataclass(frozen=True)
class _Control:
    """Control with some of the modalities: domains by seed (codes from 0), what they explain, their stability."""

    partitions: list[np.ndarray]
    explained: list[dict[str, BlockRatios]]
    halves: list[float]

    def mean(self, targets: Sequence[str]) -> list[BlockRatios]:
        """Return what the domains of each seed explain, mean over some modalities."""
        return [mean_of([explained[target] for target in targets]) for explained in self.explained]


def modality_values(
    dataset: Dataset, hidden: HiddenSpots, permuted: PermutedTissue, n_domains: int, seed: int
) -> ModalityValues | None:
    """Compute what each modality adds; return None if only one modality varies."""
    names = list(hidden.modalities)
    if len(names) < 2:
        return None
    seeds = [seed + number for number in range(SEEDS)]
    controls: dict[tuple[str, ...], _Control] = {}

    def control(chosen: Sequence[str]) -> _Control:
        # With two modalities, one alone is the same as without the other.
        key = tuple(chosen)
        if key not in controls:
            controls[key] = _control(dataset, hidden, key, n_domains, seeds)
        return controls[key]

    everything = control(names)
    times = draws(hidden.occupied)
    chosen = np.random.default_rng(seed).integers(SEEDS, size=(2, len(times)))
    values = []
    for name in names:
        others = [other for other in names if other != name]
        without, alone = control(others), control([name])

        def gain(targets: Sequence[str], less: _Control = without) -> Interval:
            return _gain(everything.mean(targets), less.mean(targets), times, chosen)

        chance = _by_chance(dataset, hidden, name, without.partitions, n_domains, seeds)
        # A modality must gain more on itself than it would by chance.
        expected = [joined([(1.0, one), (1.0, other)]) for one, other in zip(without.mean([name]), chance, strict=True)]
        own_gain = _gain(everything.mean([name]), expected, times, chosen)
        halves = {"all": everything.halves, "without": without.halves, "alone": alone.halves}
        values.append(
            ModalityValue(
                name,
                {target: own_gain if target == name else gain([target]) for target in names},
                gain(others),
                {key: Interval.of_repeats(agreements) for key, agreements in halves.items() if agreements},
                found_again(everything.partitions[0], without.partitions),
                cross_prediction(dataset, hidden, name, seed),
                permuted.p(name),
                without.partitions,
            )
        )
    first, *repeats = everything.partitions
    return ModalityValues(values, np.bincount(first).tolist(), found_again(first, repeats), everything.partitions)


def _control(
    dataset: Dataset, hidden: HiddenSpots, names: tuple[str, ...], n_domains: int, seeds: list[int]
) -> _Control:
    modalities = [modality for modality in dataset.modalities if modality.name in names]
    embedding = smoothed(modalities, hidden.neighbours, CONTROL_ROUNDS)
    partitions = [tied_mixture(embedding, n_domains, seed, n_random=N_RANDOM).labels - 1 for seed in seeds]
    explained = [hidden.explained(partition) for partition in partitions]
    return _Control(partitions, explained, half_agreement(embedding, n_domains, seeds[0]))


def _by_chance(
    dataset: Dataset, hidden: HiddenSpots, name: str, without: list[np.ndarray], n_domains: int, seeds: list[int]
) -> list[BlockRatios]:
    """Return, by seed, the gain of a modality on itself if it contains no more than the domains found without it.

    The modality's spots are permuted within these domains, among spots of one section with the same modalities.

    Parameters
    ----------
    without
        Domains (codes from 0) found without the modality, by seed.
    """
    gains = []
    for seed, partition in zip(seeds, without, strict=True):
        order = permutation(alike(dataset, partition), np.random.default_rng(seed))
        modalities = [
            Modality(name, m.latent[order], m.present) if m.name == name else m
            for m in dataset.modalities
            if m.name in hidden.modalities
        ]
        moved = next(m for m in modalities if m.name == name)
        values = scaled(moved)[moved.present].astype(np.float64)
        permuted = replace(hidden, modalities={name: (values, hidden.modalities[name][1])})
        embedding = smoothed(modalities, hidden.neighbours, CONTROL_ROUNDS)
        partition_with = tied_mixture(embedding, n_domains, seed, n_random=N_RANDOM).labels - 1
        with_it, without_it = (permuted.explained(domains)[name] for domains in (partition_with, partition))
        gains.append(joined([(1.0, with_it), (-1.0, without_it)]))
    return gains


def _gain(more: list[BlockRatios], less: list[BlockRatios], times: np.ndarray, chosen: np.ndarray) -> Interval:
    """Return the mean difference over seeds; the interval is over draws of blocks, each with a random seed per side."""
    value = float(np.mean([a.value for a in more]) - np.mean([b.value for b in less]))
    drawn = [np.array([ratios.values(times) for ratios in side]) for side in (more, less)]
    each = np.arange(len(times))
    return Interval.of_draws(value, drawn[0][chosen[0], each] - drawn[1][chosen[1], each])


def found_again(domains: np.ndarray, others: list[np.ndarray]) -> list[Interval]:
    """Return, per domain of `domains`, its highest Jaccard index with a domain of each of `others`."""
    indices = np.array([best_jaccard(domains, other) for other in others])
    return [Interval.of_repeats(column.tolist()) for column in indices.T]


def best_jaccard(domains: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return, per domain (codes from 0), its highest Jaccard index with a domain of `others`."""
    overlap = overlap_table(domains, int(domains.max()) + 1, others, int(others.max()) + 1)
    either = overlap.sum(axis=1, keepdims=True) + overlap.sum(axis=0, keepdims=True) - overlap
    return np.asarray((overlap / np.maximum(either, 1)).max(axis=1))
