"""Prediction of one modality from another at spots of other blocks of the tissue.

Ridge regression is fitted on some blocks of the tissue and evaluated on the others. If the other modalities predict a
modality as well as its own neighbourhood does, it contains little that they do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.intervals import BlockDraws, Interval
from spatialweave.assess.permuted_tissue import p_value
from spatialweave.blocks.cross_prediction import explained_by_all
from spatialweave.blocks.ratios import N_BLOCKS, BlockRatios
from spatialweave.graphs.matrices import row_normalise, structure
from spatialweave.graphs.smoothing import smoothed
from spatialweave.graphs.spatial import rows_by_group
from spatialweave.io.dataset import Dataset

PENALTIES = 10.0 ** np.arange(1, 5)
"""Ridge penalties in spots; the one that explains the most is used, also for the null."""

TURNS = 39
"""Number of random turns and mirror images of the tissue in the null."""


@dataclass(frozen=True)
class CrossPrediction:
    """How well a modality can be predicted at spots of other blocks, as fractions of its variance.

    Attributes
    ----------
    by_others
        From the other modalities, at the spot and its nearest spots.
    by_itself
        From the same modality at the nearest spots, without the spot itself.
    p
        p value of `by_others`, compared with the other modalities of the tissue turned or mirrored: what any equally
        smooth tissue would predict.
    """

    by_others: Interval
    by_itself: Interval
    p: float


def cross_prediction(dataset: Dataset, hidden: HiddenSpots, name: str, seed: int) -> CrossPrediction | None:
    """Predict one modality from the others and from itself; None if no other was measured at any of its spots."""
    values, rows = hidden.modalities[name]
    others = [m for m in dataset.modalities if m.name in hidden.modalities and m.name != name]
    if not any(other.present[rows].any() for other in others):
        return None
    # The regression takes spots block by block; blocks at the same position in several sections are merged.
    by_block = np.argsort(hidden.blocks[rows] % N_BLOCKS, kind="stable")
    order, target = rows[by_block], values[by_block]
    blocks = hidden.blocks[order] % N_BLOCKS
    full = np.zeros((dataset.n_spots, values.shape[1]))
    full[rows] = values
    measured = np.isin(np.arange(dataset.n_spots), rows)
    around = row_normalise(structure(hidden.neighbours, measured).astype(np.float64)) @ full
    others_around = smoothed(others, hidden.neighbours, 1).astype(np.float64)
    by_others = _predicted(others_around[order], target, blocks)
    by_itself = _predicted(around[order], target, blocks)
    rng = np.random.default_rng(seed)
    null = [_predicted(others_around[turned(dataset, rng)][order], target, blocks).value for _ in range(TURNS)]
    draws = BlockDraws.of(blocks, N_BLOCKS)
    return CrossPrediction(
        Interval.of_draws(by_others.value, by_others.values(draws.times), draws.n_blocks),
        Interval.of_draws(by_itself.value, by_itself.values(draws.times), draws.n_blocks),
        p_value(by_others.value, np.array(null)),
    )


def _predicted(predictors: np.ndarray, targets: np.ndarray, blocks: np.ndarray) -> BlockRatios:
    """Return the fraction of the variance of `targets` that `predictors` explain in blocks not used for the fit."""
    ends = np.cumsum(np.bincount(blocks, minlength=N_BLOCKS))
    weights = np.ones(len(targets))
    total = np.bincount(blocks, (targets**2).sum(axis=1), minlength=N_BLOCKS)[None]
    fits = [explained_by_all(predictors, targets, weights, ends, float(penalty)) for penalty in PENALTIES]
    return max((BlockRatios(fit[None], total, np.ones(1)) for fit in fits), key=lambda ratios: ratios.value)


def turned(dataset: Dataset, rng: np.random.Generator) -> np.ndarray:
    """Return, for every spot, the spot at its position once its section is turned (30 to 330 degrees) or mirrored."""
    from scipy.spatial import cKDTree

    order = np.empty(dataset.n_spots, dtype=np.int64)
    for _, rows in rows_by_group(dataset.section_of_spot):
        points = dataset.coordinates[rows] - dataset.coordinates[rows].mean(axis=0)
        angle = rng.uniform(np.pi / 6, 11 * np.pi / 6)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if rng.random() < 0.5:
            turn = turn @ np.diag([1.0, -1.0])
        order[rows] = rows[cKDTree(points).query(points @ turn.T)[1]]
    return order
