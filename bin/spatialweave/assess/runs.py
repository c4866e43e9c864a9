"""Evidence for each run of a dataset, without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spatialweave.assess.hidden_spots import Explained, HiddenSpots
from spatialweave.assess.intervals import BlockDraws, Interval, behind
from spatialweave.assess.permuted_tissue import SIGNIFICANT, PermutedTissue, p_value, smoothness
from spatialweave.assess.random_domains import RandomDomains, Tissue
from spatialweave.io.result_tables import ALL
from spatialweave.io.run_names import RunKey, run_id

DRAWS = 99
"""Number of random domains per run."""


@dataclass(frozen=True)
class Support:
    """Support of the data for the domains of a run, in one modality or in all.

    Attributes
    ----------
    explained
        Fraction of the variance at hidden spots that the domains explain; the interval is over draws of blocks.
    random_mean, random_sd
        Mean and standard deviation of what random domains of the same sizes and smoothness explain.
    p_random
        p value against these.
    p_permuted
        p value against equally smooth domains of the tissue with its spots permuted (:meth:`PermutedTissue.p_of_run`).
    """

    explained: Interval
    random_mean: float
    random_sd: float
    p_random: float
    p_permuted: float

    @property
    def z(self) -> float:
        """Standard deviations above random domains; NaN if these all explain the same."""
        return (self.explained.value - self.random_mean) / self.random_sd if self.random_sd > 0 else float("nan")

    @property
    def p(self) -> float:
        """The larger of both p values, since the domains must hold against both."""
        return max(self.p_random, self.p_permuted)

    @property
    def holds(self) -> bool:
        """Whether the domains hold against random domains and against a permuted tissue."""
        return self.p <= SIGNIFICANT


@dataclass(frozen=True)
class RunEvidence:
    """Evidence for one run.

    Attributes
    ----------
    support
        Support by modality, and for all.
    behind
        What it explains minus what the best supported run explains (or the best of all, if none is supported), for all
        modalities together. The best run is the one that explains most.
    agreement
        Mean adjusted Rand index with the other runs; NaN for a single run.
    seeds
        The same with only the other seeds of its method.
    halves
        Stability of its embedding: agreement of the domains of two random halves of the spots; None without an
        embedding.
    length, exchanged
        Parameters of the random domains (:class:`RandomDomains`).
    """

    method: str
    seed: int
    support: dict[str, Support]
    behind: Interval
    agreement: float
    seeds: float
    halves: Interval | None
    length: float
    exchanged: float

    @property
    def id(self) -> str:
        """Name of the run, e.g. "smart.seed1"."""
        return run_id(self.method, self.seed)

    @property
    def supported(self) -> bool:
        """Whether the data support its domains, in all modalities together."""
        return self.support[ALL].holds

    @property
    def weaker(self) -> bool:
        """Whether it explains less than the supported run that explains most, beyond the sampling error of them all."""
        return self.behind.below_zero


@dataclass(frozen=True)
class _Measured:
    """What is computed for a run by itself.

    Attributes
    ----------
    codes
        Domains of the spots, from 0.
    explained
        Fraction of the variance at hidden spots that they explain.
    drawn
        It in every draw of the blocks.
    """

    codes: np.ndarray
    explained: dict[str, Explained]
    drawn: dict[str, np.ndarray]
    like: RandomDomains
    support: dict[str, Support]


def evidence(
    hidden: HiddenSpots,
    tissue: Tissue,
    permuted: PermutedTissue,
    runs: Mapping[RunKey, np.ndarray],
    halves: Mapping[RunKey, Sequence[float]],
    seed: int,
) -> list[RunEvidence]:
    """Compute the evidence for every run, in the order of `runs`.

    Parameters
    ----------
    runs
        Method and seed -> domain of every spot, any integers.
    halves
        Method and seed -> agreements of halves, if available.
    """
    draws = hidden.draws()
    measured = {run: _measured(hidden, tissue, permuted, draws, domains, seed) for run, domains in runs.items()}
    supported = [run for run, one in measured.items() if one.support[ALL].holds]
    most = max(supported or measured, key=lambda run: measured[run].explained[ALL].value)
    differences = behind(
        np.array([one.explained[ALL].value for one in measured.values()]),
        np.array([one.drawn[ALL] for one in measured.values()]),
        list(measured).index(most),
        draws.n_blocks,
    )
    agreement = _agreement({run: one.codes for run, one in measured.items()})

    def mean_agreement(run: RunKey, others: list[RunKey]) -> float:
        return float(np.mean([agreement[run, other] for other in others])) if others else float("nan")

    found = []
    for (run, one), difference in zip(measured.items(), differences, strict=True):
        others = [other for other in measured if other != run]
        found.append(
            RunEvidence(
                *run,
                one.support,
                difference,
                mean_agreement(run, others),
                mean_agreement(run, [other for other in others if other[0] == run[0]]),
                Interval.of_repeats(halves[run]) if halves.get(run) else None,
                one.like.length,
                one.like.exchanged,
            )
        )
    return found


def _measured(
    hidden: HiddenSpots, tissue: Tissue, permuted: PermutedTissue, draws: BlockDraws, domains: np.ndarray, seed: int
) -> _Measured:
    """Return what the domains of a run explain, and whether the data support them."""
    codes = np.unique(domains, return_inverse=True)[1]
    explained = hidden.explained(codes)
    drawn = _with_all({name: explained[name].values(draws.times) for name in hidden.modalities})
    like = RandomDomains.like(tissue, codes, seed)
    random = random_values(hidden, like, seed)
    smooth = smoothness(codes, hidden.neighbours)
    support = {
        name: Support(
            Interval.of_draws(one.value, drawn[name], draws.n_blocks),
            float(random[name].mean()),
            float(random[name].std()),
            p_value(one.value, random[name]),
            permuted.p_of_run(name, one.value, smooth),
        )
        for name, one in explained.items()
    }
    return _Measured(codes, explained, drawn, like, support)


def _agreement(
    codes: Mapping[RunKey, np.ndarray],
) -> dict[tuple[RunKey, RunKey], float]:
    """Return the adjusted Rand index of every two runs, in both orders."""
    from sklearn.metrics import adjusted_rand_score

    one_way = {(a, b): float(adjusted_rand_score(codes[a], codes[b])) for a in codes for b in codes if a < b}
    return one_way | {(b, a): value for (a, b), value in one_way.items()}


def random_values(hidden: HiddenSpots, like: RandomDomains, seed: int) -> dict[str, np.ndarray]:
    """Return what random domains explain, for each modality one value per draw, ascending.

    Random domains are drawn for each section by itself, but domains that a run finds correspond across sections, and so
    does expression: by chance they agree in all sections, or in none. So the lowest values of all sections are added,
    then the second lowest, up to the highest, which is right for sections that are equal, and conservative for others.
    """
    rng = np.random.default_rng(seed)
    waves = like.waves(rng)
    explained = [hidden.explained(like.draw(waves, rng)) for _ in range(DRAWS)]
    by_section = {name: np.array([one[name].by_section for one in explained]) for name in hidden.modalities}
    return {name: np.sort(values, axis=0).sum(axis=1) for name, values in _with_all(by_section).items()}


def _with_all(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Add the mean over the modalities."""
    return values | {ALL: np.mean(list(values.values()), axis=0)}
