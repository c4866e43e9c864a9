"""Small changes of a transform that raise a score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from spatialweave.alignment import transforms
from spatialweave.alignment.transforms import LARGEST_RESCALING, Matrix

PRECISION = 2e-3
"""Ends when places move by less than this share of the first step."""

MOST_EVALUATIONS = 400


def climb(
    score: Callable[[Matrix], float], places: np.ndarray, start: Matrix, step: float, scale: bool = False
) -> tuple[Matrix, float]:
    """The transform near `start` with the highest `score`, by the simplex of Nelder and Mead (Comput J 7:308, 1965).

    It varies the shift, the angle and, with `scale`, the logarithm of the factor, about the middle of the placed
    `places` (n x 2) and in units in which a change of 1 moves places by 1 in the mean, so that no variable is stiffer
    than another whatever the units. The result is never worse than the start, and its scale within
    :data:`~spatialweave.alignment.transforms.LARGEST_RESCALING` of the start's.

    Parameters
    ----------
    step
        How far the first trials move places, in the units of the fixed section.
    """
    placed = transforms.apply(start, places)
    centre = placed.mean(axis=0)
    radius = float(np.sqrt(np.mean(((placed - centre) ** 2).sum(axis=1)))) or 1.0

    def change(values: np.ndarray) -> Matrix:
        factor = float(np.exp(values[3] / radius)) if scale else 1.0
        matrix = transforms.about(transforms.rigid(values[2] / radius, (0.0, 0.0), factor), centre)
        matrix[:2, 2] += values[:2]
        return matrix @ start

    n_values = 4 if scale else 3
    simplex = np.vstack([np.zeros(n_values), step * np.eye(n_values)])
    farthest = radius * np.log(LARGEST_RESCALING)

    def loss(values: np.ndarray) -> float:
        return np.inf if scale and abs(values[3]) > farthest else -score(change(values))

    found = minimize(
        loss,
        np.zeros(n_values),
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": PRECISION * step, "fatol": 1e-7, "maxfev": MOST_EVALUATIONS},
    )
    return change(found.x), -float(found.fun)
