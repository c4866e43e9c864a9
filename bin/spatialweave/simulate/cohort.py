"""Simulated cohorts: one section of each donor, with domains in bands, one of which is wider in the second condition.

Donors differ: the widths of their bands and the base rates of their features are log-normal about common values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.simulate.tissue import LABEL, Tissue, base_rates, draw_counts, feature_names, generator, ordered

if TYPE_CHECKING:
    import anndata

CONDITIONS = ("control", "treated")


@dataclass(frozen=True)
class Cohort:
    """Specification of a cohort to simulate.

    Attributes
    ----------
    tissue
        The grid of every section, the number of domains and the counts; its pattern is not used.
    donors
        Number of donors of each condition.
    grows
        The domain (0, 1, ...) that is `ratio` times as wide in the second condition.
    changes
        Number of features, the last of each modality, that double in this domain in the second condition.
    width_sd, rate_sd
        Standard deviation of the natural logarithm of the widths, and of a feature's rates, over donors.
    """

    tissue: Tissue
    donors: int = 4
    grows: int = 2
    ratio: float = 2.5
    changes: int = 10
    width_sd: float = 0.15
    rate_sd: float = 0.1


def simulate_cohort(spec: Cohort, seed: int) -> dict[str, dict[str, anndata.AnnData]]:
    """Simulate the sections of a cohort.

    Returns
    -------
    Section -> modality -> AnnData with raw counts in X (CSR, float32), obsm['spatial'] (column, row), obs['label']
    and, the same for all spots, obs['donor'] and obs['condition'].
    """
    return {
        f"{condition}{number + 1}": _section(spec, condition, number, seed)
        for condition in CONDITIONS
        for number in range(spec.donors)
    }


def _section(spec: Cohort, condition: str, number: int, seed: int) -> dict[str, anndata.AnnData]:
    import anndata
    import pandas as pd

    tissue, donor = spec.tissue, f"{condition}{number + 1}"
    random = generator(seed, donor)
    treated = condition == CONDITIONS[1]
    widths = np.exp(spec.width_sd * random.standard_normal(tissue.n_domains))
    widths[spec.grows] *= spec.ratio if treated else 1.0
    row, column = np.divmod(np.arange(tissue.rows * tissue.cols), tissue.cols)
    domains = np.searchsorted(np.cumsum(widths)[:-1] / widths.sum(), (column + 0.5) / tissue.cols)
    depth = np.exp(tissue.depth_sd * random.standard_normal(len(domains)))
    obs = pd.DataFrame(
        {LABEL: [f"domain_{domain + 1}" for domain in domains], "donor": donor, "condition": condition},
        index=[f"spot_{r:04d}x{c:04d}" for r, c in zip(row, column, strict=True)],
    )
    result = {}
    for name in ordered(tissue.modalities):
        model = tissue.modalities[name]
        base = base_rates(model, generator(seed, name)) * np.exp(
            spec.rate_sd * random.standard_normal(model.n_features)
        )
        counts = draw_counts(tissue, name, np.eye(tissue.n_domains)[domains], depth, base, random).tolil()
        if treated and spec.changes:
            # A second draw of the same rates is added, which doubles them.
            rows, last = np.flatnonzero(domains == spec.grows), slice(-spec.changes, None)
            again = draw_counts(tissue, name, np.eye(tissue.n_domains)[domains[rows]], depth[rows], base, random)
            counts[rows, last] = counts[rows, last] + again[:, last]
        result[name] = anndata.AnnData(
            X=counts.tocsr(),
            obs=obs.copy(),
            var=pd.DataFrame(index=feature_names(name, model.n_features)),
            obsm={"spatial": np.column_stack([column, row]).astype(np.float64)},
        )
    return result
