"""Runs that see a domain: the best matching domain of every run, and where its spots are in other runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spatialweave.domains.matching import FOUND_AGAIN, jaccard, match_classes, overlap_table
from spatialweave.io.result_tables import WEAVE
from spatialweave.io.run_names import RunKey

INSIDE = 0.5
"""A run has a domain inside one of its own if that holds at least this fraction of the domain's spots."""

BINS = 10
"""Number of bins of the distribution of a value per spot, from 0 to 1."""


@dataclass(frozen=True)
class Sighting:
    """How one run sees a domain.

    Attributes
    ----------
    domain
        The run's domain (from 1) that is matched with it, one to one for all domains; None if it is left over.
    jaccard
        Number of spots in both over the number in either; 0 without a match.
    inside
        The largest fraction of the domain's spots that lie in one domain of the run.
    together_with
        The other domains (from 1) with most of their spots in that same domain of the run.
    """

    method: str
    seed: int
    domain: int | None
    jaccard: float
    inside: float
    together_with: tuple[int, ...]

    @property
    def seen(self) -> bool:
        """Whether the run has this domain."""
        return self.jaccard >= FOUND_AGAIN


@dataclass(frozen=True)
class Certainty:
    """Certainty of a domain at its spots.

    Attributes
    ----------
    counts
        Number of its spots in :data:`BINS` equal bins from 0 to 1.
    doubtful
        Fraction of its spots below one half.
    rival
        The other domain (from 1) in which the other runs place most of its spots, after one-to-one matching of the
        domains; None if they place none elsewhere.
    rival_fraction
        Fraction of its spots that they place there, mean over runs.
    """

    counts: tuple[int, ...]
    mean: float
    doubtful: float
    rival: int | None
    rival_fraction: float


@dataclass(frozen=True)
class SeenByRuns:
    """How the other runs see the domains of one run.

    Attributes
    ----------
    sightings
        For each domain, one per other run.
    agreement
        For each spot, the fraction of the other runs that place it in its domain (float64); None without other runs.
    placed
        Domains x domains: the fraction of the spots of each domain that the others place in each, mean over runs.
    """

    sightings: list[list[Sighting]]
    agreement: np.ndarray | None
    placed: np.ndarray

    def certainty(self, codes: np.ndarray, values: np.ndarray, domain: int) -> Certainty:
        """Return the certainty of a domain (from 0), from a value from 0 to 1 per spot."""
        own = values[codes == domain]
        elsewhere = self.placed[domain].copy()
        elsewhere[domain] = 0.0
        rival = int(elsewhere.argmax()) if elsewhere.any() else None
        counts, _ = np.histogram(np.clip(own, 0.0, 1.0), BINS, (0.0, 1.0))
        return Certainty(
            tuple(counts.tolist()),
            float(own.mean()),
            float((own < 0.5).mean()),
            None if rival is None else rival + 1,
            0.0 if rival is None else float(elsewhere[rival]),
        )


def others_of(run: RunKey, codes: Mapping[RunKey, np.ndarray]) -> dict[RunKey, np.ndarray]:
    """Return the domains of the runs that a run is compared with: all but itself and the consensus of them."""
    return {other: own for other, own in codes.items() if other != run and other[0] != WEAVE}


def seen_by_runs(codes: np.ndarray, others: Mapping[RunKey, np.ndarray]) -> SeenByRuns:
    """Match the domains of every other run with those of one run.

    Parameters
    ----------
    codes
        Domain of every spot, from 0.
    others
        The same for the other runs.
    """
    n_domains = int(codes.max()) + 1
    sizes = np.bincount(codes, minlength=n_domains)
    sightings: list[list[Sighting]] = [[] for _ in range(n_domains)]
    agreement = np.zeros(len(codes))
    placed = np.zeros((n_domains, n_domains))
    for (method, seed), other in others.items():
        n_other = int(other.max()) + 1
        overlap = overlap_table(codes, n_domains, other, n_other)
        matched = match_classes(overlap)
        agreement += matched[other] == codes
        for number, code in enumerate(matched.tolist()):
            if code >= 0:
                placed[:, code] += overlap[:, number] / np.maximum(sizes, 1)
        container = overlap.argmax(axis=1)
        inside = overlap.max(axis=1) / np.maximum(sizes, 1)
        indices = jaccard(overlap)
        for domain in range(n_domains):
            match = np.flatnonzero(matched == domain)
            beside = (container == container[domain]) & (inside >= INSIDE)
            together = tuple(number + 1 for number in np.flatnonzero(beside).tolist() if number != domain)
            sightings[domain].append(
                Sighting(
                    method,
                    seed,
                    int(match[0]) + 1 if len(match) else None,
                    float(indices[domain, match[0]]) if len(match) else 0.0,
                    float(inside[domain]),
                    together,
                )
            )
    n_others = max(len(others), 1)
    return SeenByRuns(sightings, agreement / n_others if others else None, placed / n_others)
