"""What every modality's preparation hands to the PCA."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import spots_per_feature
from spatialweave.preprocess.frozen import ALL, CHOSEN, Operation, column_sums, total
from spatialweave.preprocess.matrices import normalise_total, scale_features
from spatialweave.settings import REQUIRED, option


@dataclass(frozen=True)
class PreparationSettings:
    """The options that every preparation has."""

    min_spots: int = option(REQUIRED, "Features detected in fewer spots are left out.", low=0)
    components: int | None = option(
        REQUIRED,
        "Dimensions of the latent; panel: as many as proteins less one; 0: the features themselves.",
        low=0,
        none="panel",
    )

    @property
    def n_components(self) -> int:
        """Dimensions of the latent, once the recipe has replaced `panel` by a number; 0 = the features themselves."""
        if self.components is None:
            raise ValueError("components: panel depends on the dataset")
        return self.components


@dataclass
class Prepared:
    """A modality ready for the PCA.

    Attributes
    ----------
    matrix
        float64 CSR, spots x chosen features: transformed and scaled, not centred.
    features
        Positions of the chosen features among those of the counts.
    divisors
        What each chosen feature was divided by to scale it; 1 where it was not.
    steps
        The steps taken, in order, each with its name and values.
    notes
        Departures from the recipe, one line each.
    scores
        Latents (float32, spots x dimensions) of a preparation that makes them itself; None where the PCA does.
    projection
        What leads to them from the matrix (float64, features x dimensions), with the dimension that is left out.
    operations
        What made the matrix from the chosen features' counts, with what was measured over this dataset.
    detected
        Positions of the features that the totals of :data:`~spatialweave.preprocess.frozen.ALL` are of.
    """

    matrix: sparse.csr_matrix
    features: np.ndarray
    divisors: np.ndarray
    steps: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    scores: np.ndarray | None = None
    projection: np.ndarray | None = None
    operations: list[Operation] = field(default_factory=list)
    detected: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def detected_features(counts: sparse.csr_matrix, min_spots: int, steps: list[dict[str, Any]]) -> np.ndarray:
    """Boolean mask of the features detected in at least `min_spots` spots; the step is added to `steps`.

    Raises
    ------
    InputError
        When no feature is left.
    """
    kept = spots_per_feature(counts) >= min_spots
    if not kept.any():
        raise InputError(
            "min_spots of the recipe",
            f"none of {counts.shape[1]} features is detected in {min_spots} spots or more (of {counts.shape[0]})",
            fix="lower min_spots or leave this modality out",
        )
    steps.append({"step": "detected_features", "min_spots": min_spots, "kept": int(kept.sum())})
    return kept


def normalise_and_log(
    matrix: sparse.csr_matrix,
    totals: np.ndarray,
    target_sum: float,
    steps: list[dict[str, Any]],
    all_sums: np.ndarray | None = None,
) -> list[Operation]:
    """Scale spots to `target_sum` by their totals and take log(1 + x), in place; both are added to `steps`.

    Parameters
    ----------
    all_sums
        Where the totals are of more features than those of the matrix: these features' sums over all spots.

    Returns
    -------
    The two operations.
    """
    done = total(target_sum, CHOSEN, column_sums(matrix)) if all_sums is None else total(target_sum, ALL, all_sums)
    normalise_total(matrix, totals, target_sum)
    np.log1p(matrix.data, out=matrix.data)
    steps += [{"step": "normalise_total", "target_sum": target_sum}, {"step": "log1p"}]
    return [done, Operation("log1p")]


def scale(matrix: sparse.csr_matrix, wanted: bool, steps: list[dict[str, Any]]) -> tuple[np.ndarray, list[Operation]]:
    """Divide features by their standard deviation in place, if `wanted`; the step is added to `steps`.

    Returns what each feature was divided by, which is 1 without scaling, and the operation, if any.
    """
    if not wanted:
        return np.ones(matrix.shape[1]), []
    steps.append({"step": "scale"})
    divisors = scale_features(matrix)
    return divisors, [Operation("columns", numbers=1 / divisors)]
