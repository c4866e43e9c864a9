"""Domains that are larger or smaller under a condition, with donors as replicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spatialweave.cohort.linear import Effect, rate_effect
from spatialweave.cohort.samples import Remark, Samples
from spatialweave.io.notices import warn
from spatialweave.metrics.multiple_tests import adjusted

if TYPE_CHECKING:
    import pandas as pd

LOG2 = float(np.log(2))
CHANGED = 0.05
"""Domains with an adjusted p value below this are not used to estimate the sizes of the samples."""

FEWEST_SHARED = 2
"""Number of domains from which the sizes of samples can be estimated."""


def sizes_of(samples: Samples, domains: pd.Series) -> pd.DataFrame:
    """Count the spots of each domain in each sample (samples x domains)."""
    import pandas as pd

    counts = pd.crosstab(samples.of_spot, domains.to_numpy())
    return counts.reindex(range(len(samples)), fill_value=0)


def in_all_samples(counts: np.ndarray) -> np.ndarray:
    """Return the domains (bool) from which sizes of samples can be estimated: those with spots in every sample.

    A domain that a sample lacks says nothing about its size, as in DESeq2: with many of them, all samples would get the
    same size. If fewer than two domains are left, none is returned.
    """
    shared = np.asarray((counts > 0).all(axis=0))
    return shared & (shared.sum() >= FEWEST_SHARED)


def size_factors(counts: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return the size of each sample (samples x domains -> samples), estimated from domains that do not change.

    The size is the median over domains of the ratio to the domain's geometric mean over samples, as for sequencing
    libraries (Anders and Huber, Genome Biol 11:R106, 2010). One domain that grows lowers the fraction of all others,
    but not their ratio. This holds as long as fewer than half of the domains change.

    Parameters
    ----------
    used
        Bool per domain; those used must have spots in every sample. Without any, the size is the number of spots.
    """
    if not used.any():
        totals = counts.sum(axis=1)
        return np.asarray(totals / np.exp(np.log(totals).mean()))
    logs = np.log(counts[:, used])
    return np.asarray(np.exp(np.median(logs - logs.mean(axis=0), axis=1)))


def abundance_effects(counts: np.ndarray, design: np.ndarray) -> tuple[list[Effect], np.ndarray]:
    """Return the effect of a condition on each domain (natural log), and the p values adjusted over the domains.

    The median over few domains is biased towards those that change. So the sizes of the samples are estimated a second
    time without the domains found to change, if that leaves half of the domains they are estimated from.
    """

    def effects(used: np.ndarray) -> tuple[list[Effect], np.ndarray]:
        sizes = size_factors(counts, used)
        by_domain = [rate_effect(column, sizes, design) for column in counts.T]
        return by_domain, adjusted(np.array([effect.p for effect in by_domain]))

    shared = in_all_samples(counts)
    first, corrected = effects(shared)
    unchanged = shared & ~(corrected < CHANGED)
    if unchanged.sum() == shared.sum() or 2 * unchanged.sum() < shared.sum():
        return first, corrected
    return effects(unchanged)


def differential_abundance(samples: Samples, sizes: pd.DataFrame) -> tuple[list[dict[str, object]], list[Remark]]:
    """Compute the change of abundance of each domain under each condition, relative to the reference.

    Returns
    -------
    Rows with `domain`, `condition`, `reference`, `donors` and `donors_reference` (of those compared), the mean fraction
    of a sample's spots in both, the log2 ratio of abundances, its 95% interval, p value and adjusted p value (over the
    domains). Also, the domains without an interval, and why.
    """
    fractions = sizes.div(sizes.sum(axis=1), axis=0).to_numpy()
    rows: list[dict[str, object]] = []
    untested: list[Remark] = []
    for contrast in samples.contrasts():
        counts = sizes.to_numpy()[contrast.rows]
        if not in_all_samples(counts).any():
            warn(
                f"{contrast.condition} against {contrast.reference}",
                f"fewer than {FEWEST_SHARED} domains are in all samples; domains are compared by their fraction of the "
                "spots, so one that grows makes all others smaller",
            )
        effects, corrected = abundance_effects(counts, contrast.design)
        unknown = np.isnan([effect.p for effect in effects])
        for reason, domains in (
            ("no sample that is compared has a spot of it", unknown & ~counts.any(axis=0)),
            ("too few samples for an interval", unknown & counts.any(axis=0)),
        ):
            if domains.any():
                untested.append(Remark(contrast.condition, reason, tuple(np.array(sizes.columns)[domains].tolist())))
        changed, compared = contrast.changed, fractions[contrast.rows]
        for position, (domain, effect) in enumerate(zip(sizes.columns, effects, strict=True)):
            rows.append(
                {
                    "domain": domain,
                    "condition": contrast.condition,
                    "reference": contrast.reference,
                    **contrast.donors,
                    "fraction": compared[changed, position].mean(),
                    "fraction_reference": compared[~changed, position].mean(),
                    "log2_ratio": effect.value / LOG2,
                    "low": effect.low / LOG2,
                    "high": effect.high / LOG2,
                    "p": effect.p,
                    "p_adjusted": corrected[position],
                }
            )
    return rows, untested
