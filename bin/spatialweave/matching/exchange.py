"""Averaging an embedding over the spots that match in consecutive sections, so that the sections agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset
from spatialweave.io.notices import warn
from spatialweave.matching.match import transport_plan
from spatialweave.matching.settings import MatchSettings

EPSILON = 1.0
"""Entropic regularisation of the transport plan whose masses weigh the matching spots."""


def exchanged(embedding: np.ndarray, dataset: Dataset, settings: MatchSettings, weight: float) -> np.ndarray:
    """Return every spot's mean with the spots that it matches in the sections before and after its own.

    The weight of a matching spot is its fraction of the spot's mass in a transport plan, times `weight`; the spot
    itself has weight 1. The dustbin's fraction of the mass has no weight, so a spot without a match keeps its
    embedding. The plan's regularisation is larger than that for deciding on pairs, because a mean gains from many spots
    of the same tissue.

    Parameters
    ----------
    embedding
        spots x dimensions, in the order of the dataset.
    dataset
        The dataset, with aligned coordinates.
    settings
        How sections are matched; epsilon is always :data:`EPSILON`.
    weight
        Weight of all matching spots of one section together, if the dustbin receives none of the spot's mass.

    Returns
    -------
    float32, spots x dimensions.

    Raises
    ------
    InputError
        When the sections are not aligned.
    """
    points = dataset.aligned
    if points is None:
        raise InputError(f"dataset '{dataset.name}'", "its sections are not aligned", fix="align the sections first")
    settings = replace(settings, epsilon=EPSILON)
    rows = dataset.section_rows()
    sums, weights = embedding.astype(np.float64), np.ones((len(embedding), 1))
    for a, b in dataset.section_pairs():
        first, second = rows[a], rows[b]
        plan = transport_plan(embedding[first], embedding[second], points[first], points[second], settings)
        if plan.nnz == 0:
            warn(f"sections {a}--{b}", "no spots match, so the sections are not joined; do they overlap?")
        for here, there, masses in ((first, second, plan), (second, first, plan.T)):
            sums[here] += weight * (masses @ embedding[there])
            weights[here] += weight * masses.sum(axis=1)
    return (sums / weights).astype(np.float32)
