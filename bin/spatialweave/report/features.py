"""Features that characterise domains and spots: markers of domains, top features of spots; linear in the counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy import sparse

from spatialweave.graphs.matrices import rank_within_spot
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

Change = Callable[[sparse.csr_matrix], sparse.csr_matrix]
"""Function from the measurements of some spots to their values (float32 CSR)."""

NOT_MEASURED = 255
"""Code of a spot without the modality in :func:`quantise`; 0..254 are values."""


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


@dataclass
class Marker:
    """Feature that is higher in a domain than outside it.

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


def domain_markers(table: FeatureTable, codes: np.ndarray, n_domains: int, top: int) -> list[list[Marker]]:
    """Return the `top` features per domain by difference of mean log-normalised values inside and outside, if positive.

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
    # In float64, one block at a time: sums of a million float32 values are off by a percent.
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
    """Return per spot the `top` features that exceed their mean over all measured spots most (log-normalised).

    Returns
    -------
    int32, spots x top, feature indices in falling order; -1 if a spot has fewer.
    """
    mean = np.asarray(table.values.sum(axis=0, dtype=np.float64)).ravel() / max(int(table.present.sum()), 1)
    result = np.full((table.values.shape[0], top), -1, dtype=np.int32)
    for start in range(0, table.values.shape[0], BLOCK):
        block = table.values[start : start + BLOCK]
        rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        excess = block.data - mean[block.indices]
        # A feature that a spot lacks is below its mean, so only stored entries can exceed it.
        kept = excess > 0
        rows, features, excess = rows[kept], block.indices[kept], excess[kept]
        order = np.lexsort((features, -excess, rows))
        rows, features = rows[order], features[order]
        rank = rank_within_spot(rows)
        best = rank < top
        result[start + rows[best], rank[best]] = features[best]
    return result


def choose_features(markers_by_run: list[dict[str, list[list[Marker]]]], limit: int) -> list[tuple[str, int]]:
    """Choose up to `limit` features for the map, as (modality, feature): markers of earlier runs and high ranks first.

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
    """Convert (modality, name) to (modality, feature), without features that were not measured."""
    numbers = {(table.modality, name): number for table in tables for number, name in enumerate(table.names)}
    return [(key[0], numbers[key]) for key in wanted if key in numbers]


def position_of_strongest(chosen: list[tuple[str, int]], markers: dict[str, list[list[Marker]]]) -> int:
    """Return the position in `chosen` of the marker with the largest difference; 0 without markers."""
    strength = {(name, m.feature): m.difference for name, found in markers.items() for domain in found for m in domain}
    return max(range(len(chosen)), key=lambda index: strength.get(chosen[index], 0.0), default=0)


def most_variable(table: FeatureTable) -> list[int]:
    """Return the features that vary, by falling variance over the measured spots."""
    n_spots = max(int(table.present.sum()), 1)
    mean = np.asarray(table.values.sum(axis=0, dtype=np.float64)).ravel() / n_spots
    squares = np.asarray(table.values.multiply(table.values).sum(axis=0, dtype=np.float64)).ravel() / n_spots
    variance = squares - mean**2
    return [int(feature) for feature in np.argsort(-variance, kind="stable") if variance[feature] > 0]


def quantise(table: FeatureTable, feature: int, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Convert one feature to 8-bit steps for drawing.

    The top of the scale is the 99.5th percentile of the non-zero values, so that single spots do not flatten the map.

    Returns
    -------
    steps
        uint8 for `rows`: 0..254 from 0 to the top of the scale, :data:`NOT_MEASURED` if the modality is missing.
    top
        Value of step 254.
    """
    values = table.column(feature)
    positive = values[values > 0]
    top = float(np.percentile(positive, 99.5)) if len(positive) else 1.0
    steps = quantise_between(values, 0.0, top)
    steps[~table.present] = NOT_MEASURED
    return steps[rows], top


def quantise_between(values: np.ndarray, low: float, top: float) -> np.ndarray:
    """Convert values to uint8 steps, 0..254 from `low` to `top`; :data:`NOT_MEASURED` if they are not finite."""
    fraction = (values - low) / (top - low if top > low else 1)
    steps = np.round(254 * np.clip(np.nan_to_num(fraction), 0, 1)).astype(np.uint8)
    steps[~np.isfinite(values)] = NOT_MEASURED
    return steps
