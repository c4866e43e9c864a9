"""Local search for the transform with the highest score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from spatialweave.alignment import transforms
from spatialweave.alignment.transforms import LARGEST_RESCALING, Matrix

PRECISION = 2e-3
"""By default the search ends when points move by less than this fraction of the first step."""

MOST_EVALUATIONS = 400


def local_search(
    score: Callable[[Matrix], float],
    points: np.ndarray,
    start: Matrix,
    step: float,
    scale: bool = False,
    precision: float = PRECISION,
) -> tuple[Matrix, float]:
    """Find the transform near `start` with the highest `score` by the Nelder-Mead simplex (Comput J 7:308, 1965).

    The variables are the shift, the angle and, with `scale`, the logarithm of the factor, about the mean of the
    transformed `points` (n x 2). They are scaled so that a change of 1 moves the points by 1 in the root mean square,
    whatever the units. The result is never worse than the start, and its scale is within
    :data:`~spatialweave.alignment.transforms.LARGEST_RESCALING` of the start's.

    Parameters
    ----------
    step
        How far the first steps move the points, in the units of the fixed section.
    precision
        Precision of the result, as a fraction of the step.
    """
    placed = transforms.apply(start, points)
    centre = placed.mean(axis=0)
    radius = float(np.sqrt(np.mean(((placed - centre) ** 2).sum(axis=1)))) or 1.0

    def changed(values: np.ndarray) -> Matrix:
        factor = float(np.exp(values[3] / radius)) if scale else 1.0
        matrix = transforms.about(transforms.rigid(values[2] / radius, (0.0, 0.0), factor), centre)
        matrix[:2, 2] += values[:2]
        return matrix @ start

    n_values = 4 if scale else 3
    simplex = np.vstack([np.zeros(n_values), step * np.eye(n_values)])
    largest = radius * np.log(LARGEST_RESCALING)

    def loss(values: np.ndarray) -> float:
        return np.inf if scale and abs(values[3]) > largest else -score(changed(values))

    # Near the optimum a score changes with the square of the distance.
    result = minimize(
        loss,
        np.zeros(n_values),
        method="Nelder-Mead",
        options={
            "initial_simplex": simplex,
            "xatol": precision * step,
            "fatol": 1e-7 * (precision / PRECISION) ** 2,
            "maxfev": MOST_EVALUATIONS,
        },
    )
    return changed(result.x), -float(result.fun)
