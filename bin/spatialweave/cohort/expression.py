"""Features that change in a domain under a condition: counts of samples in DESeq2's model (pydeseq2)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from spatialweave.cohort.samples import Contrast, Samples
from spatialweave.io.count_matrix import Counts, numbered, spot_blocks

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
    samples: Samples, domains: pd.Series, names: Sequence[int | str], counts: Counts, features: pd.Index
) -> list[dict[str, object]]:
    """Compute the change of expression of each feature per domain and condition, relative to the reference.

    Parameters
    ----------
    domains
        One of `names` per row of `counts`.
    counts
        Raw counts (spots x features).

    Returns
    -------
    Rows with `domain`, `condition`, `reference`, `feature`, the mean normalised count, the log2 fold change, its
    95% interval, p-value and adjusted p-value (over the features of the domain).
    """
    import pandas as pd

    codes = pd.Index(names).get_indexer(pd.Index(domains))
    sums, spots = pseudobulk(samples, codes, len(names), counts)
    rows: list[dict[str, object]] = []
    for whole in samples.contrasts():
        for position, domain in enumerate(names):
            contrast = whole.within(spots[:, position] >= FEWEST_SPOTS)
            if contrast.fewest < FEWEST_SAMPLES:
                continue
            table = pd.DataFrame(sums[contrast.rows, position], columns=features).astype(np.int64)
            table = table.loc[:, table.sum() >= FEWEST_COUNTS]
            if table.shape[1] < 2 or len(contrast.rows) < 1 + contrast.design.shape[1]:
                continue
            found = _deseq(table, contrast)
            for feature, row in found.iterrows():
                rows.append(
                    {
                        "domain": domain,
                        "condition": contrast.condition,
                        "reference": contrast.reference,
                        "feature": feature,
                        "mean": row["baseMean"],
                        "log2_fold_change": row["log2FoldChange"],
                        "low": row["log2FoldChange"] - NORMAL_95 * row["lfcSE"],
                        "high": row["log2FoldChange"] + NORMAL_95 * row["lfcSE"],
                        "p": row["pvalue"],
                        "p_adjusted": row["padj"],
                    }
                )
    return rows


def _deseq(table: pd.DataFrame, contrast: Contrast) -> pd.DataFrame:
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.ds import DeseqStats

    # The names given by users may contain characters that a formula cannot.
    samples = contrast.table.iloc[contrast.rows]
    metadata = samples.assign(
        condition=np.where(contrast.changed, "other", "reference"),
        donor=[f"d{code}" for code in samples["donor"].astype("category").cat.codes],
    )
    metadata.index = table.index = [f"s{number}" for number in range(len(metadata))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        design = "~donor + condition" if contrast.paired else "~condition"
        data = DeseqDataSet(counts=table, metadata=metadata, design=design, quiet=True, n_cpus=1)
        data.deseq2()
        statistics = DeseqStats(data, contrast=["condition", "other", "reference"], quiet=True, n_cpus=1)
        statistics.summary()
    return statistics.results_df
