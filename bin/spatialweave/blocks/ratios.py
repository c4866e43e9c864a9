"""Scores summed over blocks of a section, and their sampling error from a bootstrap of the blocks.

Neighbouring spots are not independent: a chance similarity at one spot extends to the next. Blocks of tissue are nearly
independent. Drawing blocks with replacement estimates how much a score would differ on another piece of the same tissue
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
"""Fixed seed of the bootstrap draws. A registration draws nothing else, so it gives the same result every time."""


@dataclass(frozen=True)
class BlockRatios:
    """Weighted sum of ratios; each ratio is a sum over blocks divided by another sum over blocks.

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
        """Return the score with each block counted `times` (draws x blocks) times: one number per draw."""
        ratios = (times @ self.numerators.T) / np.maximum(times @ self.denominators.T, 1e-12)
        return np.asarray(ratios @ self.weights)

    @classmethod
    def none(cls) -> BlockRatios:
        """Return a score of 0 that uses no blocks."""
        return cls(np.zeros((1, N_BLOCKS)), np.ones((1, N_BLOCKS)), np.zeros(1))

    @property
    def value(self) -> float:
        """Score of the whole section."""
        return float(self.values(np.ones((1, self.numerators.shape[1])))[0])

    def in_blocks(self, inside: np.ndarray, other: BlockRatios) -> BlockRatios:
        """Return this score in the blocks `inside` (bool, blocks) and the `other` score in the remaining blocks."""
        return BlockRatios(
            np.where(inside, self.numerators, other.numerators),
            np.where(inside, self.denominators, other.denominators),
            self.weights,
        )


def joined(scores: Sequence[tuple[float, BlockRatios]]) -> BlockRatios:
    """Return the weighted sum of scores of the same blocks."""
    return BlockRatios(
        np.vstack([score.numerators for _, score in scores]),
        np.vstack([score.denominators for _, score in scores]),
        np.concatenate([weight * score.weights for weight, score in scores]),
    )


def block_numbers(points: np.ndarray, section: np.ndarray) -> np.ndarray:
    """Return, for each of the `points`, its block (0 to 24, row by row) of the bounding box of `section` (n x 2).

    Points outside are assigned to the nearest block.
    """
    low, extent = section.min(axis=0), np.maximum(np.ptp(section, axis=0), 1e-300)
    block = np.clip((points - low) / extent * BLOCKS_PER_SIDE, 0, BLOCKS_PER_SIDE - 1).astype(np.int64)
    return np.asarray(block[:, 1] * BLOCKS_PER_SIDE + block[:, 0])


def draws(occupied: np.ndarray) -> np.ndarray:
    """Return how often each block is drawn when as many blocks as are `occupied` (bool) are drawn: draws x blocks.

    The draws are the same for all scores of a section, so that differences between scores refer to the same tissue.
    """
    blocks = np.flatnonzero(occupied)
    times = np.zeros((N_RESAMPLES, len(occupied)))
    share = np.full(len(blocks), 1.0 / len(blocks))
    times[:, blocks] = np.random.default_rng(SEED).multinomial(len(blocks), share, N_RESAMPLES)
    return times


def confidence(better: BlockRatios, worse: BlockRatios, times: np.ndarray) -> float:
    """Return the fraction of the draws in which the first score is above the second; ties count half."""
    difference = better.values(times) - worse.values(times)
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
