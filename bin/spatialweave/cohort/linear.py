"""Linear models of samples: the effect of a condition with its interval and p value."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np


class Effect(NamedTuple):
    """Effect of a condition on the scale of the model, with its 95% interval and two-sided p value, by t."""

    value: float
    low: float
    high: float
    p: float


NONE = Effect(np.nan, np.nan, np.nan, np.nan)
"""Effect if a model cannot be fitted."""


def rate_effect(counts: np.ndarray, sizes: np.ndarray, design: np.ndarray) -> Effect:
    """Estimate the effect (natural log) on a rate in a quasi-Poisson model with the logarithm of `sizes` as offset.

    The variance is the mean times a dispersion that is estimated from the samples (Pearson) and is at least 1. Half a
    count is added to each, so that a domain absent from one condition has a finite effect.
    """
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    if not counts.any() or not _estimable(design):
        return NONE
    model = GLM(counts + 0.5, design, family=Poisson(), offset=np.log(sizes))
    with warnings.catch_warnings():
        # The warning mistakes a fit without residual error for one that cannot be found.
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        # Of a fit without residual error, statsmodels' own scale "X2" is 0, by which it then divides.
        poisson = model.fit()
        dispersion = max(1.0, float(poisson.pearson_chi2 / poisson.df_resid))
        return _first(model.fit(scale=dispersion, use_t=True))


def mean_effect(values: np.ndarray, design: np.ndarray, sampling: np.ndarray) -> Effect:
    """Estimate the effect on a mean by ordinary least squares, with a lower bound on the variance.

    Samples that happen to be equal leave no residual except rounding errors. They still vary by `sampling` (the
    variance of each value if it were measured again), so the variance of the residuals is at least its mean.
    """
    from statsmodels.regression.linear_model import OLS

    if not _estimable(design) or np.ptp(values) == 0:
        return NONE
    model = OLS(values, design)
    variance = max(float(model.fit().mse_resid), float(np.mean(sampling)))
    return _first(model.fit(cov_type="fixed scale", cov_kwds={"scale": variance}, use_t=True))


def _estimable(design: np.ndarray) -> bool:
    """Return whether the first term is identifiable, with at least one sample more than terms for the error."""
    rank = np.linalg.matrix_rank(design) if len(design) else 0
    return bool(len(design) > rank and rank > np.linalg.matrix_rank(design[:, 1:]))


def _first(fit: Any) -> Effect:
    low, high = fit.conf_int()[0]
    return Effect(float(fit.params[0]), float(low), float(high), float(fit.pvalues[0]))
