"""The choice between where a section lies and places that were found for it, by held-out evidence and shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatialweave.alignment import transforms
from spatialweave.alignment.block_ratios import (
    N_BLOCKS,
    BlockRatios,
    block_numbers,
    confidence,
    draws,
    joined,
)
from spatialweave.alignment.registration_score import RegistrationScore
from spatialweave.alignment.shift_search import DIFFERENT, LEAST_OVERLAP
from spatialweave.alignment.transforms import Matrix

LEAST_CONFIDENCE = 0.95
"""A place is better than another when it is so in this fraction of the bootstrap draws."""

LEAST_PREDICTION = 0.05
"""Below this cross-prediction the features of the sections have nothing in common, and the shapes decide."""

WIDTH, SPOTS = 1.0, 20_000
"""Width of the rasters in spacings, and moving spots, for the evidence that decides."""


@dataclass(frozen=True)
class Place:
    """A transform of the moving section and what speaks for it.

    Attributes
    ----------
    matrix
        Moving -> fixed.
    method
        What found it: ``identity`` (where the section lies), ``icp``, ``ndt`` or ``evidence`` (cross-prediction).
    evidence
        Cross-prediction in blocks that the search of the place did not use.
    shape
        Agreement of the shapes in such blocks.
    overlap
        Fraction of the moving spots inside the fixed section.
    """

    matrix: Matrix
    method: str
    evidence: BlockRatios
    shape: BlockRatios
    overlap: float


@dataclass(frozen=True)
class Choice:
    """The chosen place.

    Attributes
    ----------
    place
        The chosen one.
    by_features
        Whether evidence and shape decided, or the shape alone.
    confidence
        That it is better than the best different place: the fraction of bootstrap draws; 1 where there is none.
    over_identity
        That it is better than where the section lies; None where it is that.
    runner_up
        The best different place.
    """

    place: Place
    by_features: bool
    confidence: float
    over_identity: float | None
    runner_up: Place | None

    @property
    def settled(self) -> bool:
        """Whether the choice is better than any different place with :data:`LEAST_CONFIDENCE`."""
        return self.confidence >= LEAST_CONFIDENCE


class Judge:
    """Scores places of a section by blocks that were held out from the search.

    The moving section is divided into halves (:func:`two_halves`). Each is searched by itself, and what it finds is
    scored in the other half, whose components are averaged over neighbours in that half only.

    Attributes
    ----------
    scores
        Of the whole section.
    halves
        The same of each half.
    """

    def __init__(self, scores: RegistrationScore) -> None:
        self.scores = scores
        self._occupied = np.bincount(block_numbers(scores.frame, scores.frame), minlength=N_BLOCKS) > 0
        self._blocks = two_halves(self._occupied)
        self.halves = [scores.part(blocks) for blocks in self._blocks]

    @property
    def has_features(self) -> bool:
        """Whether the sections have spatial components, and both halves enough spots with them."""
        modalities = [set(part.moving.components) for part in (self.scores, *self.halves)]
        return self.scores.has_features and modalities[0] == modalities[1] == modalities[2]

    def place(
        self,
        matrix: Matrix,
        method: str,
        by_features: Sequence[Matrix] | None = None,
        by_shape: Sequence[Matrix] | None = None,
    ) -> Place:
        """A place with its scores.

        Parameters
        ----------
        by_features, by_shape
            What each half found in its stead, for a place that was searched by features or by shape.
        """
        evidence = BlockRatios.none()
        if self.has_features:
            parts = zip(self.halves, _swapped(by_features or (matrix, matrix)), strict=True)
            evidence = self._of_halves([half.evidence(found, WIDTH, SPOTS) for half, found in parts])
        shape = self._of_halves([self.scores.shape(found) for found in _swapped(by_shape or (matrix, matrix))])
        return Place(matrix, method, evidence, shape, self.scores.overlap(matrix))

    def draws(self) -> np.ndarray:
        """The bootstrap draws of the section's blocks."""
        return draws(self._occupied)

    def _of_halves(self, scores: Sequence[BlockRatios]) -> BlockRatios:
        """Each half's own score in its blocks."""
        return scores[0].in_blocks(self._blocks[0], scores[1])


def two_halves(occupied: np.ndarray) -> np.ndarray:
    """Every other block of those that are `occupied` (bool, blocks), and the rest (2 x blocks, bool).

    Of a full rectangle these are the fields of a chess board.
    """
    turn = np.cumsum(occupied) % 2 == 0
    return np.array([turn, ~turn])


def _swapped(found: Sequence[Matrix]) -> tuple[Matrix, Matrix]:
    """For each half what the other one found."""
    return found[1], found[0]


def choose(places: Sequence[Place], rivals: Sequence[Place], judge: Judge, by_features: bool) -> Choice:
    """The best of `places`, of which the first is where the section lies: it is left with confidence only.

    What speaks for a place is its share of the evidence that the best one has, plus the agreement of its shape: what is
    better by a tenth of the evidence and worse by 0.15 of the shape is worse. A section is moved to the best of the
    places that are better by this sum and by the evidence alone, both with :data:`LEAST_CONFIDENCE`. Sections differ in
    how they were cut, so that a better shape alone is no reason; without features it has to be. Where sections hardly
    overlap as they lie, that is no place for them.

    Parameters
    ----------
    rivals
        Other places, which are not chosen but may show that the choice is not settled.
    judge
        Of all these.
    """
    times, frame = judge.draws(), judge.scores.frame
    most = max(LEAST_PREDICTION, *(one.evidence.value for one in places))

    def support(place: Place) -> BlockRatios:
        return joined([(1.0 / most, place.evidence), (1.0, place.shape)]) if by_features else place.shape

    def surely_better(place: Place, other: Place) -> float:
        both = confidence(support(place), support(other), times)
        return min(both, confidence(place.evidence, other.evidence, times)) if by_features else both

    lying = places[0]
    if lying.overlap < LEAST_OVERLAP * max(one.overlap for one in places):
        better = places[1:]
    else:
        better = [one for one in places[1:] if surely_better(one, lying) >= LEAST_CONFIDENCE]
    best = max(better, key=lambda one: support(one).value, default=lying)
    others = [one for one in (*places, *rivals) if transforms.disagreement(best.matrix, one.matrix, frame) > DIFFERENT]
    runner_up = max(others, key=lambda one: support(one).value, default=None)
    sure = 1.0 if runner_up is None else confidence(support(best), support(runner_up), times)
    return Choice(best, by_features, sure, None if best is lying else surely_better(best, lying), runner_up)
