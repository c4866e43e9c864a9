"""Domains that are larger or smaller under a condition, with donors as replicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spatialweave.cohort.linear import Effect, rate_effect
from spatialweave.cohort.samples import Samples
from spatialweave.metrics.multiple_tests import adjusted

if TYPE_CHECKING:
    import pandas as pd

LOG2 = float(np.log(2))
CHANGED = 0.05
"""Domains with an adjusted p-value below this are not used to estimate the sizes of the samples."""


def sizes_of(samples: Samples, domains: pd.Series) -> pd.DataFrame:
    """Count the spots of each domain in each sample (samples x domains)."""
    import pandas as pd

    counts = pd.crosstab(samples.of_spot, domains.to_numpy())
    return counts.reindex(range(len(samples)), fill_value=0)


def size_factors(counts: np.ndarray, unchanged: np.ndarray | None = None) -> np.ndarray:
    """Return the size of each sample (samples x domains -> samples), estimated from domains that do not change.

    The size is the median over domains of the ratio to the domain's geometric mean over samples, as for sequencing
    libraries (Anders and Huber, Genome Biol 11:R106, 2010). One domain that grows lowers the fraction of all others,
    but not their ratio. This holds as long as fewer than half of the domains change. Domains that a sample lacks count
    as half a spot. The median is over the domains `unchanged` (bool per domain); None = all.
    """
    logs = np.log(counts + 0.5)
    ratios = logs - logs.mean(axis=0)
    return np.asarray(np.exp(np.median(ratios if unchanged is None else ratios[:, unchanged], axis=1)))


def abundance_effects(counts: np.ndarray, design: np.ndarray) -> tuple[list[Effect], np.ndarray]:
    """Return the effect of a condition on each domain (natural log), and the p-values adjusted over the domains.

    The median over few domains is biased towards those that change. So the sizes of the samples are estimated a second
    time without the domains found to change, if that leaves half of the domains.
    """

    def effects(unchanged: np.ndarray | None) -> tuple[list[Effect], np.ndarray]:
        sizes = size_factors(counts, unchanged)
        by_domain = [rate_effect(column, sizes, design) for column in counts.T]
        return by_domain, adjusted(np.array([effect.p for effect in by_domain]))

    first, corrected = effects(None)
    unchanged = ~(corrected < CHANGED)
    return (first, corrected) if unchanged.all() or 2 * unchanged.sum() < len(unchanged) else effects(unchanged)


def differential_abundance(samples: Samples, sizes: pd.DataFrame) -> list[dict[str, object]]:
    """Compute the change of abundance of each domain under each condition, relative to the reference.

    Returns
    -------
    Rows with `domain`, `condition`, `reference`, `donors` and `donors_reference` (of those compared), the mean fraction
    of a sample's spots in both, the log2 ratio of abundances, its 95% interval, p-value and adjusted p-value (over the
    domains).
    """
    fractions = sizes.div(sizes.sum(axis=1), axis=0).to_numpy()
    rows: list[dict[str, object]] = []
    for contrast in samples.contrasts():
        effects, corrected = abundance_effects(sizes.to_numpy()[contrast.rows], contrast.design)
        changed, compared = contrast.changed, fractions[contrast.rows]
        for position, (domain, effect) in enumerate(zip(sizes.columns, effects, strict=True)):
            rows.append(
                {
                    "domain": domain,
                    "condition": contrast.condition,
                    "reference": contrast.reference,
                    "donors": int(changed.sum()),
                    "donors_reference": int((~changed).sum()),
                    "fraction": compared[changed, position].mean(),
                    "fraction_reference": compared[~changed, position].mean(),
                    "log2_ratio": effect.value / LOG2,
                    "low": effect.low / LOG2,
                    "high": effect.high / LOG2,
                    "p": effect.p,
                    "p_adjusted": corrected[position],
                }
            )
    return rows
