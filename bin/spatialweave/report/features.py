"""Features that characterise domains and spots: markers of domains, top features of spots; linear in the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from spatialweave.graphs.matrices import rank_within_spot
from spatialweave.results.values import BLOCK, FeatureTable

NOT_MEASURED = 255
"""Code of a spot without the modality in :func:`quantise`; 0..254 are values."""


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
