"""Features that change in a domain under a condition: counts of samples in DESeq2's model (pydeseq2)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

from spatialweave.cohort.samples import Contrast, Remark, Samples
from spatialweave.io.count_matrix import Counts, numbered, spot_blocks
from spatialweave.metrics.multiple_tests import adjusted

if TYPE_CHECKING:
    import pandas as pd

NORMAL_95 = 1.959964
"""Half-width of a 95% Wald interval, in standard errors."""

FEWEST_SPOTS = 10
"""A sample with fewer spots of a domain is left out of the comparison in that domain."""

FEWEST_COUNTS = 10
"""Features with fewer counts in a domain, over all samples, are not tested."""

FEWEST_SAMPLES = 2
"""A domain with fewer samples per condition is not compared."""

FEWEST_FEATURES = 2
"""A domain with fewer features is not compared: the sizes of the samples are estimated from the same features."""

SMALL_PANEL = 10
"""Sizes of samples that are estimated from fewer features can follow those that change."""

CHANGED = 0.05
"""Features with an adjusted p value below this are not used to estimate the sizes of the samples."""


@dataclass
class ExpressionChanges:
    """Changes of the features of one modality.

    Attributes
    ----------
    rows
        For each feature, domain and condition: `domain`, `condition`, `reference`, `donors`, `donors_reference`,
        `feature`, the mean normalised count, the log2 fold change, its 95% interval and p value.
    untested
        Domains that were not compared, and why.
    doubtful
        Domains in which changes of some features may be due to those of others, and why.
    """

    rows: list[dict[str, object]] = field(default_factory=list)
    untested: list[Remark] = field(default_factory=list)
    doubtful: list[Remark] = field(default_factory=list)


def pseudobulk(samples: Samples, domains: np.ndarray, n_domains: int, counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Sum counts per sample and domain (samples x domains x features), and count their spots (samples x domains)."""
    keys = samples.of_spot * n_domains + domains
    shape = (len(samples) * n_domains, len(keys))
    groups = sparse.csr_matrix((np.ones(len(keys)), (keys, np.arange(len(keys)))), shape=shape)
    sums = np.zeros((groups.shape[0], counts.shape[1]))
    for start, block in numbered(spot_blocks(counts)):
        sums += (groups[:, start : start + block.shape[0]] @ block).toarray()
    spots = np.bincount(keys, minlength=shape[0])
    return sums.reshape(len(samples), n_domains, -1), spots.reshape(len(samples), n_domains)


def differential_expression(
    samples: Samples, domains: np.ndarray, n_domains: int, counts: Counts, features: pd.Index
) -> ExpressionChanges:
    """Compute the change of expression of each feature per domain and condition, relative to the reference.

    Parameters
    ----------
    domains
        The domain (1 to `n_domains`) of each row of `counts`.
    counts
        Raw counts (spots x features). Their sums are rounded to whole numbers.
    """
    import pandas as pd

    sums, spots = pseudobulk(samples, domains - 1, n_domains, counts)
    found = ExpressionChanges()
    for whole in samples.contrasts():
        few_samples, few_features, small, changed = [], [], [], []
        for domain in range(1, n_domains + 1):
            contrast = whole.within(spots[:, domain - 1] >= FEWEST_SPOTS)
            if contrast.fewest < FEWEST_SAMPLES:
                few_samples.append(domain)
                continue
            table = pd.DataFrame(sums[contrast.rows, domain - 1], columns=features).round().astype(np.int64)
            table = table.loc[:, table.sum() >= FEWEST_COUNTS]
            if table.shape[1] < FEWEST_FEATURES:
                few_features.append(domain)
                continue
            effects = feature_effects(table, contrast)
            if effects.unchanged < SMALL_PANEL:
                small.append(domain)
            if not effects.comparable:
                changed.append(domain)
            found.rows += _rows(effects.table, domain, contrast)
        found.untested += _of_domains(
            whole.condition,
            (few_samples, f"fewer than {FEWEST_SAMPLES} samples of a condition have {FEWEST_SPOTS} spots of it"),
            (few_features, f"fewer than {FEWEST_FEATURES} features have {FEWEST_COUNTS} counts in it"),
        )
        found.doubtful += _of_domains(
            whole.condition,
            (
                small,
                f"fewer than {SMALL_PANEL} features have counts in every sample and do not change, so that one that "
                "changes can make others seem to",
            ),
            (changed, "half of the features or more seem to change, so that none is left to compare them with"),
        )
    return found


def over_conditions(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Add `p_adjusted` to rows of all modalities: over the features of all domains and modalities of a condition."""
    conditions = np.array([row["condition"] for row in rows], dtype=object)
    p, corrected = np.array([row["p"] for row in rows], dtype=np.float64), np.full(len(rows), np.nan)
    for condition in set(conditions):
        own = conditions == condition
        corrected[own] = adjusted(p[own])
    return [{**row, "p_adjusted": value} for row, value in zip(rows, corrected, strict=True)]


def _of_domains(condition: str, *reasons: tuple[list[int], str]) -> list[Remark]:
    return [Remark(condition, text, tuple(domains)) for domains, text in reasons if domains]


def _rows(effects: pd.DataFrame, domain: int, contrast: Contrast) -> list[dict[str, object]]:
    return [
        {
            "domain": domain,
            "condition": contrast.condition,
            "reference": contrast.reference,
            **contrast.donors,
            "feature": feature,
            "mean": row["baseMean"],
            "log2_fold_change": row["log2FoldChange"],
            "low": row["log2FoldChange"] - NORMAL_95 * row["lfcSE"],
            "high": row["log2FoldChange"] + NORMAL_95 * row["lfcSE"],
            "p": row["pvalue"],
        }
        for feature, row in effects.iterrows()
    ]


class FeatureEffects(NamedTuple):
    """DESeq2's results, a row per feature; how many features have counts in every sample, and do not seem to change."""

    table: pd.DataFrame
    usable: int
    unchanged: int

    @property
    def comparable(self) -> bool:
        """Whether more than half of the features do not seem to change."""
        return not self.usable or 2 * self.unchanged > self.usable


def feature_effects(table: pd.DataFrame, contrast: Contrast) -> FeatureEffects:
    """Fit DESeq2's model, in which the sizes of the samples come from features that do not change.

    The size of a sample is the median of ratios to the features' means. If many features of a panel change in the same
    direction, it follows them, and all others seem to change in the other direction. So the sizes are estimated a
    second time without the features that changed, if fewer than half did. These are found by the distance of their
    effects from the middle of the shortest interval with most of the effects (Rousseeuw and Leroy, Robust regression
    and outlier detection, 1987, chapter 4): it does not follow the changed ones as long as they are fewer than half.
    Zhou et al. (LinDA, Genome Biol 23:95, 2022) centre effects of compositions by their mode in the same way.

    Parameters
    ----------
    table
        Counts (samples of the contrast x features), int64.
    """
    first = _deseq(table, contrast)
    usable = (table > 0).all().to_numpy()
    unchanged = usable & ~_changed(first)
    found = FeatureEffects(first, int(usable.sum()), int(unchanged.sum()))
    if found.unchanged == found.usable or not found.comparable:
        return found
    return found._replace(table=_deseq(table, contrast, np.flatnonzero(unchanged)))


def _changed(effects: pd.DataFrame) -> np.ndarray:
    """Return the features (bool) whose effect differs from that of most."""
    from scipy.stats import norm
    from sklearn.covariance import fast_mcd

    values = effects["log2FoldChange"].to_numpy()
    # Of a support of half, the interval also has the next value: more than half, as in that book.
    centre = float(fast_mcd(values[np.isfinite(values), None], support_fraction=0.5)[0][0])
    p = 2 * norm.sf(np.abs(values - centre) / effects["lfcSE"].to_numpy())
    return np.asarray(adjusted(p) < CHANGED)


def _deseq(table: pd.DataFrame, contrast: Contrast, unchanged: np.ndarray | None = None) -> pd.DataFrame:
    """Fit the model; sizes are estimated from the features at the positions `unchanged`, None = from all."""
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    # The names given by users may contain characters that a formula cannot.
    samples = contrast.table.iloc[contrast.rows]
    metadata = samples.assign(
        condition=np.where(contrast.changed, "other", "reference"),
        donor=[f"d{code}" for code in samples["donor"].astype("category").cat.codes],
    )
    metadata.index = [f"s{number}" for number in range(len(metadata))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        design = "~donor + condition" if contrast.paired else "~condition"
        data = DeseqDataSet(
            counts=table.set_axis(metadata.index),
            metadata=metadata,
            design=design,
            control_genes=unchanged,
            quiet=True,
            n_cpus=1,
        )
        data.deseq2()
        compared = ["condition", "other", "reference"]
        # P-values are adjusted later, over all domains: not by the features that have most findings in this one.
        statistics = DeseqStats(data, contrast=compared, independent_filter=False, quiet=True, n_cpus=1)
        statistics.summary()
    return statistics.results_df
