"""Spots of consecutive sections take on what their counterparts say: one embedding in which sections agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from spatialweave.alignment.match_settings import MatchSettings
from spatialweave.alignment.matching import counterparts
from spatialweave.io.notices import warn

SOFTNESS = 1.0
"""Epsilon of the transport plan whose masses weigh a spot's counterparts."""


def exchanged(
    embedding: np.ndarray,
    sections: Mapping[str, np.ndarray],
    points: np.ndarray,
    settings: MatchSettings,
    weight: float,
) -> np.ndarray:
    """Every spot's mean with its counterparts in the sections before and after its own.

    A counterpart counts by its share of the spot's mass in a transport plan, those of either section together at most
    `weight` against the spot's own 1. What the dustbin holds of a spot's mass counts for nothing, so that a spot which
    has no counterpart stays as it is. The plan is softer than one that decides on pairs: a mean gains by many spots of
    the same tissue.

    Parameters
    ----------
    embedding
        spots x dimensions.
    sections
        Rows of each section by its name, in the order of the stack.
    points
        spots x 2, all sections in one frame.
    settings
        How sections are matched; epsilon is :data:`SOFTNESS` whatever they say.

    Returns
    -------
    float32, spots x dimensions.
    """
    settings = replace(settings, epsilon=SOFTNESS)
    sums, weights = embedding.astype(np.float64), np.ones((len(embedding), 1))
    for a, b in pairwise(sections):
        first, second = sections[a], sections[b]
        shares = counterparts(embedding[first], embedding[second], points[first], points[second], settings)
        if shares.nnz == 0:
            warn(f"sections {a}--{b}", "no spot has a counterpart, so they are not joined; do they overlap?")
        for here, there, given in ((first, second, shares), (second, first, shares.T)):
            sums[here] += weight * (given @ embedding[there])
            weights[here] += weight * given.sum(axis=1)
    return (sums / weights).astype(np.float32)
