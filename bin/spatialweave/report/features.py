"""What sets domains and spots apart: markers of domains, top features of spots. Sparse, and linear in the counts."""

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
"""Spots handled at a time where a step needs working memory per count."""

LOG_COUNTS = "log(1 + count), counts scaled to the median total"
ARCSINH = "arcsinh of the intensity in units of its median"
GIVEN = "value as in the input"

Change = Callable[[sparse.csr_matrix], sparse.csr_matrix]
"""Takes the measurements of some spots and gives their values (float32 CSR)."""

NOT_MEASURED = 255
"""The code of a spot without the modality in :func:`quantise`; 0..254 are values."""


@dataclass
class FeatureTable:
    """Transformed values of one modality over all spots of a dataset.

    Attributes
    ----------
    values
        Those of :func:`change_to`; float32 CSR, spots x features; empty rows where not measured.
    present
        bool, one per spot: where the modality was measured.
    unit
        What the values are, in words.
    """

    modality: str
    names: list[str]
    values: sparse.csr_matrix
    present: np.ndarray
    unit: str = LOG_COUNTS

    @cached_property
    def by_feature(self) -> sparse.csc_matrix:
        """The values feature by feature."""
        return self.values.tocsc()

    def column(self, feature: int) -> np.ndarray:
        """The values of one feature over all spots."""
        return self.by_feature[:, [feature]].toarray().ravel()


@dataclass
class Marker:
    """A feature that is higher in a domain than outside it.

    Attributes
    ----------
    difference
        Mean of the log-normalised values inside minus outside.
    inside, outside
        Fraction of the spots in which it was detected.
    """

    feature: int
    difference: float
    inside: float
    outside: float


def median_total(counts: Counts) -> float:
    """The median total of the spots that have counts; 1 where none has."""
    totals = spot_totals(counts, np.ones(counts.shape[1], dtype=bool))
    return float(np.median(totals[totals > 0])) if (totals > 0).any() else 1.0


def log_normalise(counts: sparse.csr_matrix, median: float | None = None, copy: bool = True) -> sparse.csr_matrix:
    """Scale every spot to `median`, or that of the totals of all spots, and take log(1 + x); float32 CSR.

    Without `copy`, float32 counts are overwritten: of many spots a copy is gigabytes.
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
    """The values (which stay as they are) after operations of preprocessing; float32 CSR."""
    changed = sparse.csr_matrix(values, dtype=np.float64, copy=True)
    carry_out(operations, changed)
    return changed.astype(np.float32)


def as_given(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """The values themselves; float32 CSR."""
    return sparse.csr_matrix(values, dtype=np.float32)


def _whole(counts: Counts) -> bool:
    """Whether every value is a whole number; beside latents that are given the values may still be counts."""
    return not any(np.any(block.data % 1) for _, block in numbered(stored_blocks(counts)))


def unit_of(modality: str, counts: Counts, uns: Mapping[str, Any]) -> str:
    """What a modality's values are shown as: LOG_COUNTS, ARCSINH of intensities, or GIVEN.

    Fractions that the user declares precomputed are neither counts nor intensities.

    Parameters
    ----------
    counts, uns
        What was measured, and `uns` of the modality, which says what it is.
    """
    if PRECOMPUTED in uns and not _whole(counts):
        return GIVEN
    intensities = is_intensities(modality, uns)
    return ARCSINH if preparation_of(modality, intensities) == OF_INTENSITIES else LOG_COUNTS


def change_to(unit: str, counts: Counts) -> Change:
    """What turns the measurements of some of the spots into the values that are shown, by what is known of all of them.

    Counts are scaled to the median total of all spots, then log(1 + x), as in scanpy; intensities are arcsinh of units
    of each feature's median, as in preprocessing.
    """
    if unit == GIVEN:
        return as_given
    if unit == ARCSINH:
        return partial(carried_out, arcsinh(counts))
    return partial(log_normalise, median=median_total(counts))


def domain_markers(table: FeatureTable, codes: np.ndarray, n_domains: int, top: int) -> list[list[Marker]]:
    """The `top` features per domain by difference of mean log-normalised values inside and outside; only positive ones.

    Parameters
    ----------
    codes
        Domain code per spot, -1 = none. Spots without the modality are left out.
    """
    used = table.present & (codes >= 0)
    rows = np.flatnonzero(used)
    if not len(rows):
        return [[] for _ in range(n_domains)]
    members = sparse.csr_matrix((np.ones(len(rows)), (codes[rows], rows)), shape=(n_domains, len(codes)))
    sums, detected = np.zeros((2, n_domains, len(table.names)))
    # In float64, of which only a block at a time is made: sums of a million float32 are off by a percent.
    for start in range(0, len(codes), BLOCK):
        own, values = members[:, start : start + BLOCK], table.values[start : start + BLOCK]
        sums += (own @ values).toarray()
        detected += (own @ (values > 0)).toarray()
    inside, outside = _means(members, sums)
    detected_in, detected_out = _means(members, detected)
    difference = inside - outside
    order = np.argsort(-difference, axis=1, kind="stable")[:, :top]
    return [
        [
            Marker(int(f), float(difference[d, f]), float(detected_in[d, f]), float(detected_out[d, f]))
            for f in order[d]
            if difference[d, f] > 0
        ]
        for d in range(n_domains)
    ]


def _means(members: sparse.csr_matrix, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of every feature inside and outside each domain, from the sums over each; 0 for an empty side."""
    sizes = np.asarray(members.sum(axis=1)).reshape(-1, 1)
    rest = sizes.sum() - sizes
    return sums / np.maximum(sizes, 1), (sums.sum(axis=0) - sums) / np.maximum(rest, 1)


def top_features(table: FeatureTable, top: int = 3) -> np.ndarray:
    """Per spot the `top` features that exceed their mean over all measured spots most (log-normalised).

    Returns
    -------
    int32, spots x top, feature indices in falling order; -1 where a spot has fewer.
    """
    mean = np.asarray(table.values.sum(axis=0, dtype=np.float64)).ravel() / max(int(table.present.sum()), 1)
    result = np.full((table.values.shape[0], top), -1, dtype=np.int32)
    for start in range(0, table.values.shape[0], BLOCK):
        block = table.values[start : start + BLOCK]
        rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        excess = block.data - mean[block.indices]
        # A feature that a spot lacks is below its mean, so stored entries are all that can exceed it.
        kept = excess > 0
        rows, features, excess = rows[kept], block.indices[kept], excess[kept]
        order = np.lexsort((features, -excess, rows))
        rows, features = rows[order], features[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        best = rank < top
        result[start + rows[best], rank[best]] = features[best]
    return result


def choose_features(markers_by_run: list[dict[str, list[list[Marker]]]], limit: int) -> list[tuple[str, int]]:
    """Up to `limit` features for the map, as (modality, feature), markers of earlier runs and higher ranks first.

    Modalities get equal numbers, so that 1000 genes do not crowd out 20 proteins.
    """
    modalities = list(dict.fromkeys(name for run in markers_by_run for name in run))
    chosen: list[tuple[str, int]] = []
    for modality in modalities:
        ranked = (
            domain[rank].feature
            for run in markers_by_run
            for rank in range(max((len(domain) for domain in run.get(modality, [])), default=0))
            for domain in run[modality]
            if rank < len(domain)
        )
        distinct = list(dict.fromkeys(ranked))[: max(limit // len(modalities), 1)]
        chosen.extend((modality, feature) for feature in distinct)
    return chosen


def positions(tables: Sequence[FeatureTable], wanted: Sequence[tuple[str, str]]) -> list[tuple[str, int]]:
    """Features as (modality, feature) from (modality, name), without those that were not measured."""
    numbers = {(table.modality, name): number for table in tables for number, name in enumerate(table.names)}
    return [(key[0], numbers[key]) for key in wanted if key in numbers]


def position_of_strongest(chosen: list[tuple[str, int]], markers: dict[str, list[list[Marker]]]) -> int:
    """Position in `chosen` of the marker with the largest difference of all; 0 without markers."""
    strength = {(name, m.feature): m.difference for name, found in markers.items() for domain in found for m in domain}
    return max(range(len(chosen)), key=lambda index: strength.get(chosen[index], 0.0), default=0)


def most_variable(table: FeatureTable) -> list[int]:
    """The features that vary, by falling variance of their values over the measured spots."""
    n_spots = max(int(table.present.sum()), 1)
    mean = np.asarray(table.values.sum(axis=0, dtype=np.float64)).ravel() / n_spots
    squares = np.asarray(table.values.multiply(table.values).sum(axis=0, dtype=np.float64)).ravel() / n_spots
    variance = squares - mean**2
    return [int(feature) for feature in np.argsort(-variance, kind="stable") if variance[feature] > 0]


def quantise(table: FeatureTable, feature: int, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """One feature as 8-bit steps for drawing.

    The top of the scale is the 99.5th percentile of the non-zero values, so that single spots do not flatten the map.

    Returns
    -------
    steps
        uint8 for `rows`: 0..254 from 0 to the top of the scale, :data:`NOT_MEASURED` where the modality is missing.
    top
        The value of step 254.
    """
    values = table.column(feature)
    positive = values[values > 0]
    top = float(np.percentile(positive, 99.5)) if len(positive) else 1.0
    steps = quantise_between(values, 0.0, top)
    steps[~table.present] = NOT_MEASURED
    return steps[rows], top


def quantise_between(values: np.ndarray, low: float, top: float) -> np.ndarray:
    """Values as uint8 steps, 0..254 from `low` to `top`; :data:`NOT_MEASURED` where they are not finite."""
    fraction = (values - low) / (top - low if top > low else 1)
    steps = np.round(254 * np.clip(np.nan_to_num(fraction), 0, 1)).astype(np.uint8)
    steps[~np.isfinite(values)] = NOT_MEASURED
    return steps
