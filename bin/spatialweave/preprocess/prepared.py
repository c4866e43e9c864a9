"""What every modality's preparation hands to the PCA."""

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
    values
        Of the chosen features: transformed and scaled, not centred.
    divisors
        What each chosen feature was divided by to scale it; 1 where it was not.
    steps
        The steps taken, in order, each with its name and values.
    notes
        Departures from the recipe, one line each.
    scores
        Latents (float32, spots x dimensions) of a preparation that makes them itself; None where the PCA does.
    projection
        What leads to them from the values (float64, features x dimensions), with the dimension that is left out.
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
    """Boolean mask of the features detected in at least `min_spots` spots; the step is added to `steps`.

    Parameters
    ----------
    detected
        In how many spots each feature was detected, where that is known.

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
        Where the totals are of all detected features and not of the chosen ones: the sums of these over all spots.
    """
    done = total(target_sum, CHOSEN, column_sums(values)) if all_sums is None else total(target_sum, ALL, all_sums)
    steps += [{"step": "normalise_total", "target_sum": target_sum}, {"step": "log1p"}]
    return values.then(done, Operation("log1p"))


def scale(values: Values, wanted: bool, steps: list[dict[str, Any]]) -> tuple[Values, np.ndarray]:
    """Divide features by their standard deviation, if `wanted`; the step is added to `steps`.

    Returns the values and what each feature was divided by, which is 1 without scaling.
    """
    if not wanted:
        return values, np.ones(values.shape[1])
    steps.append({"step": "scale"})
    return values.scaled()
