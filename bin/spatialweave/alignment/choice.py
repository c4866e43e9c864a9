"""Choice between the current position of a section and candidate transforms, by held-out evidence and shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatialweave.alignment import transforms
from spatialweave.alignment.registration_score import RegistrationScore
from spatialweave.alignment.shift_search import DIFFERENT, LEAST_OVERLAP
from spatialweave.alignment.transforms import Matrix
from spatialweave.blocks.ratios import (
    N_BLOCKS,
    BlockRatios,
    block_numbers,
    confidence,
    draws,
    joined,
)

LEAST_CONFIDENCE = 0.95
"""A transform is better than another if it scores higher in this fraction of the bootstrap draws."""

LEAST_PREDICTION = 0.05
"""Below this cross-prediction the features of the sections are unrelated, and the shapes decide."""

WIDTH, SPOTS = 1.0, 20_000
"""Width of the rasters in spacings, and number of moving spots, for the deciding evidence."""


@dataclass(frozen=True)
class Place:
    """Candidate transform of the moving section, with the evidence for it.

    Attributes
    ----------
    matrix
        Moving -> fixed.
    method
        What found it: ``identity`` (the current position), ``icp``, ``ndt`` or ``evidence`` (cross-prediction).
    evidence
        Cross-prediction in blocks that the search for this transform did not use.
    coverage, outline
        Fraction of the spots inside the other section, and agreement of the outlines, in the same blocks.
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
    """Result of :func:`choose`.

    Attributes
    ----------
    place
        The chosen transform.
    by_features
        Whether evidence and shape decided together (true), or the shape alone (false).
    confidence
        Fraction of bootstrap draws in which it is better than the best different transform; 1 if there is none.
    over_identity
        The same compared with the current position; None if the current position was chosen.
    runner_up
        The best different transform.
    """

    place: Place
    by_features: bool
    confidence: float
    over_identity: float | None
    runner_up: Place | None

    @property
    def settled(self) -> bool:
        """Whether the choice is better than every different transform with :data:`LEAST_CONFIDENCE`."""
        return self.confidence >= LEAST_CONFIDENCE


class Judge:
    """Scores transforms of a section in blocks that were held out from the search.

    The moving section is divided into halves (:func:`two_halves`). Each half is searched separately, and the result is
    scored in the other half, whose components are averaged over neighbours in that half only.

    Attributes
    ----------
    scores
        Scores of the whole section.
    halves
        Scores of each half.
    """

    def __init__(self, scores: RegistrationScore) -> None:
        self.scores = scores
        self._occupied = np.bincount(block_numbers(scores.frame, scores.frame), minlength=N_BLOCKS) > 0
        self._blocks = two_halves(self._occupied)
        self.halves = [scores.part(blocks) for blocks in self._blocks]

    @property
    def has_features(self) -> bool:
        """Whether the sections have spatial components, and both halves have enough spots with them."""
        modalities = [set(part.moving.components) for part in (self.scores, *self.halves)]
        return self.scores.has_features and modalities[0] == modalities[1] == modalities[2]

    def place(
        self,
        matrix: Matrix,
        method: str,
        by_features: Sequence[Matrix] | None = None,
        by_shape: Sequence[Matrix] | None = None,
    ) -> Place:
        """Return a candidate transform with its scores.

        Parameters
        ----------
        by_features, by_shape
            For a transform that was searched by features or by shape: the two results of the same search in the halves.
        """
        evidence = BlockRatios.none()
        if self.has_features:
            parts = zip(self.halves, _swapped(by_features or (matrix, matrix)), strict=True)
            evidence = self._of_halves([half.evidence(found, WIDTH, SPOTS) for half, found in parts])
        fitted = _swapped(by_shape or (matrix, matrix))
        coverage = self._of_halves([self.scores.coverage(half_matrix) for half_matrix in fitted])
        outline = self._of_halves([self.scores.outline_agreement(half_matrix) for half_matrix in fitted])
        return Place(matrix, method, evidence, coverage, outline, self.scores.common(matrix))

    def draws(self) -> np.ndarray:
        """Return the bootstrap draws of the section's blocks."""
        return draws(self._occupied)

    def _of_halves(self, scores: Sequence[BlockRatios]) -> BlockRatios:
        """Return each half's own score in its blocks."""
        return scores[0].in_blocks(self._blocks[0], scores[1])


def two_halves(occupied: np.ndarray) -> np.ndarray:
    """Return every other one of the blocks that are `occupied` (bool, blocks), and the rest (2 x blocks, bool).

    For a full rectangle these are the fields of a chess board.
    """
    turn = np.cumsum(occupied) % 2 == 0
    return np.array([turn, ~turn])


def _swapped(matrices: Sequence[Matrix]) -> tuple[Matrix, Matrix]:
    """Return, for each half, the transform that was found in the other half."""
    return matrices[1], matrices[0]


class Comparison:
    """Decides which of two transforms is better, and with what confidence.

    The support of a transform is its evidence as a fraction of the best transform's evidence, plus the agreement of its
    shape: a gain of a tenth of the evidence does not outweigh a loss of 0.15 of the shape. Without features the support
    is the shape alone.
    """

    def __init__(self, places: Sequence[Place], judge: Judge, by_features: bool) -> None:
        self._times, self._frame, self._by_features = judge.draws(), judge.scores.frame, by_features
        self._most = max(LEAST_PREDICTION, *(one.evidence.value for one in places))

    def support(self, place: Place) -> float:
        """Return the support of a transform."""
        return self._sum(place, place.shape).value

    def different(self, one: Place, other: Place) -> bool:
        """Return whether two transforms differ by more than :data:`~spatialweave.alignment.shift_search.DIFFERENT`."""
        return transforms.disagreement(one.matrix, other.matrix, self._frame) > DIFFERENT

    def confidence(self, one: Place, other: Place) -> float:
        """Return the confidence that `one` is better than `other`.

        Outlines that coincide support a transform. Outlines that differ do not count against it, because they may be
        where sections were cut or imaged; spots without a counterpart do count. So the confidence is computed with the
        whole shape and with the coverage alone, and the larger one counts. For transforms close to each other outlines
        are not informative, since serial sections differ that much. Then the evidence alone must be better and, if the
        coverage is clearly worse, outweigh it.
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
    """Return whether sections overlap enough as they lie: `common` spots, compared with `others` at other transforms.

    They do not where coordinates have different units or origins.
    """
    return common >= LEAST_OVERLAP * max(others, default=0.0)


def choose(places: Sequence[Place], rivals: Sequence[Place], judge: Judge, by_features: bool) -> Choice:
    """Choose the best of `places`. The first is the current position, which is left only with confidence.

    Among the transforms that are better than the current position, the one with the best evidence and shape is chosen.
    Among those close to it, the one with the best evidence is then taken. Where sections hardly overlap as they lie
    (:func:`lies_on`), the current position is not a candidate.

    Parameters
    ----------
    rivals
        Other transforms, which are not chosen but may show that the choice is not settled.
    judge
        Scores all of these.
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
