"""The number of domains: criteria over a range of numbers, and the one rule that chooses by them.

The rule is stability under resampling (Lange et al., Neural Comput 16:1299, 2004): spots are divided at random into two
halves, each half is clustered, and both partitions are extended to all spots. Where the number of domains is right, the
halves agree; with too many, domains are cut where chance has it. The other criteria are shown beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from spatialweave.domains.initial_partitions import kmeans_fit, nearest_centre
from spatialweave.domains.labels import check_embedding
from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 3
"""The smallest number tried unless another is asked for. Two domains are the first contrast of a tissue, which is
stable in any case: on four of five real tissues more so than any larger number."""

SPOTS = 10_000
"""Above this the criteria are computed on a random subset."""

DIVISIONS = 3
"""Random divisions of the spots into halves, of which the mean agreement is taken."""

N_INIT = 3
"""Starts of k-means on each half."""

N_RANDOM = 1
"""Random initial partitions of the mixture, besides Ward's and that of k-means."""

TOLERANCE = 0.02
"""The largest number is chosen whose stability is less than this below the highest."""

STABILITY = "stability"
CRITERIA = {
    STABILITY: "Adjusted Rand index between the partitions of two random halves of the spots; decides the number",
    "adjacent": "Fowlkes-Mallows index between the partition into this number and that into one more",
    "silhouette": "How much nearer a spot is to its own domain than to the next one",
    "davies_bouldin": "Scatter within domains over the distance between them; lower is better",
    "bic": "Bayesian information criterion of the Gaussian mixture; higher is better",
    "icl": "Integrated completed likelihood of the Gaussian mixture; higher is better",
}
"""The criteria, and what each is."""


def criteria(embedding: np.ndarray, numbers: Sequence[int], seed: int) -> list[tuple[int, str, float]]:
    """Every criterion of :data:`CRITERIA` for every number of domains.

    Parameters
    ----------
    embedding
        Spots x dimensions.
    numbers
        Numbers of domains to try, rising; those above half the spots are left out.
    seed
        Of the subset, the halves and all starts.

    Returns
    -------
    (number, criterion, value); one that is undefined for a number is left out.
    """
    from sklearn.metrics import davies_bouldin_score, fowlkes_mallows_score, silhouette_score

    values = check_embedding(embedding, 1)
    values, divisions = _divided(values, seed)
    rows: list[tuple[int, str, float]] = []
    before: np.ndarray | None = None
    for number in numbers:
        if number > len(values) // 2:
            break
        fit = tied_mixture(values, number, seed, n_random=N_RANDOM)
        rows.append((number, STABILITY, float(np.mean([_agreement(values, half, number, seed) for half in divisions]))))
        if before is not None:
            rows.append((number - 1, "adjacent", float(fowlkes_mallows_score(before, fit.labels))))
        before = fit.labels
        if 1 < fit.n_found < len(values):
            with threadpool_limits(limits=1):
                sample = min(len(values), 2000)
                shape = float(silhouette_score(values, fit.labels, sample_size=sample, random_state=seed))
                rows.append((number, "silhouette", shape))
                rows.append((number, "davies_bouldin", float(davies_bouldin_score(values, fit.labels))))
        rows += [(number, "bic", fit.bic), (number, "icl", fit.icl)]
        if fit.n_found < number:
            # There are no more distinct groups of spots: larger numbers add empty domains only.
            break
    return rows


def half_agreement(embedding: np.ndarray, number: int, seed: int) -> list[float]:
    """The stability of one number of domains, division by division; empty with fewer than two spots per domain."""
    values, divisions = _divided(check_embedding(embedding, 1), seed)
    return [_agreement(values, half, number, seed) for half in divisions] if number <= len(values) // 2 else []


def _divided(values: np.ndarray, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """At most :data:`SPOTS` rows, and random orders of them whose first and second halves are compared."""
    rng = np.random.default_rng(seed)
    if len(values) > SPOTS:
        values = values[np.sort(rng.choice(len(values), SPOTS, replace=False))]
    return values, [rng.permutation(len(values)) for _ in range(DIVISIONS)]


def _agreement(values: np.ndarray, order: np.ndarray, number: int, seed: int) -> float:
    """Adjusted Rand index over all spots between k-means of the first half of `order` and of the second."""
    from sklearn.metrics import adjusted_rand_score

    middle = len(order) // 2
    parts = []
    for half in (order[:middle], order[middle:]):
        centres = kmeans_fit(values[half], number, seed, N_INIT).cluster_centers_
        parts.append(nearest_centre(values, np.asarray(centres)))
    return float(adjusted_rand_score(*parts))


@dataclass(frozen=True)
class Choice:
    """The number of domains of a dataset.

    Attributes
    ----------
    number
        The one chosen.
    runner_up
        The next most stable one that is not next to it; None where there is none.
    stability
        Mean over methods by number of domains.
    at_the_end
        Whether it is the largest number tried, or the smallest above :data:`FEWEST`: others might be more stable.
    """

    number: int
    runner_up: int | None
    stability: dict[int, float]
    at_the_end: bool


def choose(table: pd.DataFrame) -> Choice:
    """Choose by the stability of all runs together: the largest number within :data:`TOLERANCE` of the most stable.

    Parameters
    ----------
    table
        Rows of all runs of a dataset, with the columns method, seed, n_domains, criterion and value. Runs of one method
        are averaged before methods are. Numbers that some runs lack are left out.

    Raises
    ------
    InputError
        When no number could be tried.
    """
    rows = table[table["criterion"] == STABILITY]
    by_method = rows.groupby(["method", "n_domains"])["value"].mean().unstack("n_domains").dropna(axis="columns")
    stability = {int(str(number)): float(value) for number, value in by_method.mean().items()}
    if not stability:
        raise InputError("number of domains", "there are too few spots to choose it", fix="give it: --n_domains")
    top = max(stability.values())
    number = max(number for number, value in stability.items() if value > top - TOLERANCE)
    others = {other: value for other, value in stability.items() if abs(other - number) > 1}
    runner_up = max(others, key=lambda other: (others[other], other)) if others else None
    return Choice(number, runner_up, stability, number == max(stability) or number == min(stability) > FEWEST)
