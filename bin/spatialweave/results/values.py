"""Measurements in the units in which they are shown and compared: log counts, arcsinh of intensities, or as given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy import sparse

from spatialweave.io.contract import PRECOMPUTED, is_intensities
from spatialweave.io.count_matrix import Counts, numbered, spot_totals, stored_blocks
from spatialweave.preprocess.frozen import Operation, carry_out
from spatialweave.preprocess.intensities import arcsinh
from spatialweave.preprocess.preparations import OF_INTENSITIES, preparation_of

BLOCK = 8192
"""Number of spots handled at a time in steps that need working memory per count."""

LOG_COUNTS = "log(1 + count), counts scaled to the median total"
ARCSINH = "arcsinh of the intensity in units of its median"
GIVEN = "value as in the input"
"""Units of values that are shown."""

Change = Callable[[sparse.csr_matrix], sparse.csr_matrix]
"""Function from the measurements of some spots to their values (float32 CSR)."""


@dataclass
class FeatureTable:
    """Transformed values of one modality over all spots of a dataset.

    Attributes
    ----------
    values
        Values of :func:`change_to`; float32 CSR, spots x features; empty rows for spots without the modality.
    present
        bool, one per spot: whether the modality was measured.
    unit
        Meaning of the values, in words.
    """

    modality: str
    names: list[str]
    values: sparse.csr_matrix
    present: np.ndarray
    unit: str = LOG_COUNTS

    @cached_property
    def by_feature(self) -> sparse.csc_matrix:
        """The values by feature."""
        return self.values.tocsc()

    def column(self, feature: int) -> np.ndarray:
        """Return the values of one feature over all spots."""
        return self.by_feature[:, [feature]].toarray().ravel()


def median_total(counts: Counts) -> float:
    """Return the median total of the spots that have counts; 1 if none has."""
    totals = spot_totals(counts, np.ones(counts.shape[1], dtype=bool))
    return float(np.median(totals[totals > 0])) if (totals > 0).any() else 1.0


def log_normalise(counts: sparse.csr_matrix, median: float | None = None, copy: bool = True) -> sparse.csr_matrix:
    """Scale every spot to `median`, or to that of the totals of all spots, and take log(1 + x); float32 CSR.

    Without `copy`, float32 counts are overwritten: with many spots a copy takes gigabytes.
    """
    values = sparse.csr_matrix(counts, dtype=np.float32, copy=copy)
    totals = np.asarray(values.sum(axis=1, dtype=np.float64)).ravel()
    median = median_total(values) if median is None else median
    factors = np.divide(median, totals, out=np.zeros_like(totals), where=totals > 0)
    for start in range(0, len(factors), BLOCK):
        ends = values.indptr[start : start + BLOCK + 1]
        block = values.data[ends[0] : ends[-1]]
        block *= np.repeat(factors[start : start + BLOCK].astype(np.float32), np.diff(ends))
    np.log1p(values.data, out=values.data)
    return values


def carried_out(operations: Sequence[Operation], values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Apply operations of preprocessing to the values, which stay unchanged; float32 CSR."""
    changed = sparse.csr_matrix(values, dtype=np.float64, copy=True)
    carry_out(operations, changed)
    return changed.astype(np.float32)


def as_given(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the values themselves; float32 CSR."""
    return sparse.csr_matrix(values, dtype=np.float32)


def _whole(counts: Counts) -> bool:
    """Return whether every value is a whole number; values beside given latents may still be counts."""
    return not any(np.any(block.data % 1) for _, block in numbered(stored_blocks(counts)))


def unit_of(modality: str, counts: Counts, uns: Mapping[str, Any]) -> str:
    """Return the unit in which a modality is shown: LOG_COUNTS, ARCSINH of intensities, or GIVEN.

    Fractions that the user declares precomputed are neither counts nor intensities.

    Parameters
    ----------
    counts, uns
        Measurements, and `uns` of the modality, which names their kind.
    """
    if PRECOMPUTED in uns and not _whole(counts):
        return GIVEN
    intensities = is_intensities(modality, uns)
    return ARCSINH if preparation_of(modality, intensities) == OF_INTENSITIES else LOG_COUNTS


def change_to(unit: str, counts: Counts) -> Change:
    """Return the function from measurements of some spots to displayed values, set up from all measurements.

    Counts are scaled to the median total of all spots, then log(1 + x), as in scanpy. Intensities are divided by each
    feature's median before arcsinh, as in preprocessing.
    """
    if unit == GIVEN:
        return as_given
    if unit == ARCSINH:
        return partial(carried_out, arcsinh(counts))
    return partial(log_normalise, median=median_total(counts))
