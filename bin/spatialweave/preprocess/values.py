"""Prepared values of a modality, computed from its counts some spots at a time whenever they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from spatialweave.io.count_matrix import Counts, spot_blocks
from spatialweave.preprocess.frozen import ALL, CHANGES, Operation
from spatialweave.preprocess.matrices import normalise_total, standard_deviations


@dataclass
class Values:
    """Values of chosen features after operations; a :class:`~spatialweave.io.count_matrix.SpotBlocks` in float64.

    Values are kept only if they are a single block, since they take more memory than the counts.

    Attributes
    ----------
    counts
        Raw counts, spots x features.
    features
        Positions of the chosen features among those of the counts, ascending.
    operations
        Operations in order.
    detected
        Positions of the features in the totals of :data:`~spatialweave.preprocess.frozen.ALL`.
    deviations
        Standard deviation of each chosen feature over the spots, if known.
    """

    counts: Counts
    features: np.ndarray
    operations: list[Operation] = field(default_factory=list)
    detected: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    deviations: np.ndarray | None = None
    _whole: sparse.csr_matrix | None = field(default=None, init=False, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Spots and chosen features."""
        return self.counts.shape[0], len(self.features)

    @property
    def nnz(self) -> int:
        """Upper limit of the number of stored entries."""
        return int(self.counts.nnz)

    def then(self, *operations: Operation) -> Values:
        """Return the values after further operations."""
        return replace(self, operations=[*self.operations, *operations], deviations=None)

    def scaled(self) -> tuple[Values, np.ndarray]:
        """Return features divided by their standard deviation (n - 1), and the divisors, 1 for constant features.

        Centring is left to the PCA, which does it implicitly; here it would make the values dense.
        """
        deviations = standard_deviations(self)
        divisors = np.where(deviations > 0, deviations, 1.0)
        scaled = self.then(Operation("columns", numbers=1 / divisors))
        return replace(scaled, deviations=deviations / divisors), divisors

    def only(self, chosen: np.ndarray) -> Values:
        """Return some of the features (positions among them); all operations must act feature by feature."""
        operations = [replace(op, numbers=op.numbers[chosen]) if len(op.numbers) else op for op in self.operations]
        return replace(self, features=self.features[chosen], operations=operations, deviations=None)

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Yield the spots in order; a block must not be changed."""
        if self._whole is not None:
            yield self._whole
            return
        for block in spot_blocks(self.counts):
            values = self._of(block)
            if block.shape[0] == self.shape[0]:
                self._whole = values
            yield values

    def _of(self, block: sparse.csr_matrix) -> sparse.csr_matrix:
        whole = len(self.features) == block.shape[1]
        values = block.copy() if whole else block[:, self.features]
        for operation in self.operations:
            if operation.name == "total":
                normalise_total(values, self._totals(block, values, operation), operation.target)
            else:
                CHANGES[operation.name](values, operation.numbers)
        return values

    def _totals(self, block: sparse.csr_matrix, values: sparse.csr_matrix, operation: Operation) -> np.ndarray:
        if operation.of != ALL:
            return np.asarray(values.sum(axis=1)).ravel()
        weights = np.zeros(block.shape[1])
        weights[self.detected] = 1
        return np.asarray(block @ weights)
