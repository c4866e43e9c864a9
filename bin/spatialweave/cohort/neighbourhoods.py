"""Domains that are neighbours more, or less, often under a condition, with donors as replicates."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.cohort.linear import Effect, mean_effect
from spatialweave.cohort.samples import Contrast, Remark, Samples
from spatialweave.metrics.multiple_tests import adjusted

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

FEWEST_DONORS = 2
"""Two domains are not compared if fewer donors per condition have enough of both."""

SMALL = 0.01
"""Offset of the odds: fraction of a border that is practically none."""

FEWEST_SPOTS = 10
"""A sample with fewer spots of one of two domains is not used for their neighbourhood."""

TOO_FEW = f"no neighbour with {FEWEST_SPOTS} spots of both in {FEWEST_DONORS} donors of either condition"
ALL_EQUAL = "the same neighbours, in the same fractions, in all donors"


def contacts(samples: Samples, domains: np.ndarray, n_domains: int, graph: sparse.csr_matrix) -> np.ndarray:
    """Count the neighbours between two domains per sample (samples x domains x domains).

    Parameters
    ----------
    domains
        One of 0 .. n_domains - 1 per spot.
    graph
        Symmetric 0/1 (spots x spots).
    """
    joined = graph.tocoo()
    keys = (samples.of_spot[joined.row] * n_domains + domains[joined.row]) * n_domains + domains[joined.col]
    return np.bincount(keys, minlength=len(samples) * n_domains**2).reshape(len(samples), n_domains, n_domains)


def outward(touching: np.ndarray) -> np.ndarray:
    """Return the contacts with other domains, without those of a domain with itself."""
    return touching * ~np.eye(touching.shape[1], dtype=bool)


def borders(touching: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return each domain's contacts with every other, as fractions of its contacts with others (samples x domains x
    domains).

    Domains are areas, and a neighbour that grows on its far side does not touch them more. So contacts are not divided
    by their expectation from abundances. The value is NaN for a domain with itself, and if a sample has few spots of a
    domain.
    """
    others = outward(touching)
    total = others.sum(axis=2, keepdims=True)
    enough = sizes >= FEWEST_SPOTS
    known = enough[:, :, None] & enough[:, None, :] & (total > 0) & ~np.eye(touching.shape[1], dtype=bool)
    return np.where(known, others / np.maximum(total, 1), np.nan)


def log_odds(fraction: np.ndarray) -> np.ndarray:
    """Return the log2 odds of fractions; 0 and 1 are moved inwards by :data:`SMALL`."""
    return np.asarray(np.log2((fraction + SMALL) / (1 - fraction + SMALL)))


def sampling_variance(fraction: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the variance of :func:`log_odds` of a fraction of `total` contacts, as if these were independent.

    It uses the delta method, with half a contact added to both sides, without which 0 and 1 would have no variance.
    Adjacent contacts are similar, so this is a lower bound.
    """
    smoothed = (fraction * total + 0.5) / (total + 1)
    slope = (1 + 2 * SMALL) / ((smoothed + SMALL) * (1 - smoothed + SMALL)) / np.log(2)
    return np.asarray(slope**2 * smoothed * (1 - smoothed) / np.maximum(total, 1))


def differential_neighbourhoods(
    samples: Samples, domains: pd.Series, sizes: pd.DataFrame, graph: sparse.csr_matrix
) -> tuple[list[dict[str, object]], list[Remark]]:
    """Compute the change of the neighbour's fraction of the domain's border, per domain, neighbour and condition.

    Returns
    -------
    Rows with `domain`, `neighbour`, `condition`, `reference`, `donors`, `donors_reference`, the mean fraction in both,
    the log2 ratio of the odds, its 95% interval, p value and adjusted p value (over the pairs). Pairs are left out if
    fewer than :data:`FEWEST_DONORS` donors have a fraction under one of the conditions, or if it is the same
    everywhere. Also, the domains for which no pair is left, and why.
    """
    import pandas as pd

    names = list(sizes.columns)
    codes = sizes.columns.get_indexer(pd.Index(domains))
    touching = contacts(samples, codes, len(names), graph)
    found = borders(touching, sizes.to_numpy())
    odds, variances = log_odds(found), sampling_variance(found, outward(touching).sum(axis=2, keepdims=True))
    rows: list[dict[str, object]] = []
    untested: list[Remark] = []
    for whole in samples.contrasts():
        effects: list[tuple[int, int, Contrast, Effect]] = []
        enough, tested = np.zeros(len(names), dtype=bool), np.zeros(len(names), dtype=bool)
        for a, b in product(range(len(names)), repeat=2):
            contrast = whole.within(np.isfinite(odds[:, a, b]))
            if contrast.fewest < FEWEST_DONORS:
                continue
            enough[a] = True
            effect = mean_effect(odds[contrast.rows, a, b], contrast.design, variances[contrast.rows, a, b])
            if np.isfinite(effect.p):
                effects.append((a, b, contrast, effect))
                tested[a] = True
        for reason, without in ((TOO_FEW, ~enough), (ALL_EQUAL, enough & ~tested)):
            if without.any():
                untested.append(Remark(whole.condition, reason, tuple(np.array(names)[without].tolist())))
        corrected = adjusted(np.array([effect.p for *_, effect in effects]))
        for (a, b, contrast, effect), p_adjusted in zip(effects, corrected, strict=True):
            fractions, changed = found[contrast.rows, a, b], contrast.changed
            rows.append(
                {
                    "domain": names[a],
                    "neighbour": names[b],
                    "condition": contrast.condition,
                    "reference": contrast.reference,
                    **contrast.donors,
                    "border": fractions[changed].mean(),
                    "border_reference": fractions[~changed].mean(),
                    "log2_odds_ratio": effect.value,
                    "low": effect.low,
                    "high": effect.high,
                    "p": effect.p,
                    "p_adjusted": p_adjusted,
                }
            )
    return rows, untested
