"""Consensus of several partitions of the same spots, with the support of the partitions for every spot.

Each spot is described by the domains that it is in: the 0/1 matrix of spots x domains of all runs. Its spectral
embedding places spots that share many domains close together, and k-means on it gives the consensus. This is the
spectral clustering of a graph in which the weight of two spots is the number of runs that put them together, each
divided by the size of the domain they share. The graph is never built, so time and memory are linear in spots.

Dividing by the size of domains makes small ones as important as large ones. If domains differ much in size and the
runs err independently, k-means may divide a large domain instead of finding a small one. So if the runs agree more with
each other than with this consensus, it is their plurality vote after matching their domains one to one.

Bipartite graph of spots and clusters: Fern and Brodley, Proc ICML (2004); unit rows: Ng, Jordan and Weiss, NIPS (2001).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import sparse
from scipy.special import entr

from spatialweave.domains.initial_partitions import kmeans_partition
from spatialweave.domains.labels import number_by_size
from spatialweave.domains.matching import match_classes, overlap_table
from spatialweave.errors import InputError
from spatialweave.io.run_names import method_and_seed
from spatialweave.presets import VARIANTS
from spatialweave.sampling import random_subset

FEWEST = 3
"""Smallest number of runs of a consensus. Where two differ nothing decides between them, so that their consensus is no
better than either."""

MAJORITY = 3
"""Number of methods that a consensus must join for a majority: two that differ have none, and the seeds of a method
share its mistakes, as its variants do."""

KMEANS_RUNS = 10

COMPARED = 20_000
"""With more spots, the agreement of the runs is measured on a random subset of this size."""

RANK_TOLERANCE = 1e-9
"""Directions with a singular value below this fraction of the largest are rounding errors, and left out."""


def by_method(runs: Iterable[str]) -> dict[str, list[str]]:
    """Group runs (``<method>.seed<k>``) by their method."""
    grouped: dict[str, list[str]] = {}
    for run in runs:
        grouped.setdefault(method_and_seed(run)[0], []).append(run)
    return grouped


def has_majority(runs: Iterable[str]) -> bool:
    """Return whether the runs (``<method>.seed<k>``) of a consensus come from at least :data:`MAJORITY` methods.

    Variants count as the method of which they are one.
    """
    return len({VARIANTS.get(method, method) for method in by_method(runs)}) >= MAJORITY


@dataclass(frozen=True)
class Consensus:
    """Consensus partition of several runs.

    Attributes
    ----------
    labels
        int64, one per spot: 1..K by decreasing size.
    matched
        int64, spots x runs: the domain of each run in the consensus's numbers; 0 if a run's domain has no counterpart,
        because the run has more domains than the consensus.
    support
        float64, spots x K: support of the runs for each domain of the spot; rows sum to 1. If a domain of a run
        contains spots of several consensus domains, the run divides its vote in the same proportions.
    embedding
        float64, spots x dimensions: the spectral embedding.
    by_vote
        Whether the labels are the plurality vote instead of the clusters of the embedding.
    """

    labels: np.ndarray
    matched: np.ndarray
    support: np.ndarray
    embedding: np.ndarray
    by_vote: bool = False

    @property
    def confidence(self) -> np.ndarray:
        """Support of each spot's domain: a fraction, not a probability that the domain is correct."""
        return np.asarray(self.support[np.arange(len(self.support)), self.labels - 1])

    @property
    def agreement(self) -> np.ndarray:
        """Fraction of runs that place each spot in its domain, after one-to-one matching of their domains."""
        return np.asarray((self.matched == self.labels[:, None]).mean(axis=1))

    @property
    def entropy(self) -> np.ndarray:
        """Entropy of each spot's support, as a fraction of that of equal support for all domains."""
        n_domains = self.support.shape[1]
        return np.asarray(entr(self.support).sum(axis=1) / np.log(max(n_domains, 2)))

    @property
    def runner_up(self) -> np.ndarray:
        """For each spot the other domain with the most support (int64); 0 if no run supports another."""
        others = self.support.copy()
        others[np.arange(len(others)), self.labels - 1] = 0.0
        return np.where(others.max(axis=1) > 0, others.argmax(axis=1) + 1, 0)


def consensus(partitions: Sequence[np.ndarray], n_domains: int, seed: int) -> Consensus:
    """Compute the consensus of runs.

    Parameters
    ----------
    partitions
        One per run: any labels, one per spot.
    n_domains
        Number of domains of the consensus; there can be fewer if the runs distinguish fewer groups of spots.
    seed
        Seed of k-means.

    Raises
    ------
    InputError
        When there are fewer than three runs, or fewer spots than domains.
    """
    if len(partitions) < FEWEST:
        raise InputError("consensus", f"{len(partitions)} runs are given", "three runs or more")
    if not 1 <= n_domains <= len(partitions[0]):
        problem = f"{n_domains} domains are requested and there are {len(partitions[0])} spots"
        raise InputError("consensus", problem, f"1 to {len(partitions[0])} domains")
    codes = [np.unique(partition, return_inverse=True)[1] for partition in partitions]
    members = memberships(codes)
    embedding = spectral_embedding(members, n_domains)
    labels = number_by_size(kmeans_partition(embedding, n_domains, seed, KMEANS_RUNS))
    voted = _better_vote(codes, labels)
    labels, by_vote = (labels, False) if voted is None else (voted, True)
    return Consensus(labels, _matched(codes, labels), _support(members, labels), embedding, by_vote)


def _better_vote(codes: Sequence[np.ndarray], labels: np.ndarray) -> np.ndarray | None:
    """Return the plurality vote of the runs, None if `labels` are better.

    It is better if the runs agree less with `labels` than with each other and with the vote (mean adjusted Rand index).
    """
    from sklearn.metrics import adjusted_rand_score

    rows = random_subset(len(labels), COMPARED, seed=0)
    runs = [own[rows] for own in codes]
    between = np.zeros((len(runs), len(runs)))
    for i, j in combinations(range(len(runs)), 2):
        between[i, j] = between[j, i] = adjusted_rand_score(runs[i], runs[j])
    with_runs = float(np.mean([adjusted_rand_score(labels[rows], own) for own in runs]))
    if with_runs >= between.sum() / (len(runs) * (len(runs) - 1)):
        return None
    voted = plurality(codes, int(between.sum(axis=0).argmax()))
    of_vote = float(np.mean([adjusted_rand_score(voted[rows], own) for own in runs]))
    return voted if of_vote > with_runs and voted.max() == labels.max() else None


def plurality(codes: Sequence[np.ndarray], reference: int) -> np.ndarray:
    """Return the domain in which most runs place each spot, after matching their domains one to one to a run's.

    Parameters
    ----------
    codes
        One per run: domains, from 0.
    reference
        The run to whose domains those of the others are matched; it also decides ties.

    Returns
    -------
    int64, one per spot: 1..K by decreasing size.
    """
    own = codes[reference]
    n_domains = int(own.max()) + 1
    votes = np.zeros((len(own), n_domains + 1))
    matched = _matched(codes, own + 1)
    for run in range(len(codes)):
        votes[np.arange(len(own)), matched[:, run]] += 1.0
    votes[np.arange(len(own)), own + 1] += 0.5
    # Column 0 has the domains without a counterpart.
    return number_by_size(votes[:, 1:].argmax(axis=1))


def memberships(codes: Sequence[np.ndarray]) -> sparse.csr_matrix:
    """Return the 0/1 matrix (spots x domains of all runs) of runs whose domains are numbered from 0."""
    n_spots, n_runs = len(codes[0]), len(codes)
    first = np.cumsum([0, *(own.max() + 1 for own in codes)])
    columns = np.column_stack(codes) + first[:-1]
    starts = np.arange(0, n_spots * n_runs + 1, n_runs)
    return sparse.csr_matrix((np.ones(columns.size), columns.ravel(), starts), shape=(n_spots, int(first[-1])))


def spectral_embedding(members: sparse.csr_matrix, n_dimensions: int) -> np.ndarray:
    """Return the leading left singular vectors of memberships with unit columns, with rows scaled to unit length.

    Parameters
    ----------
    members
        0/1, spots x domains of all runs.
    n_dimensions
        Largest number; there are fewer if the rank of `members` is lower.
    """
    scaled = members @ sparse.diags(1.0 / np.sqrt(np.asarray(members.sum(axis=0)).ravel()))
    # The Gram matrix has one row per domain of a run. It is small, and exact, unlike iterations for the vectors.
    values, vectors = np.linalg.eigh((scaled.T @ scaled).toarray())
    order = np.argsort(-values)[:n_dimensions]
    order = order[values[order] > RANK_TOLERANCE * values.max()]
    left = np.asarray(scaled @ (vectors[:, order] / np.sqrt(values[order])))
    lengths = np.linalg.norm(left, axis=1, keepdims=True)
    # Spots that share no domain with those of the leading directions are at the origin, as a separate group.
    apart = lengths < RANK_TOLERANCE * lengths.max()
    return np.where(apart, 0.0, left / np.where(apart, 1.0, lengths))


def _support(members: sparse.csr_matrix, labels: np.ndarray) -> np.ndarray:
    """Return the mean over runs of the fractions into which the consensus divides the run's domain of each spot."""
    domains = np.eye(labels.max())[labels - 1]
    fractions = members.T @ domains
    fractions /= fractions.sum(axis=1, keepdims=True)
    return np.asarray(members @ fractions) / members[0].sum()


def _matched(codes: Sequence[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Return the domains of each run in the consensus's numbers, 0 = none."""
    n_domains = int(labels.max())
    matched = np.empty((len(labels), len(codes)), dtype=np.int64)
    for run, own in enumerate(codes):
        matched[:, run] = match_classes(overlap_table(labels - 1, n_domains, own, int(own.max()) + 1))[own] + 1
    return matched
