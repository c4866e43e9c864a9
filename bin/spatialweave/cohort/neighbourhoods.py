"""Which domains lie beside each other more, or less, under a condition, with donors as replicates."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.cohort.linear import adjusted, mean_effect
from spatialweave.cohort.samples import Samples

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

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


def enrichment(touching: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Log2 of the contacts of two domains over those expected if each contact out of a domain went anywhere else.

    A domain's contacts with others are expected in proportion to the others' spots, so that a change of abundance
    alone is no change of neighbourhood. NaN where a sample has too few spots of a domain, or it has no contact.
    """
    other = ~np.eye(touching.shape[1], dtype=bool)
    outward = touching * other
    total = outward.sum(axis=2, keepdims=True)
    others = sizes.sum(axis=1)[:, None, None] - sizes[:, :, None]
    expected = total * sizes[:, None, :] / np.maximum(others, 1)
    enough = (sizes >= FEWEST_SPOTS)[:, :, None] & (sizes >= FEWEST_SPOTS)[:, None, :] & (total > 0) & other
    return np.where(enough, np.log2((outward + 0.5) / (expected + 0.5)), np.nan)


def differential_neighbourhoods(
    samples: Samples, domains: pd.Series, sizes: pd.DataFrame, graph: sparse.csr_matrix
) -> list[dict[str, object]]:
    """Per pair of domains and condition the change of the enrichment of their contacts against the reference.

    Returns
    -------
    Rows with `domain`, `neighbour`, `condition`, `reference`, the mean enrichment (log2) in both, the difference, its
    95% interval, p-value and adjusted p-value (over the pairs). Pairs that cannot be compared are left out.
    """
    import pandas as pd

    names = list(sizes.columns)
    codes = sizes.columns.get_indexer(pd.Index(domains))
    found = enrichment(contacts(samples, codes, len(names), graph), sizes.to_numpy())
    rows: list[dict[str, object]] = []
    here = samples.table["condition"].to_numpy()
    for condition in samples.others:
        chosen = samples.between(condition)
        design = samples.design(chosen, condition)
        pairs = [(a, b) for a, b in product(range(len(names)), repeat=2) if a != b]
        effects = {pair: mean_effect(found[chosen, pair[0], pair[1]], design) for pair in pairs}
        effects = {pair: effect for pair, effect in effects.items() if np.isfinite(effect.p)}
        corrected = adjusted(np.array([effect.p for effect in effects.values()]))
        for ((a, b), effect), p_adjusted in zip(effects.items(), corrected, strict=True):
            rows.append(
                {
                    "domain": names[a],
                    "neighbour": names[b],
                    "condition": condition,
                    "reference": samples.reference,
                    "enrichment": np.nanmean(found[here == condition, a, b]),
                    "enrichment_reference": np.nanmean(found[here == samples.reference, a, b]),
                    "difference": effect.value,
                    "low": effect.low,
                    "high": effect.high,
                    "p": effect.p,
                    "p_adjusted": p_adjusted,
                }
            )
    return rows
