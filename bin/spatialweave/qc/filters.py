"""Selection of the spots and features to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.contract import PRECOMPUTED, is_intensities
from spatialweave.io.count_matrix import Counts, FilteredCounts, spot_totals, spots_per_feature
from spatialweave.io.notices import warn
from spatialweave.qc.spot_metrics import spot_metrics
from spatialweave.qc.thresholds import MIN_SPOTS, SPOT_THRESHOLDS, Threshold

if TYPE_CHECKING:
    import anndata


@dataclass
class Verdict:
    """Result of QC for one modality.

    Attributes
    ----------
    metrics
        One row per spot (:func:`spatialweave.qc.spot_metrics.spot_metrics`).
    failed
        Check in use -> boolean array of the spots that fail it.
    kept_spots, kept_features
        Boolean masks.
    is_intensities
        Whether intensities were measured instead of counts.
    """

    metrics: pd.DataFrame
    failed: dict[str, np.ndarray]
    kept_spots: np.ndarray
    kept_features: np.ndarray
    is_intensities: bool = False

    def reasons(self) -> np.ndarray:
        """Return the failed checks of each spot, joined by ";"; "" for spots that are kept."""
        reasons = np.full(len(self.metrics), "", dtype=object)
        for check, failed in self.failed.items():
            reasons[failed] = [f"{before};{check}" if before else check for before in reasons[failed]]
        return reasons


def judge(modality: str, data: anndata.AnnData, counts: Counts, thresholds: Mapping[str, float], where: str) -> Verdict:
    """Apply the thresholds to one modality.

    Spots are judged on all features, and features on the kept spots. A spot that thereby loses its last features is
    also removed (check `min_spots`). An unknown metric (NaN) fails no check.

    Parameters
    ----------
    data, counts
        Spots and features of the modality, and its raw counts.

    Raises
    ------
    InputError
        When no spot or no feature would be left; the message names the threshold that removes most.
    """
    metrics = spot_metrics(modality, data, counts)
    where = f"{where}, modality {modality}"
    intensities = is_intensities(modality, data.uns)
    uncounted = intensities or PRECOMPUTED in data.uns
    failed = {
        threshold.name: _failed(threshold, thresholds[threshold.name], metrics, intensities, uncounted, where)
        for threshold in SPOT_THRESHOLDS
        if modality in threshold.modalities
    }
    kept = ~np.logical_or.reduce([np.zeros(len(metrics), dtype=bool), *failed.values()])
    if not kept.any():
        raise _nothing_left(failed, thresholds, metrics, where)
    min_spots = thresholds[MIN_SPOTS]
    everything = np.ones(counts.shape[1], dtype=bool)
    of_kept: Counts = counts if kept.all() else FilteredCounts(counts, kept, everything)
    n_spots = spots_per_feature(of_kept)
    kept_features = n_spots >= min_spots
    if not kept_features.any():
        raise InputError(
            where,
            f"--min-spots {min_spots:g} removes all {len(kept_features)} features",
            f"at most {n_spots.max()}, the number of spots with the most frequent feature",
            "lower it",
        )
    if not kept_features.all():
        emptied = (metrics["n_features"].to_numpy() > 0) & kept
        emptied[kept] &= spot_totals(of_kept, kept_features) == 0
        failed[MIN_SPOTS] = emptied
        kept = kept & ~emptied
    return Verdict(metrics, failed, kept, kept_features, intensities)


def _failed(
    threshold: Threshold, bound: float, metrics: pd.DataFrame, intensities: bool, uncounted: bool, where: str
) -> np.ndarray:
    """Return which spots fail a check (bool); warn if the `bound` was changed but its metric is not known.

    Parameters
    ----------
    uncounted
        Whether the values are intensities or normalised, so that their sums are not counts.
    """
    values = metrics[threshold.bound.metric].to_numpy(dtype=np.float64)
    empty = np.zeros(len(values), dtype=bool)
    if threshold.bound.metric == "total" and uncounted:
        # With intensities, a spot whose sum is 0 fails at every bound.
        empty = (values <= 0) & intensities & (bound > 0)
        values = np.full(len(values), np.nan)
    if bound != threshold.bound.default and np.isnan(values).all():
        unknown = threshold.bound.metric.replace("_", " ")
        warn(where, f"{threshold.option} has no effect, since no {unknown} is known")
    failed: np.ndarray = empty | (values > bound if threshold.bound.is_upper else values < bound)
    return failed


def _nothing_left(
    failed: Mapping[str, np.ndarray], thresholds: Mapping[str, float], metrics: pd.DataFrame, where: str
) -> InputError:
    """Return the error for thresholds that no spot passes; it names the one that removes most."""
    check = max(failed, key=lambda name: int(failed[name].sum()))
    threshold = next(one for one in SPOT_THRESHOLDS if one.name == check)
    values = metrics[threshold.bound.metric].to_numpy(dtype=np.float64)
    return InputError(
        where,
        f"{threshold.option} {thresholds[check]:g} removes {int(failed[check].sum())} of {len(metrics)} spots, and "
        "no spot passes all thresholds",
        f"a threshold that fits {threshold.bound.metric}, here {np.nanmin(values):g} to {np.nanmax(values):g}",
        f"{'raise' if threshold.bound.is_upper else 'lower'} it, or leave this modality out",
    )
