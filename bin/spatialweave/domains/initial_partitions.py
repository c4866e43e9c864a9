"""Initial partitions of the mixture's EM: Ward, k-means and random ones.

Each function takes spots x dimensions (float64) and a seed and returns integer labels. All are linear in the number of
spots.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.sampling import random_subset
from spatialweave.threads import one_thread

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

WARD_LIMIT = 5000
"""With more spots, Ward's clustering uses a random subset of this size, because its time is quadratic in spots."""


def initial_partitions(values: np.ndarray, n_domains: int, seed: int, n_random: int) -> Iterator[tuple[str, Any]]:
    """Yield (name, labels) for Ward, k-means and `n_random` random partitions."""
    yield "ward", ward_partition(values, n_domains, seed)
    yield "kmeans", kmeans_partition(values, n_domains, seed)
    for number in range(1, n_random + 1):
        # Neighbouring seeds share no partition.
        own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        yield f"random_{number}", random_partition(values, n_domains, own)


def ward_partition(values: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    """Return Ward's clustering; above :data:`WARD_LIMIT` spots from a random subset, others at the nearest centre."""
    from scipy.cluster.hierarchy import fcluster, linkage

    sample = random_subset(len(values), WARD_LIMIT, seed)
    if len(sample) < 2:
        return np.zeros(len(values), dtype=np.int64)
    # If merges tie (duplicates), fcluster gives fewer than n_domains; the mixture allows that.
    labels = fcluster(linkage(values[sample], method="ward"), n_domains, criterion="maxclust") - 1
    if len(sample) == len(values):
        return labels.astype(np.int64)
    centres = np.stack([values[sample][labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    return nearest_centre(values, centres)


def kmeans_partition(values: np.ndarray, n_domains: int, seed: int, n_init: int = 5) -> np.ndarray:
    """Return the best of `n_init` runs of k-means."""
    return np.asarray(kmeans_fit(values, n_domains, seed, n_init).labels_, dtype=np.int64)


def kmeans_fit(values: np.ndarray, n_domains: int, seed: int, n_init: int) -> KMeans:
    """Fit scikit-learn's k-means, the best of `n_init` runs, with the same result on every number of cores."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(), one_thread():
        # Fewer distinct rows than domains are not an error here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return KMeans(n_domains, n_init=n_init, random_state=seed).fit(values)


def random_partition(values: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    """Assign every spot to the nearest of `n_domains` spots drawn by k-means++."""
    from sklearn.cluster import kmeans_plusplus

    with np.errstate(all="ignore"), warnings.catch_warnings():
        # With fewer distinct rows than domains all sampling weights become zero.
        warnings.simplefilter("ignore", RuntimeWarning)
        centres, _ = kmeans_plusplus(values, n_domains, random_state=seed)
    return nearest_centre(values, centres)


def nearest_centre(values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the index of the nearest of `centres` (centres x dimensions) per row of `values`; ties to the lower."""
    # |x - c|^2 without |x|^2, which is the same for every centre.
    return np.argmin((centres**2).sum(axis=1) - 2.0 * (values @ centres.T), axis=1)
