"""Intensities of whatever modality: stained proteins, gene activities, denoised or corrected expression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import sparse

from spatialweave.preprocess.adt import clr
from spatialweave.preprocess.frozen import Operation
from spatialweave.preprocess.matrices import scale_columns, select_features, standard_deviations
from spatialweave.preprocess.prepared import PreparationSettings, Prepared, detected_features, scale
from spatialweave.settings import REQUIRED, option


@dataclass(frozen=True)
class IntensitySettings(PreparationSettings):
    """How intensities are treated."""

    variable_features: int | None = option(
        REQUIRED,
        "How many features are kept, those that vary most once transformed; all: every one.",
        low=1,
        none="all",
    )
    transform: Literal["arcsinh", "clr", "none"] = option(
        REQUIRED,
        "arcsinh of the values in units of each feature's median positive value; clr: log-ratio to the feature's mean "
        "over the spots; none: the values themselves.",
    )
    scale: bool = option(REQUIRED, "Whether features are divided by their standard deviation.")


def prepare(values: sparse.csr_matrix, settings: IntensitySettings) -> Prepared:
    """Prepare intensities (spots x features): transformation, the features that vary most, scaling.

    Spots are not scaled to one total: that a cell is bright in all of its stains is no matter of sampling depth, and
    where one stain dominates the total, all others would take on its pattern.
    """
    steps: list[dict[str, Any]] = []
    kept = detected_features(values, settings.min_spots, steps)
    matrix = select_features(values, kept)
    operations: list[Operation] = []
    if settings.transform == "arcsinh":
        operations = arcsinh(matrix)
        steps.append({"step": "arcsinh", "unit": "median"})
    elif settings.transform == "clr":
        operations = clr(matrix, "protein")
        steps.append({"step": "clr", "over": "spots"})
    features = np.flatnonzero(kept)
    if settings.variable_features is not None and settings.variable_features < len(features):
        order = np.argsort(-standard_deviations(matrix), kind="stable")[: settings.variable_features]
        chosen = np.sort(order)
        matrix, features = matrix[:, chosen], features[chosen]
        # All that has been done so far is done feature by feature.
        operations = [replace(one, numbers=one.numbers[chosen]) if len(one.numbers) else one for one in operations]
        steps.append({"step": "variable_features", "method": "variance", "kept": len(features)})
    divisors, scaling = scale(matrix, settings.scale, steps)
    return Prepared(matrix, features, divisors, steps, operations=operations + scaling)


def arcsinh(matrix: sparse.csr_matrix) -> list[Operation]:
    """arcsinh(x / median of the positive values of the feature), in place: linear near 0, logarithmic above.

    The median as the unit makes the result the same for any gain of the instrument. Returns the operations that do the
    same with the medians of these spots.
    """
    columns = matrix.tocsc()
    pieces = np.split(columns.data, columns.indptr[1:-1])
    medians = np.array([np.median(piece[piece > 0]) if (piece > 0).any() else 1.0 for piece in pieces])
    scale_columns(matrix, 1 / medians)
    np.arcsinh(matrix.data, out=matrix.data)
    return [Operation("columns", numbers=1 / medians), Operation("arcsinh")]
