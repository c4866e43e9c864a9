"""Domains as Gaussians with one shared covariance: the frozen mixture, and distances from the nearest domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.special import softmax

FLOOR = 1e-6
"""Variance added to the covariance, as a fraction of its mean variance, so that constant dimensions are invertible."""


@dataclass(frozen=True)
class Gaussians:
    """Classes in some coordinates.

    Attributes
    ----------
    weights
        Fraction of the spots in each class.
    means
        Classes x dimensions.
    covariance
        Dimensions x dimensions, shared by all.
    """

    weights: np.ndarray
    means: np.ndarray
    covariance: np.ndarray

    def squares(self, values: np.ndarray) -> np.ndarray:
        """Return squared Mahalanobis distances of every spot (spots x dimensions) to each class: spots x classes."""
        factor = linalg.cholesky(self.covariance, lower=True)
        white = linalg.solve_triangular(factor, np.asarray(values, dtype=np.float64).T, lower=True).T
        centres = linalg.solve_triangular(factor, self.means.T, lower=True).T
        products = white @ centres.T
        squares = (white**2).sum(axis=1)[:, None] - 2 * products + (centres**2).sum(axis=1)
        return np.asarray(np.maximum(squares, 0))

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """Return the probability of each class for every spot: spots x classes."""
        with np.errstate(divide="ignore"):
            return np.asarray(softmax(np.log(self.weights) - self.squares(values) / 2, axis=1))

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Return the Mahalanobis distance to the nearest class with spots, divided by the root of the dimensions."""
        nearest = self.squares(values)[:, self.weights > 0].min(axis=1)
        return np.sqrt(nearest / values.shape[1])


def gaussians(values: np.ndarray, classes: np.ndarray, n_classes: int) -> Gaussians:
    """Compute means and pooled covariance of classes 0 .. `n_classes` - 1 of spots (spots x dimensions).

    A class without spots has the weight 0, and the mean of all spots.
    """
    values = np.asarray(values, dtype=np.float64)
    return weighted_gaussians(values, np.eye(n_classes)[classes])


def weighted_gaussians(values: np.ndarray, responsibilities: np.ndarray) -> Gaussians:
    """Compute the same if spots belong partly to several classes (spots x classes)."""
    totals = responsibilities.sum(axis=0)
    means = (responsibilities.T @ values) / np.maximum(totals, np.finfo(np.float64).tiny)[:, None]
    means[totals <= 0] = values.mean(axis=0)
    second = values.T @ values / len(values)
    weights = totals / totals.sum()
    covariance = second - (means.T * weights) @ means
    covariance = (covariance + covariance.T) / 2
    size = float(np.trace(covariance)) / len(covariance)
    covariance += FLOOR * (size if size > 0 else 1.0) * np.eye(len(covariance))
    return Gaussians(weights, means, covariance)
