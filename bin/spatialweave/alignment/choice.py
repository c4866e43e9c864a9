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
    coverage, outline
        Fraction of the spots inside the other section, and agreement of the outlines, in such blocks.
    common
        The smaller fraction of spots inside the other section.
    """

    matrix: Matrix
    method: str
    evidence: BlockRatios
    coverage: BlockRatios
    outline: BlockRatios
    common: float

    @property
    def shape(self) -> BlockRatios:
        """Agreement of the shapes."""
        return joined([(0.5, self.coverage), (0.5, self.outline)])


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
        fitted = _swapped(by_shape or (matrix, matrix))
        coverage = self._of_halves([self.scores.coverage(found) for found in fitted])
        outline = self._of_halves([self.scores.outline_agreement(found) for found in fitted])
        return Place(matrix, method, evidence, coverage, outline, self.scores.common(matrix))

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


class Comparison:
    """Which of two places is better, with what confidence.

    What speaks for a place is its share of the evidence that the best one has, plus the agreement of its shape: what is
    better by a tenth of the evidence and worse by 0.15 of the shape is worse. Without features it is the shape alone.
    """

    def __init__(self, places: Sequence[Place], judge: Judge, by_features: bool) -> None:
        self._times, self._frame, self._by_features = judge.draws(), judge.scores.frame, by_features
        self._most = max(LEAST_PREDICTION, *(one.evidence.value for one in places))

    def support(self, place: Place) -> float:
        """What speaks for a place."""
        return self._sum(place, place.shape).value

    def different(self, one: Place, other: Place) -> bool:
        """Whether two places are more than :data:`~spatialweave.alignment.shift_search.DIFFERENT` apart."""
        return transforms.disagreement(one.matrix, other.matrix, self._frame) > DIFFERENT

    def confidence(self, one: Place, other: Place) -> float:
        """Confidence that `one` is better than `other`.

        Outlines that coincide speak for a place. Outlines that do not may be where sections were cut or imaged, and do
        not speak against it; spots without a counterpart do. So of the sums with the whole shape and with the coverage
        the surer one counts. Between places close to each other outlines say nothing, since serial sections differ that
        much: the evidence has to be better by itself and, if the coverage is surely worse, outweigh it.
        """
        if not self._by_features:
            return self._confidence(one.shape, other.shape)
        outweighs = self._confidence(self._sum(one, one.coverage), self._sum(other, other.coverage))
        if self.different(one, other):
            return max(outweighs, self._confidence(self._sum(one, one.shape), self._sum(other, other.shape)))
        alone = self._confidence(one.evidence, other.evidence)
        covers_less = self._confidence(other.coverage, one.coverage) >= LEAST_CONFIDENCE
        return min(alone, outweighs) if covers_less else alone

    def _sum(self, place: Place, shape: BlockRatios) -> BlockRatios:
        return joined([(1.0 / self._most, place.evidence), (1.0, shape)]) if self._by_features else shape

    def _confidence(self, one: BlockRatios, other: BlockRatios) -> float:
        return confidence(one, other, self._times)


def lies_on(common: float, others: Sequence[float]) -> bool:
    """Whether the spots that sections have in `common` as they lie are enough beside those at `others` of their places.

    They are not where coordinates have different units or origins.
    """
    return common >= LEAST_OVERLAP * max(others, default=0.0)


def choose(places: Sequence[Place], rivals: Sequence[Place], judge: Judge, by_features: bool) -> Choice:
    """The best of `places`, of which the first is where the section lies: it is left with confidence only.

    Of the places that are better than where it lies, the best by evidence and shape is taken, and of those close to
    this one the best by evidence. Where sections hardly overlap as they lie (:func:`lies_on`), that is no place for
    them.

    Parameters
    ----------
    rivals
        Other places, which are not chosen but may show that the choice is not settled.
    judge
        Of all these.
    """
    lying, better = places[0], list(places[1:])
    overlapping = lies_on(lying.common, [one.common for one in better])
    tried = [*places, *rivals] if overlapping else [*better, *rivals]
    compare = Comparison(tried, judge, by_features)
    if overlapping:
        better = [one for one in better if compare.confidence(one, lying) >= LEAST_CONFIDENCE]
    best = max(better, key=compare.support, default=lying)
    if by_features:
        close = [one for one in better if not compare.different(one, best)]
        best = max(close, key=lambda one: one.evidence.value, default=best)
    others = [one for one in tried if compare.different(one, best)]
    runner_up = max(others, key=compare.support, default=None)
    sure = 1.0 if runner_up is None else compare.confidence(best, runner_up)
    over_identity = None if best is lying else compare.confidence(best, lying)
    return Choice(best, by_features, sure, over_identity, runner_up)
