"""Split and merge: many small groups of spots by k-means, merged by Ward's criterion to the requested number.

This is Ward's clustering in time linear in spots. For single spots it would be quadratic, so groups much smaller than
domains represent their spots.
"""

from __future__ import annotations

import numpy as np

from spatialweave.domains.initial_partitions import kmeans_partition

SPLIT = 5
"""Groups per domain before merging."""


def split_merge(values: np.ndarray, n_domains: int, seed: int) -> tuple[np.ndarray, int]:
    """Split spots x dimensions into :data:`SPLIT` groups per domain by k-means, and merge them to `n_domains`.

    Returns
    -------
    Labels (int64), fewer than `n_domains` if there are fewer distinct rows; and the number of groups before merging.
    """
    groups = kmeans_partition(values, min(SPLIT * n_domains, len(values)), seed, n_init=1)
    _, groups = np.unique(groups, return_inverse=True)
    sizes = np.bincount(groups)
    centres = np.column_stack([np.bincount(groups, column) for column in values.T]) / sizes[:, None]
    return merge_groups(centres, sizes, n_domains)[groups], len(sizes)


def merge_groups(centres: np.ndarray, sizes: np.ndarray, n_left: int) -> np.ndarray:
    """Merge groups of spots until `n_left` remain, each time the pair that increases the sum of squares the least.

    This is the sum of the squared distances of spots to the centre of their group. Merging groups of m and n spots with
    centres d apart increases it by d^2 m n / (m + n) (Ward, J Am Stat Assoc 58:236, 1963). Ties go to the first pair.

    Parameters
    ----------
    centres
        float64, groups x dimensions.
    sizes
        Number of spots of each group.

    Returns
    -------
    The merged group of each group, 0 to `n_left` - 1 in the order of their first groups (int64).
    """
    centres, sizes = np.array(centres, dtype=np.float64), np.array(sizes, dtype=np.float64)
    n_groups = len(sizes)
    merged = np.arange(n_groups)
    left = np.ones(n_groups, dtype=bool)
    costs = np.full((n_groups, n_groups), np.inf)
    for group in range(n_groups):
        costs[group, group + 1 :] = _rise(centres, sizes, group)[group + 1 :]
    for _ in range(n_groups - n_left):
        first, second = divmod(int(costs.argmin()), n_groups)
        centres[first] = np.average(centres[[first, second]], axis=0, weights=sizes[[first, second]])
        sizes[first] += sizes[second]
        left[second] = False
        merged[merged == second] = first
        costs[second] = costs[:, second] = np.inf
        rise = np.where(left, _rise(centres, sizes, first), np.inf)
        costs[first, first + 1 :] = rise[first + 1 :]
        costs[:first, first] = rise[:first]
    return np.unique(merged, return_inverse=True)[1]


def _rise(centres: np.ndarray, sizes: np.ndarray, group: int) -> np.ndarray:
    """Return the increase in the sum of squares if `group` is merged with each group."""
    squared = ((centres - centres[group]) ** 2).sum(axis=1)
    return np.asarray(squared * sizes * sizes[group] / (sizes + sizes[group]))
