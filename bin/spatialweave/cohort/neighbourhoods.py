"""Which domains lie beside each other more, or less, under a condition, with donors as replicates."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.cohort.linear import Effect, mean_effect
from spatialweave.cohort.samples import Contrast, Samples
from spatialweave.metrics.multiple_tests import adjusted

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

SMALL = 0.01
"""Fraction of a border that is as good as none."""

FEWEST_SPOTS = 10
"""A sample with fewer spots of one of two domains says nothing of their neighbourhood."""


def contacts(samples: Samples, domains: np.ndarray, n_domains: int, graph: sparse.csr_matrix) -> np.ndarray:
    """Per sample the number of neighbours between two domains (samples x domains x domains).

    Parameters
    ----------
    domains
        Per spot 0 .. n_domains - 1.
    graph
        Symmetric 0/1 (spots x spots).
    """
    found = graph.tocoo()
    keys = (samples.of_spot[found.row] * n_domains + domains[found.row]) * n_domains + domains[found.col]
    return np.bincount(keys, minlength=len(samples) * n_domains**2).reshape(len(samples), n_domains, n_domains)


def borders(touching: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Of the contacts of each domain with others, the fraction that is with each (samples x domains x domains).

    Domains are areas, and a neighbour that grows on its far side does not touch them more: contacts are not divided by
    what abundances alone would make of them. NaN with itself, and where a sample has few spots of a domain.
    """
    other = ~np.eye(touching.shape[1], dtype=bool)
    outward = touching * other
    total = outward.sum(axis=2, keepdims=True)
    enough = sizes >= FEWEST_SPOTS
    known = enough[:, :, None] & enough[:, None, :] & (total > 0) & other
    return np.where(known, outward / np.maximum(total, 1), np.nan)


def log_odds(fraction: np.ndarray) -> np.ndarray:
    """Log2 odds of fractions; 0 and 1 are taken for :data:`SMALL` away from there."""
    return np.asarray(np.log2((fraction + SMALL) / (1 - fraction + SMALL)))


def differential_neighbourhoods(
    samples: Samples, domains: pd.Series, sizes: pd.DataFrame, graph: sparse.csr_matrix
) -> list[dict[str, object]]:
    """Per domain, neighbour and condition the change of the neighbour's fraction of the domain's border.

    Returns
    -------
    Rows with `domain`, `neighbour`, `condition`, `reference`, the mean fraction in both, the log2 ratio of the odds,
    its 95% interval, p-value and adjusted p-value (over the pairs). Pairs that cannot be compared, among them those
    whose fraction is the same everywhere, are left out.
    """
    import pandas as pd

    names = list(sizes.columns)
    codes = sizes.columns.get_indexer(pd.Index(domains))
    found = borders(contacts(samples, codes, len(names), graph), sizes.to_numpy())
    odds = log_odds(found)
    rows: list[dict[str, object]] = []
    for whole in samples.contrasts():
        effects: list[tuple[int, int, Contrast, Effect]] = []
        for a, b in product(range(len(names)), repeat=2):
            contrast = whole.within(np.isfinite(odds[:, a, b]))
            effect = mean_effect(odds[contrast.rows, a, b], contrast.design)
            if np.isfinite(effect.p):
                effects.append((a, b, contrast, effect))
        corrected = adjusted(np.array([effect.p for *_, effect in effects]))
        for (a, b, contrast, effect), p_adjusted in zip(effects, corrected, strict=True):
            fractions, changed = found[contrast.rows, a, b], contrast.changed
            rows.append(
                {
                    "domain": names[a],
                    "neighbour": names[b],
                    "condition": contrast.condition,
                    "reference": contrast.reference,
                    "border": fractions[changed].mean(),
                    "border_reference": fractions[~changed].mean(),
                    "log2_odds_ratio": effect.value,
                    "low": effect.low,
                    "high": effect.high,
                    "p": effect.p,
                    "p_adjusted": p_adjusted,
                }
            )
    return rows
