"""Groups of the spots of a section, by any column: which of them lie over each other in space."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.io.labels import clean

OVERLAP = 0.5
"""Two groups of spots lie over each other where their boxes share more than this fraction of the smaller one. Boxes of
neighbouring fields share their margins only."""

SMALL = 0.1
"""Groups with fewer than this fraction of the spots of the median group are not looked at: what is cut off at the edge
of a slide can lie within the margin of its neighbour."""

COMPARED = 2_000
"""Groups that are compared in pairs at most; more than these are sampled."""

COMMON = 0.2
"""Two groups repeat each other where at least this fraction of the smaller one is in both. Sections that lie over each
other on a lattice share more; random barcodes of several wells are the same by chance in less than a thirtieth."""

FEWEST_COMMON = 3

ALONE = 0.99
"""And where no group holds more than the rest of its own barcodes, or points, twice: cells of one type do, where
several were put at one point."""

ALIKE = 0.25
"""Groups are spread alike where their means differ by less than this part of their deviation, and their deviations by
less than this logarithm, besides chance."""


class Groups:
    """The spots whose group and place are known.

    Parameters
    ----------
    values
        float64, spots x 2; NaN where unknown.
    groups
        Text, one per spot; "" where unknown.

    Attributes
    ----------
    names, sizes
        Of the groups, sorted by name.
    used, codes
        Positions of the known spots, and the position of the group of each.
    """

    def __init__(self, values: np.ndarray, groups: np.ndarray) -> None:
        self.used = np.flatnonzero((groups != "") & ~np.isnan(values).any(axis=1))
        self._values = values[self.used]
        codes, names = pd.factorize(groups[self.used], sort=True)
        self.codes, self.names = codes, [str(name) for name in names]
        self.sizes = np.bincount(codes, minlength=len(names))

    def overlapping(self) -> Iterator[tuple[int, int]]:
        """Pairs of groups whose spots lie over each other."""
        if len(self.names) < 2:
            return
        kept = np.flatnonzero(self.sizes >= SMALL * np.median(self.sizes))
        if len(kept) > COMPARED:
            kept = np.sort(np.random.default_rng(0).choice(kept, COMPARED, replace=False))
        lowest = np.full((len(self.names), 2), np.inf)
        highest = np.full((len(self.names), 2), -np.inf)
        np.minimum.at(lowest, self.codes, self._values)
        np.maximum.at(highest, self.codes, self._values)
        # A group of one spot, or of spots on a line, has a box, too.
        highest = highest + 1e-9 * max(float(np.ptp(self._values, axis=0).max()), np.finfo(float).tiny)
        for position, group in enumerate(kept[:-1]):
            others = kept[position + 1 :]
            sides = np.minimum(highest[group], highest[others]) - np.maximum(lowest[group], lowest[others])
            shared = np.prod(np.clip(sides, 0, None), axis=1)
            area = np.prod(highest[group] - lowest[group])
            areas = np.minimum(area, np.prod(highest[others] - lowest[others], axis=1))
            for other in others[shared > OVERLAP * areas]:
                yield int(group), int(other)

    def repeating(self, keys: np.ndarray) -> np.ndarray:
        """Which groups have many keys in common, and none twice in themselves: bool, groups x groups.

        Parameters
        ----------
        keys
            One whole number per spot, -1 = unknown. Memory is that of groups x groups.
        """
        known = keys[self.used] >= 0
        codes, keys = self.codes[known], keys[self.used][known]
        held = sparse.csr_matrix((np.ones(len(keys)), (codes, keys)), shape=(len(self.names), keys.max(initial=0) + 1))
        if held.nnz < ALONE * len(keys):
            return np.zeros((len(self.names), len(self.names)), dtype=bool)
        held.data[:] = 1
        # Keys of one group only say nothing, and are most of them.
        held = held[:, np.asarray(held.sum(axis=0)).ravel() > 1]
        smaller = np.minimum.outer(self.sizes, self.sizes)
        return np.asarray((held @ held.T).toarray() >= np.maximum(FEWEST_COMMON, COMMON * smaller))

    def spread_alike(self, one: int, other: int) -> bool:
        """Whether the spots of two groups are spread over the same area: their means and deviations agree."""
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


def group_texts(column: pd.Series, most: int) -> np.ndarray | None:
    """The values of a column as those of :class:`Groups`; None where they are fewer than 2 or more than `most`."""
    codes, values = pd.factorize(column)
    if not 2 <= len(values) <= most:
        return None
    # The last is that of missing ones, whose code is -1.
    return np.append(clean(pd.Series(values)), "")[codes]
