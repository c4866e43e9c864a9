"""The result of every modality's preparation, which is the input of the PCA."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import Counts, spots_per_feature
from spatialweave.preprocess.frozen import ALL, CHOSEN, Operation, total
from spatialweave.preprocess.matrices import column_sums
from spatialweave.preprocess.values import Values
from spatialweave.settings import REQUIRED, option


@dataclass(frozen=True)
class PreparationSettings:
    """Options of every preparation."""

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
    """Modality ready for the PCA.

    Attributes
    ----------
    values
        Values of the chosen features: transformed and scaled, not centred.
    divisors
        Divisor with which each chosen feature was scaled; 1 without scaling.
    steps
        The steps taken, in order, each with its name and values.
    notes
        Departures from the recipe, one line each.
    scores
        Latents (float32, spots x dimensions) if the preparation makes them itself; None if the PCA does.
    projection
        Projection from the values to these latents (float64, features x dimensions), with the dimension left out.
    """

    values: Values
    divisors: np.ndarray
    steps: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    scores: np.ndarray | None = None
    projection: np.ndarray | None = None


def detected_features(
    counts: Counts, min_spots: int, steps: list[dict[str, Any]], detected: np.ndarray | None = None
) -> np.ndarray:
    """Return a boolean mask of the features detected in at least `min_spots` spots; add the step to `steps`.

    Parameters
    ----------
    detected
        Number of spots in which each feature was detected, if known.

    Raises
    ------
    InputError
        When no feature is left.
    """
    kept = np.asarray((spots_per_feature(counts) if detected is None else detected) >= min_spots)
    if not kept.any():
        raise InputError(
            "min_spots of the recipe",
            f"none of {counts.shape[1]} features is detected in {min_spots} spots or more (of {counts.shape[0]})",
            fix="lower min_spots or leave this modality out",
        )
    steps.append({"step": "detected_features", "min_spots": min_spots, "kept": int(kept.sum())})
    return kept


def normalise_and_log(
    values: Values, target_sum: float, steps: list[dict[str, Any]], all_sums: np.ndarray | None = None
) -> Values:
    """Scale spots to `target_sum` and take log(1 + x); both are added to `steps`.

    Parameters
    ----------
    all_sums
        If totals are over all detected features and not only the chosen ones: the sums of all over the spots.
    """
    done = total(target_sum, CHOSEN, column_sums(values)) if all_sums is None else total(target_sum, ALL, all_sums)
    steps += [{"step": "normalise_total", "target_sum": target_sum}, {"step": "log1p"}]
    return values.then(done, Operation("log1p"))


def scale(values: Values, wanted: bool, steps: list[dict[str, Any]]) -> tuple[Values, np.ndarray]:
    """Divide features by their standard deviation, if `wanted`; the step is added to `steps`.

    Returns the values and the divisor of each feature, which is 1 without scaling.
    """
    if not wanted:
        return values, np.ones(values.shape[1])
    steps.append({"step": "scale"})
    return values.scaled()
