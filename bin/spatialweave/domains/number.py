"""Number of domains: criteria over a range of numbers, and the rule that chooses by them.

The rule is stability under resampling (Lange et al., Neural Comput 16:1299, 2004). Spots are divided at random into two
halves, each half is clustered, and both partitions are extended to all spots. If the number of domains is right, the
halves agree; with too many, domains are split at random. The other criteria are shown for comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.domains.initial_partitions import kmeans_fit, nearest_centre
from spatialweave.domains.labels import check_embedding
from spatialweave.domains.mixture import held_out_likelihood, tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.run_names import run_id
from spatialweave.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 3
"""Smallest number tried unless another is requested. Two domains are the first contrast of a tissue, which is always
stable: on four of five real tissues more so than any larger number."""

SMALLEST = 2
"""Smallest number that divides a tissue: nothing is beyond it."""

SPOTS = 10_000
"""With more spots, the criteria are computed on a random subset, which is the same for all runs of a dataset."""

COMPARED = 2_000
"""Size of the random subset on which partitions of different methods are compared."""

SHAPED = 2_000
"""Size of the random subset on which the silhouette is computed."""

DIVISIONS = 3
"""Number of random divisions of the spots into halves; their mean agreement is used."""

N_INIT = 3
"""Number of starts of k-means on each half."""

N_RANDOM = 1
"""Number of random initial partitions of the mixture, in addition to Ward's and the k-means partition."""

TOLERANCE = 0.02
"""The largest number is chosen whose stability is less than this below the highest."""

STABILITY, BETWEEN = "stability", "between_methods"
CRITERIA = {
    STABILITY: "Adjusted Rand index between the partitions of two random halves of the spots; decides the number",
    "adjacent": "Fowlkes-Mallows index between the partition into this number and that into one more",
    BETWEEN: "Adjusted Rand index between the partitions of this method and of the others",
    "silhouette": "How much nearer a spot is to its own domain than to the next one",
    "davies_bouldin": "Scatter within domains over the distance between them; lower is better",
    "bic": "Bayesian information criterion of the Gaussian mixture; higher is better",
    "icl": "Integrated completed likelihood of the Gaussian mixture; higher is better",
    "held_out": "Log-likelihood of a spot of one random half by the mixture of the other half; higher is better",
}
"""Criteria with their descriptions."""


@dataclass(frozen=True)
class Scan:
    """Criteria and partitions for every number of domains of one run.

    Attributes
    ----------
    criteria
        (number, criterion, value), for all :data:`CRITERIA` except the one that needs other runs; criteria that are
        undefined for a number are left out.
    spots
        Rows of the embedding whose domains are kept; the same for all runs of a dataset.
    partitions
        Number of domains -> domains of the mixture for these spots.
    """

    criteria: list[tuple[int, str, float]]
    spots: np.ndarray
    partitions: dict[int, np.ndarray]

    def partition_rows(self, *run: str | int) -> Iterator[tuple[str | int, ...]]:
        """Yield rows of :data:`~spatialweave.io.result_tables.PARTITIONS`; `run` is its dataset, method and seed."""
        spots = self.spots.tolist()
        for number, labels in self.partitions.items():
            for spot, domain in zip(spots, labels.tolist(), strict=True):
                yield *run, number, spot, domain


def scan(embedding: np.ndarray, numbers: Sequence[int], seed: int) -> Scan:
    """Compute every criterion that one run gives, for every number of domains.

    Parameters
    ----------
    embedding
        Spots x dimensions.
    numbers
        Numbers of domains to try, ascending; those above half the number of spots are left out.
    seed
        Seed of the halves and all starts.
    """
    from sklearn.metrics import davies_bouldin_score, fowlkes_mallows_score, silhouette_score

    every = check_embedding(embedding, 1)
    scanned = _scanned(len(every))
    compared = np.sort(np.random.default_rng(0).permutation(len(scanned))[:COMPARED])
    values, divisions = every[scanned], _divisions(len(scanned), seed)
    rows: list[tuple[int, str, float]] = []
    partitions: dict[int, np.ndarray] = {}
    before: np.ndarray | None = None
    for number in numbers:
        if number > len(values) // 2:
            break
        fit = tied_mixture(values, number, seed, n_random=N_RANDOM)
        if fit.n_found == number:
            agreement = [_agreement(values, half, number, seed) for half in divisions]
            rows.append((number, STABILITY, float(np.mean(agreement))))
        if before is not None:
            rows.append((number - 1, "adjacent", float(fowlkes_mallows_score(before, fit.labels))))
        before, partitions[number] = fit.labels, fit.labels[compared]
        if 1 < fit.n_found < len(values):
            with one_thread():
                shaped = np.random.default_rng(seed).permutation(len(values))[:SHAPED]
                if 1 < len(np.unique(fit.labels[shaped])) < len(shaped):
                    shape = silhouette_score(values[shaped], fit.labels[shaped])
                    rows.append((number, "silhouette", float(shape)))
                rows.append((number, "davies_bouldin", float(davies_bouldin_score(values, fit.labels))))
        rows += [(number, "bic", fit.bic), (number, "icl", fit.icl)]
        rows.append((number, "held_out", _held_out(values, divisions[0], number, seed)))
        if fit.n_found < number:
            # There are no more distinct groups of spots, so larger numbers would only add empty domains.
            break
    return Scan(rows, scanned[compared], partitions)


def _held_out(values: np.ndarray, order: np.ndarray, number: int, seed: int) -> float:
    """Return the mean log-likelihood of the spots of each half of `order` under the other half's mixture."""
    middle = len(order) // 2
    halves = values[order[:middle]], values[order[middle:]]
    total = 0.0
    for own, other in (halves, halves[::-1]):
        total += len(other) * held_out_likelihood(own, other, number, seed, N_RANDOM)
    return total / len(values)


def between_methods(partitions: pd.DataFrame) -> list[tuple[str, str, int, int, str, float]]:
    """Compute how well the partitions of each run agree with those of other methods, for each number of domains.

    Parameters
    ----------
    partitions
        Partitions of all runs of a dataset (:data:`~spatialweave.io.result_tables.PARTITIONS`), with the same spots.

    Returns
    -------
    list
        Rows of :data:`~spatialweave.io.result_tables.NUMBERS`: mean adjusted Rand index over the runs of other methods;
        none for a number that no other method has.
    """
    from sklearn.metrics import adjusted_rand_score

    by_number: dict[int, dict[tuple[str, str, int], np.ndarray]] = {}
    for key, own in partitions.groupby(["n_domains", "dataset", "method", "seed"], sort=False):
        n_domains, dataset, method, seed = map(str, key)
        labels = own.sort_values("spot")["domain"].to_numpy()
        by_number.setdefault(int(n_domains), {})[dataset, method, int(seed)] = labels
    rows = []
    for number, runs in by_number.items():
        for run, labels in runs.items():
            others = [adjusted_rand_score(labels, found) for other, found in runs.items() if other[1] != run[1]]
            if others:
                rows.append((*run, number, BETWEEN, float(np.mean(others))))
    return rows


def half_agreement(embedding: np.ndarray, number: int, seed: int) -> list[float]:
    """Return the stability of one number of domains per division; empty with fewer than two spots per domain."""
    values = check_embedding(embedding, 1)
    values = values[_scanned(len(values))]
    if number > len(values) // 2:
        return []
    return [_agreement(values, half, number, seed) for half in _divisions(len(values), seed)]


def _scanned(n_spots: int) -> np.ndarray:
    """Return the rows used for the criteria. They do not depend on the seed, so that all runs have the same spots."""
    if n_spots <= SPOTS:
        return np.arange(n_spots)
    return np.sort(np.random.default_rng(0).choice(n_spots, SPOTS, replace=False))


def _divisions(n_spots: int, seed: int) -> list[np.ndarray]:
    """Return random orders of spots, whose first and second halves are compared."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(n_spots) for _ in range(DIVISIONS)]


def _agreement(values: np.ndarray, order: np.ndarray, number: int, seed: int) -> float:
    """Return the adjusted Rand index over all spots between k-means on the first half of `order` and on the second."""
    from sklearn.metrics import adjusted_rand_score

    middle = len(order) // 2
    parts = []
    for half in (order[:middle], order[middle:]):
        centres = kmeans_fit(values[half], number, seed, N_INIT).cluster_centers_
        parts.append(nearest_centre(values, np.asarray(centres)))
    return float(adjusted_rand_score(*parts))


@dataclass(frozen=True)
class Choice:
    """Chosen number of domains of a dataset.

    Attributes
    ----------
    number
        The chosen number.
    runner_up
        The next most stable number that is not adjacent to it; None if there is none.
    stability
        Number of domains -> mean stability over methods.
    at_the_end
        Whether it is the largest number tried, or the smallest above two: others might be more stable.
    left_out
        Collapsed runs (``<method>.seed<k>``), which took no part: their embeddings do not have as many distinct groups
        of spots as those of most methods.
    """

    number: int
    runner_up: int | None
    stability: dict[int, float]
    at_the_end: bool
    left_out: list[str] = field(default_factory=list)

    @property
    def beyond(self) -> str:
        """If the choice is at the end of the numbers tried: what is there beyond, and how to try it; else ""."""
        if not self.at_the_end:
            return ""
        if self.number == max(self.stability):
            return "more may fit better: try more with --max_domains, or give the number"
        if self.number == FEWEST:
            return (
                "two were not tried, which are nearly always stable, as the first contrast of a tissue; --n_domains "
                f"{SMALLEST}..{max(self.stability)} includes them"
            )
        return f"fewer may fit better: try --n_domains {FEWEST}..{max(self.stability)}, or give the number"


def choose(table: pd.DataFrame) -> Choice:
    """Choose the largest number whose mean stability over all runs is within :data:`TOLERANCE` of the highest.

    Means of different numbers are of the same runs: numbers that less than half of the methods have are left out, and
    so are collapsed runs, which lack one of the others.

    Parameters
    ----------
    table
        Rows of all runs of a dataset, with the columns method, seed, n_domains, criterion and value. Runs of one method
        are averaged first, then methods.

    Raises
    ------
    InputError
        When no number could be tried.
    """
    rows = table[table["criterion"] == STABILITY]
    by_run = rows.groupby(["method", "seed", "n_domains"])["value"].mean().unstack("n_domains")
    if by_run.empty:
        raise InputError("number of domains", "there are too few spots to choose it", fix="set it with --n_domains")
    having = by_run.notna().groupby("method").any().mean()
    # A run with fewer distinct groups than the smallest number has other criteria, but no stability.
    every = table.groupby(["method", "seed"]).size().index
    by_run = by_run.reindex(every)[having.index[having >= 0.5]]
    whole = by_run.notna().all(axis="columns")
    left_out = [run_id(str(method), int(seed)) for method, seed in by_run.index[~whole]]
    means = by_run[whole].groupby("method").mean().mean()
    stability = {int(str(number)): float(value) for number, value in means.items()}
    top = max(stability.values())
    number = max(number for number, value in stability.items() if value > top - TOLERANCE)
    others = {other: value for other, value in stability.items() if abs(other - number) > 1}
    runner_up = max(others, key=lambda other: (others[other], other)) if others else None
    at_the_end = number == max(stability) or number == min(stability) > SMALLEST
    return Choice(number, runner_up, stability, at_the_end, left_out)
