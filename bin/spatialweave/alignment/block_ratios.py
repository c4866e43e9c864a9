"""Scores that are summed over blocks of a section, and their sampling error by a bootstrap of the blocks.

Neighbouring spots are not independent: what happens to be similar at one is similar at the next. Blocks of tissue are
nearly so, and drawing blocks with replacement shows how much a score would differ on another piece of the same tissue
(spatial block bootstrap; Künsch, Ann Stat 17:1217, 1989; Lahiri, Resampling Methods for Dependent Data, 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCKS_PER_SIDE = 5
"""The section's bounding box is divided into 5 x 5 blocks."""

N_BLOCKS = BLOCKS_PER_SIDE**2

N_RESAMPLES = 1000

SEED = 20_230
"""Of the draws of blocks, always the same: a registration draws nothing else, and is the same every time."""


@dataclass(frozen=True)
class BlockRatios:
    """A weighted sum of ratios, of which each is a sum over blocks divided by a sum over blocks.

    Attributes
    ----------
    numerators, denominators
        Ratios x blocks.
    weights
        One per ratio.
    """

    numerators: np.ndarray
    denominators: np.ndarray
    weights: np.ndarray

    def values(self, times: np.ndarray) -> np.ndarray:
        """The score with each block counted so many `times` (draws x blocks): one number per draw."""
        ratios = (times @ self.numerators.T) / np.maximum(times @ self.denominators.T, 1e-12)
        return np.asarray(ratios @ self.weights)

    @classmethod
    def none(cls) -> BlockRatios:
        """The score 0, of no blocks."""
        return cls(np.zeros((1, N_BLOCKS)), np.ones((1, N_BLOCKS)), np.zeros(1))

    @property
    def value(self) -> float:
        """The score of the whole section."""
        return float(self.values(np.ones((1, self.numerators.shape[1])))[0])

    def in_blocks(self, inside: np.ndarray, other: BlockRatios) -> BlockRatios:
        """This score in the blocks `inside` (bool, blocks), and the `other` one in the rest."""
        return BlockRatios(
            np.where(inside, self.numerators, other.numerators),
            np.where(inside, self.denominators, other.denominators),
            self.weights,
        )


def joined(scores: Sequence[tuple[float, BlockRatios]]) -> BlockRatios:
    """The weighted sum of scores of the same blocks."""
    return BlockRatios(
        np.vstack([one.numerators for _, one in scores]),
        np.vstack([one.denominators for _, one in scores]),
        np.concatenate([weight * one.weights for weight, one in scores]),
    )


def block_numbers(points: np.ndarray, section: np.ndarray) -> np.ndarray:
    """The block (0 to 24, row by row) of the bounding box of `section` (n x 2) that each of the `points` is in.

    Points outside belong to the nearest block.
    """
    low, extent = section.min(axis=0), np.maximum(np.ptp(section, axis=0), 1e-300)
    block = np.clip((points - low) / extent * BLOCKS_PER_SIDE, 0, BLOCKS_PER_SIDE - 1).astype(np.int64)
    return np.asarray(block[:, 1] * BLOCKS_PER_SIDE + block[:, 0])


def draws(occupied: np.ndarray) -> np.ndarray:
    """How often each block is drawn when as many as are `occupied` (bool, blocks) are drawn from these: draws x blocks.

    The draws are the same for all scores of a section, so that differences between scores are those of one tissue.
    """
    blocks = np.flatnonzero(occupied)
    times = np.zeros((N_RESAMPLES, len(occupied)))
    share = np.full(len(blocks), 1.0 / len(blocks))
    times[:, blocks] = np.random.default_rng(SEED).multinomial(len(blocks), share, N_RESAMPLES)
    return times


def confidence(better: BlockRatios, worse: BlockRatios, times: np.ndarray) -> float:
    """Fraction of the draws in which the first score is above the second; equal ones count half."""
    difference = better.values(times) - worse.values(times)
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
