"""Intensities of any modality: stained proteins, gene activities, denoised or corrected expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spatialweave.io.count_matrix import Counts, spot_blocks, spots_per_feature
from spatialweave.preprocess import rna
from spatialweave.preprocess.adt import TARGET_SUM, clr
from spatialweave.preprocess.frozen import Operation
from spatialweave.preprocess.matrices import standard_deviations
from spatialweave.preprocess.prepared import PreparationSettings, Prepared, detected_features, scale
from spatialweave.preprocess.values import Values
from spatialweave.settings import REQUIRED, option

VALUES_AT_ONCE = 32_000_000
"""Number of values above 0 that are held at a time to compute medians (128 MB)."""


@dataclass(frozen=True)
class IntensitySettings(PreparationSettings):
    """Options for intensities."""

    variable_features: int | None = option(
        REQUIRED,
        "How many features are kept, those that vary most once transformed; all: every one.",
        low=1,
        none="all",
    )
    transform: Literal["arcsinh", "clr", "as_rna", "none"] = option(
        REQUIRED,
        "arcsinh of the values in units of each feature's median positive value; clr: log-ratio to the feature's mean "
        "over the spots; as_rna: what is done to counts of RNA; none: the values themselves.",
    )
    scale: bool = option(REQUIRED, "Whether features are divided by their standard deviation.")


def prepare(counts: Counts, settings: IntensitySettings) -> Prepared:
    """Prepare intensities (spots x features): transformation, the features that vary most, scaling.

    Spots are not scaled to one total: a cell that is bright in all of its stains was not sampled more deeply, and if
    one stain dominated the total, all others would take on its pattern. Only `as_rna` scales them, as in SpatialFuser.
    """
    if settings.transform == "as_rna":
        chosen = rna.RnaSettings(
            min_spots=settings.min_spots,
            components=settings.components,
            variable_features=settings.variable_features,
            target_sum=TARGET_SUM,
            scale=settings.scale,
        )
        return rna.prepare(counts, chosen)
    steps: list[dict[str, Any]] = []
    kept = detected_features(counts, settings.min_spots, steps)
    values = Values(counts, np.flatnonzero(kept))
    if settings.transform == "arcsinh":
        values = values.then(*arcsinh(values))
        steps.append({"step": "arcsinh", "unit": "median"})
    elif settings.transform == "clr":
        values = values.then(*clr(values, "protein"))
        steps.append({"step": "clr", "over": "spots"})
    if settings.variable_features is not None and settings.variable_features < values.shape[1]:
        order = np.argsort(-standard_deviations(values), kind="stable")[: settings.variable_features]
        values = values.only(np.sort(order))
        steps.append({"step": "variable_features", "method": "variance", "kept": values.shape[1]})
    values, divisors = scale(values, settings.scale, steps)
    return Prepared(values, divisors, steps)


def arcsinh(values: Counts) -> list[Operation]:
    """Return the operations of arcsinh(x / median of the feature's positive values): linear near 0, logarithmic above.

    With the median as the unit, the result is the same for any gain of the instrument.
    """
    factors = 1 / _medians(values)
    return [Operation("columns", numbers=factors), Operation("arcsinh")]


def _medians(values: Counts) -> np.ndarray:
    """Return the median of the positive values of each feature, 1 where there are none.

    Each pass handles a group of features with about :data:`VALUES_AT_ONCE` values together.
    """
    medians = np.ones(values.shape[1])
    group = np.cumsum(spots_per_feature(values)) // VALUES_AT_ONCE
    for number in np.unique(group):
        features = np.flatnonzero(group == number)
        pieces: list[list[np.ndarray]] = [[] for _ in features]
        for block in spot_blocks(values):
            columns = block[:, features].tocsc()
            for parts, piece in zip(pieces, np.split(columns.data, columns.indptr[1:-1]), strict=True):
                parts.append(piece[piece > 0].astype(np.float32))
        for feature, parts in zip(features, pieces, strict=True):
            positive = np.concatenate(parts)
            medians[feature] = np.median(positive.astype(np.float64)) if len(positive) else 1.0
    return medians
