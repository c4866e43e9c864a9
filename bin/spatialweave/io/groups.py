"""Groups of the spots of a section by any column, and the groups that lie over each other in space."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.io.labels import clean
from spatialweave.sampling import random_subset

OVERLAP = 0.5
"""Two groups of spots lie over each other if their bounding boxes share more than this fraction of the smaller box.
Boxes of neighbouring fields share only their margins."""

SMALL = 0.1
"""Groups with fewer than this fraction of the spots of the median group are ignored: a field cut off at the edge of a
slide can lie within the margin of its neighbour."""

COMPARED = 2_000
"""Largest number of groups that are compared in pairs; more groups are sampled."""

COMMON = 0.2
"""Two groups repeat each other if at least this fraction of the smaller group is in both. Sections that lie over each
other on a lattice share more; of random barcodes of several wells, less than a thirtieth are equal by chance."""

FEWEST_COMMON = 3

ALONE = 0.99
"""Smallest fraction of distinct barcodes or points within the groups of such a pair. Groups of one cell type have fewer
where several cells were placed at one point."""

COINCIDE = 0.8
"""The boxes of groups coincide if each has at least this fraction of the area of a box around all."""

REGULAR = 1.1
"""Groups are taken for sections if the index of Clark and Evans (Ecology 1954, 35:445) of all spots is less than this
times the median index of the groups: the cells of one section keep a distance from each other, whatever their groups,
those of several sections do not."""

ALIKE = 0.25
"""Groups are spread alike if their means differ by less than this fraction of their standard deviation, and the
logarithms of the standard deviations by less than this, with an allowance for chance."""


class Groups:
    """Groups of the spots whose group and coordinates are known.

    Parameters
    ----------
    values
        float64, spots x 2; NaN where unknown.
    groups
        Text, one per spot; "" where unknown.

    Attributes
    ----------
    names, sizes
        Names and sizes of the groups, sorted by name.
    used, codes
        Positions of these spots, and the position of the group of each.
    """

    def __init__(self, values: np.ndarray, groups: np.ndarray) -> None:
        self.used = np.flatnonzero((groups != "") & ~np.isnan(values).any(axis=1))
        self._values = values[self.used]
        codes, names = pd.factorize(groups[self.used], sort=True)
        self.codes, self.names = codes, [str(name) for name in names]
        self.sizes = np.bincount(codes, minlength=len(names))

    def overlapping(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of groups whose spots lie over each other."""
        if len(self.names) < 2:
            return
        kept = self._not_small()
        kept = kept[random_subset(len(kept), COMPARED, seed=0)]
        lowest, highest = self._boxes
        # A group of one spot, or of spots on a line, also needs a box with an area.
        highest = highest + 1e-9 * max(float(np.ptp(self._values, axis=0).max()), np.finfo(float).tiny)
        for position, group in enumerate(kept[:-1]):
            others = kept[position + 1 :]
            sides = np.minimum(highest[group], highest[others]) - np.maximum(lowest[group], lowest[others])
            shared = np.prod(np.clip(sides, 0, None), axis=1)
            area = np.prod(highest[group] - lowest[group])
            areas = np.minimum(area, np.prod(highest[others] - lowest[others], axis=1))
            for other in others[shared > OVERLAP * areas]:
                yield int(group), int(other)

    def cover_one_box(self) -> bool:
        """Return whether there are two groups or more, and the box of each is nearly that of all."""
        kept = self._not_small()
        if len(kept) < 2:
            return False
        low, high = (corner[kept] for corner in self._boxes)
        area = np.prod(high.max(axis=0) - low.min(axis=0))
        return bool(area) and bool((np.prod(high - low, axis=1) >= COINCIDE * area).all())

    def keep_no_distance(self, of_all: float) -> bool:
        """Return whether spots are as near to those of other groups; `of_all`: :func:`regularity` of all spots."""
        of_group = [regularity(self._values[self.codes == group]) for group in self._not_small()]
        return of_all < REGULAR * float(np.median(of_group))

    def _not_small(self) -> np.ndarray:
        return np.flatnonzero(self.sizes >= SMALL * np.median(self.sizes))

    @cached_property
    def _boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest x and y of each group, each groups x 2."""
        lowest = np.full((len(self.names), 2), np.inf)
        highest = np.full((len(self.names), 2), -np.inf)
        np.minimum.at(lowest, self.codes, self._values)
        np.maximum.at(highest, self.codes, self._values)
        return lowest, highest

    def repeating(self, keys: np.ndarray) -> np.ndarray:
        """Return which groups have many keys in common and hardly any key twice: bool, groups x groups.

        Parameters
        ----------
        keys
            One whole number per spot, -1 = unknown.
        """
        known = keys[self.used] >= 0
        codes, keys = self.codes[known], keys[self.used][known]
        held = sparse.csr_matrix((np.ones(len(keys)), (codes, keys)), shape=(len(self.names), keys.max(initial=0) + 1))
        if held.nnz < ALONE * len(keys):
            return np.zeros((len(self.names), len(self.names)), dtype=bool)
        held.data[:] = 1
        # Most keys are in one group only and are not needed.
        held = held[:, np.asarray(held.sum(axis=0)).ravel() > 1]
        smaller = np.minimum.outer(self.sizes, self.sizes)
        return np.asarray((held @ held.T).toarray() >= np.maximum(FEWEST_COMMON, COMMON * smaller))

    def spread_alike(self, one: int, other: int) -> bool:
        """Return whether the spots of two groups cover the same area: their means and standard deviations agree."""
        means, deviations = (table[[one, other]] for table in self._spread)
        # Three standard errors.
        most = ALIKE + 3 * np.sqrt((1 / self.sizes[[one, other]]).sum())
        apart = np.abs(means[0] - means[1]) / deviations.max(axis=0)
        return bool((apart < most).all() and (np.abs(np.log(deviations[0] / deviations[1])) < most).all())

    @cached_property
    def _spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of x and y, each groups x 2."""
        means = self._mean(self._values)
        squares = self._mean((self._values - means[self.codes]) ** 2)
        return means, np.sqrt(squares) + np.finfo(float).tiny

    def _mean(self, values: np.ndarray) -> np.ndarray:
        sums = [np.bincount(self.codes, axis, minlength=len(self.names)) for axis in values.T]
        return np.column_stack(sums) / self.sizes[:, None]


def regularity(points: np.ndarray) -> float:
    """Return the mean distance of nearest neighbours, times the root of their number: for one area, the index of Clark
    and Evans up to a factor.
    """
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return 0.0
    return float(cKDTree(points).query(points, k=2)[0][:, 1].mean() * np.sqrt(len(points)))


def group_texts(column: pd.Series, most: int) -> np.ndarray | None:
    """Return the values of a column as text for :class:`Groups`; None if fewer than 2 or more than `most` differ."""
    codes, values = pd.factorize(column)
    if not 2 <= len(values) <= most:
        return None
    # Missing values have the code -1, the position of the "" at the end.
    return np.append(clean(pd.Series(values)), "")[codes]
