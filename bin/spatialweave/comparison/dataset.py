"""Comparison of the runs of one dataset: scores with intervals, differences of methods, agreement of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.io.dataset import Dataset, read_spots
from spatialweave.io.result_tables import AGREEMENT, CONTROL_METHOD, DIFFERENCES, METRICS, SCORES, WEAVE
from spatialweave.io.run_names import RunKey
from spatialweave.io.spot_tables import read_domains_of_runs
from spatialweave.metrics.intervals import NOTHING, Runs, difference, family_level, mean_interval
from spatialweave.metrics.resampling import RESAMPLED, UNBOUNDED, resampled_agreement, resampled_blocks, spatial_blocks
from spatialweave.presets import CONTROLS

if TYPE_CHECKING:
    import pandas as pd

SEED = 0
"""Seed of the resamples, which are the same in every run of the pipeline."""


@dataclass(frozen=True)
class Comparison:
    """Tables of :mod:`~spatialweave.io.result_tables` for one dataset."""

    scores: pd.DataFrame
    differences: pd.DataFrame
    agreement: pd.DataFrame


def compare(domain_files: Sequence[Path], metric_files: Sequence[Path], latents: Path) -> Comparison:
    """Compare all runs of a dataset by every metric that they have.

    Metrics of :data:`~spatialweave.metrics.resampling.RESAMPLED` are resampled over the labelled spots; for all others
    only the seeds give intervals. The intervals of one method's differences hold simultaneously at 95%.

    Parameters
    ----------
    domain_files
        One per run, named ``<method>.seed<k>.domains.csv``.
    metric_files
        Tables :data:`~spatialweave.io.result_tables.METRICS`; rows of other datasets are ignored.
    latents
        Latents of the dataset, for its spots and labels.

    Raises
    ------
    InputError
        When a file cannot be used, has other spots, or a run is given twice.
    """
    dataset = read_spots(latents)
    domains = read_domains_of_runs(domain_files, dataset.obs)
    metrics = METRICS.read_all(metric_files)
    metrics = metrics[(metrics["dataset"] == dataset.name) & metrics["value"].notna()]
    resamples, blocks = resample(dataset, domains)
    scores, differences = [], []
    for (metric, clustering), rows in metrics.groupby(["metric", "clustering"], sort=False):
        by_method = {str(method): runs_of(own, resamples) for method, own in rows.groupby("method")}
        name = (dataset.name, str(metric))
        against = control_columns(by_method, blocks)
        scores += [
            (*score_row(name, method, str(clustering), one, blocks), *against[method])
            for method, one in by_method.items()
        ]
        differences += difference_rows(name, by_method, blocks)
    return Comparison(SCORES.frame(scores), DIFFERENCES.frame(differences), agreement_table(dataset.name, domains))


def resample(
    dataset: Dataset, domains: Mapping[RunKey, np.ndarray]
) -> tuple[dict[tuple[str, RunKey], np.ndarray], int]:
    """Resample every metric of labels, by metric and run, and count the blocks; return nothing without labels."""
    labels = dataset.obs["label"].astype(str).to_numpy() if "label" in dataset.obs else np.array([""])
    known = labels != ""
    if known.sum() < 2:
        return {}, 0
    sections = dataset.section_of_spot
    blocks = spatial_blocks(dataset.coordinates[known], sections[known])
    number = int(blocks.max()) + 1
    drawn = resampled_blocks(number, SEED)
    resamples = {}
    for run, of_spots in domains.items():
        for metric, values in resampled_agreement(labels[known], of_spots[known], blocks, drawn).items():
            resamples[metric, run] = values
    return resamples, number


def runs_of(rows: pd.DataFrame, resamples: Mapping[tuple[str, RunKey], np.ndarray]) -> Runs:
    """Return the scores of one method by one metric, with their resamples if all seeds have them."""
    rows = rows.sort_values("seed")
    keys = [(str(row.metric), (str(row.method), int(str(row.seed)))) for row in rows.itertuples()]
    complete = keys[0][0] in RESAMPLED and all(key in resamples for key in keys)
    drawn = np.stack([resamples[key] for key in keys]) if complete else None
    return Runs(rows["value"].to_numpy(dtype=np.float64), drawn)


def score_row(name: tuple[str, str], method: str, clustering: str, runs: Runs, blocks: int) -> tuple[Any, ...]:
    """Return a row of :data:`~spatialweave.io.result_tables.SCORES`, without the comparison with the control."""
    dataset, metric = name
    interval = mean_interval(runs, blocks, highest=1.0 if metric in RESAMPLED and metric not in UNBOUNDED else np.inf)
    sd = float(runs.values.std(ddof=1)) if len(runs.values) > 1 else np.nan
    row = (dataset, method, metric, clustering, len(runs.values), interval.value, sd)
    return (*row, interval.low, interval.high, interval.basis)


def control_columns(methods: Mapping[str, Runs], blocks: int) -> dict[str, tuple[Any, ...]]:
    """Return by method the last columns of SCORES: the difference to the control, its interval and basis.

    The differences of all methods but controls are a family, whatever else is compared: that a control differs from the
    control is no question, so the intervals of the other controls are only shown.
    """
    control = methods.get(CONTROL_METHOD)
    level = family_level(len(set(methods) - CONTROLS))
    columns: dict[str, tuple[Any, ...]] = {}
    for method, runs in methods.items():
        if control is None or method == CONTROL_METHOD:
            columns[method] = (None, None, None, NOTHING)
        else:
            found = difference(runs, control, blocks, level)
            columns[method] = (found.value, found.low, found.high, found.basis)
    return columns


def difference_rows(name: tuple[str, str], methods: Mapping[str, Runs], blocks: int) -> list[tuple[Any, ...]]:
    """Return rows of :data:`~spatialweave.io.result_tables.DIFFERENCES`: every method minus every other.

    The differences of one method to the others are a family, and those of the consensus to all methods are another.
    """
    others = len(set(methods) - {WEAVE})
    among_methods, of_consensus = family_level(others - 1), family_level(others)
    rows = []
    for method, other in permutations(methods, 2):
        level = of_consensus if WEAVE in (method, other) else among_methods
        found = difference(methods[method], methods[other], blocks, level)
        rows.append((*name, method, other, found.value, found.low, found.high, found.basis, found.distinguishable))
    return rows


def agreement_table(dataset: str, domains: Mapping[RunKey, np.ndarray]) -> pd.DataFrame:
    """Compute the adjusted Rand index between the domains of every two runs (table AGREEMENT)."""
    from sklearn.metrics import adjusted_rand_score

    return AGREEMENT.frame(
        (dataset, *one, *other, float(adjusted_rand_score(domains[one], domains[other])))
        for one, other in combinations(sorted(domains), 2)
    )
