"""What each modality of a dataset adds: the control with all modalities, without each one, and with each one alone.

The control is used because it treats all modalities equally and takes little time beside a training. It shows how much
of the tissue's structure each modality contains; a trained method may make more or less use of it.

Domains of averages over neighbours contain some information about a hidden spot, but only from the modalities used to
find them: a modality would gain on itself even if it is noise, and the others would lose. So gains are measured at
spots whose measurements the domains have not seen: a random third of the spots is held out, domains are found from the
others, and predict this third; then the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spatialweave.assess.cross_prediction import CrossPrediction, cross_prediction
from spatialweave.assess.hidden_spots import Explained, HiddenSpots
from spatialweave.assess.intervals import BlockDraws, Interval, standard_error
from spatialweave.assess.permuted_tissue import SIGNIFICANT, PermutedTissue
from spatialweave.domains.matching import FOUND_AGAIN, jaccard, overlap_table
from spatialweave.domains.mixture import tied_mixture
from spatialweave.domains.number import half_agreement
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.io.dataset import Dataset, Modality

SEEDS = 3
"""Number of clusterings of each embedding, and of divisions of the spots into parts."""

PARTS = 3
"""Parts of the spots that are held out in turn."""

GAINS = 2
"""Tests of a modality: its own gain, and that of the others. Their intervals hold simultaneously."""

N_RANDOM = 1
"""Random initial partitions of the mixture, in addition to Ward's and the k-means partition."""


@dataclass(frozen=True)
class ModalityValue:
    """What one modality adds to the others.

    Attributes
    ----------
    gain
        Modality -> the fraction of its variance at held-out spots that the domains of all modalities explain, minus
        that explained by the domains without this modality (:func:`over_parts`).
    gain_others
        The same for the mean over the other modalities.
    others_without
        Fraction of the variance of the others at held-out spots that the domains found without this modality explain.
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
    others_without: Interval
    stability: dict[str, Interval]
    again: list[Interval]
    predicted: CrossPrediction | None
    p: float
    without: list[np.ndarray] = field(default_factory=list, compare=False)

    @property
    def adds(self) -> bool:
        """Whether it has structure, and the domains show more of it than those found without it."""
        return self.p <= SIGNIFICANT and self.gain[self.name].above_zero

    @property
    def helps(self) -> bool:
        """Whether it has structure, and the domains show more of the others with it."""
        return self.p <= SIGNIFICANT and self.gain_others.above_zero

    @property
    def costs(self) -> bool:
        """Whether the others show domains without it, and the domains show less of them with it."""
        return self.others_without.above_zero and self.gain_others.below_zero


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
        """Return the domains (from 1) that other seeds find again, but not the runs without this modality.

        None if the modality neither adds structure nor helps: domains that are not clear in the others change with
        anything that is added to them.
        """
        if not (value.adds or value.helps):
            return []
        pairs = zip(self.again, value.again, strict=True)
        return [
            number
            for number, (with_all, without) in enumerate(pairs, start=1)
            if with_all.value >= FOUND_AGAIN > without.high
        ]


@dataclass(frozen=True)
class _Control:
    """Control with some of the modalities: domains by seed (codes from 0), and their stability."""

    partitions: list[np.ndarray]
    halves: list[float]


def modality_values(
    dataset: Dataset, hidden: HiddenSpots, permuted: PermutedTissue, n_domains: int, seed: int
) -> ModalityValues | None:
    """Compute what each modality adds; return None if only one modality varies."""
    names = list(hidden.modalities)
    if len(names) < 2:
        return None
    seeds = [seed + number for number in range(SEEDS)]
    parts = [part for seed in seeds for part in _parts(dataset.n_spots, seed)]
    controls: dict[tuple[str, ...], _Control] = {}

    def control(chosen: Sequence[str]) -> _Control:
        # With two modalities, one alone is the same as without the other.
        key = tuple(chosen)
        if key not in controls:
            controls[key] = _control(dataset, hidden, key, n_domains, seeds)
        return controls[key]

    everything = control(names)
    explained = _left_out(dataset, hidden, names, n_domains, parts)
    draws = hidden.draws()
    values = []
    for name in names:
        others = [other for other in names if other != name]
        without, alone = control(others), control([name])
        less = _left_out(dataset, hidden, others, n_domains, parts)

        def gain(targets: Sequence[str], less: list[dict[str, Explained]] = less) -> Interval:
            return over_parts(_values(explained, targets, draws) - _values(less, targets, draws), draws.n_blocks)

        halves = {"all": everything.halves, "without": without.halves, "alone": alone.halves}
        values.append(
            ModalityValue(
                name,
                {target: gain([target]) for target in names},
                gain(others),
                over_parts(_values(less, others, draws), draws.n_blocks),
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
    partitions = [_domains(embedding, n_domains, seed) for seed in seeds]
    return _Control(partitions, half_agreement(embedding, n_domains, seeds[0]))


def _domains(embedding: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    return tied_mixture(embedding, n_domains, seed, n_random=N_RANDOM).labels - 1


def _parts(n_spots: int, seed: int) -> list[tuple[int, np.ndarray]]:
    """Divide the spots at random into parts of equal size (bool, spots), each with the seed."""
    number = np.random.default_rng(seed).permutation(np.arange(n_spots) % PARTS)
    return [(seed, number == part) for part in range(PARTS)]


def _left_out(
    dataset: Dataset,
    hidden: HiddenSpots,
    names: Sequence[str],
    n_domains: int,
    parts: list[tuple[int, np.ndarray]],
) -> list[dict[str, Explained]]:
    """Return, by part of the spots, what the domains found without their measurements explain of them.

    A held-out spot has the average of its neighbours that were not held out.
    """
    found = []
    for seed, part in parts:
        modalities = [Modality(m.name, m.latent, m.present & ~part) for m in dataset.modalities if m.name in names]
        embedding = smoothed(modalities, hidden.neighbours, CONTROL_ROUNDS)
        found.append(hidden.explained(_domains(embedding, n_domains, seed), part))
    return found


def _values(parts: list[dict[str, Explained]], names: Sequence[str], draws: BlockDraws) -> np.ndarray:
    """Return what is explained of some modalities, parts x (draws of blocks + 1); the first is that of all blocks.

    Means are not computed again in every draw: each part already has means of its own.
    """
    times = np.vstack([np.ones(draws.times.shape[1]), draws.times])
    return np.array([Explained.mean_of(part[name] for name in names).values(times, refit=False) for part in parts])


def over_parts(values: np.ndarray, n_blocks: int) -> Interval:
    """Return the mean over the parts of all divisions of the spots (:func:`_values`).

    The interval is over draws of blocks, the same for all, and over parts, each of which has its own clustering.
    """
    of_parts, drawn = values[:, 0], values[:, 1:].mean(axis=0)
    error = np.hypot(standard_error(drawn, n_blocks), of_parts.std(ddof=1) / np.sqrt(len(of_parts)))
    return Interval.around(float(of_parts.mean()), float(error), n_blocks, GAINS)


def found_again(domains: np.ndarray, others: list[np.ndarray]) -> list[Interval]:
    """Return, per domain of `domains`, its highest Jaccard index with a domain of each of `others`."""
    indices = np.array([best_jaccard(domains, other) for other in others])
    return [Interval.of_repeats(column.tolist()) for column in indices.T]


def best_jaccard(domains: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return, per domain (codes from 0), its highest Jaccard index with a domain of `others`."""
    overlap = overlap_table(domains, int(domains.max()) + 1, others, int(others.max()) + 1)
    return np.asarray(jaccard(overlap).max(axis=1))
