"""Metrics as the reports show them: what they mean, their mean over seeds, the best run, and a ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

WITH_LABELS = "Agreement with the labels"
DOMAINS = "Shape of the domains in the embedding"
TISSUE = "Coherence in the tissue"
FIDELITY = "Faithfulness to the modalities"
OTHER = "Further figures"


@dataclass(frozen=True)
class Metric:
    """How a metric is shown: its title, its group, whether more is better (None = no direction), its definition."""

    title: str
    group: str
    higher: bool | None
    definition: str


_PAIRWISE = "over all pairs of labelled spots"
METRICS = {
    "ari": Metric(
        "Adjusted Rand index",
        WITH_LABELS,
        True,
        f"Agreement of domains and labels {_PAIRWISE}, corrected for chance: 1 = identical, 0 = as good as random.",
    ),
    "ami": Metric(
        "Adjusted mutual information",
        WITH_LABELS,
        True,
        "Information that domains and labels share, corrected for chance: 1 = identical, 0 = as good as random.",
    ),
    "nmi": Metric(
        "Normalised mutual information",
        WITH_LABELS,
        True,
        "Information that domains and labels share, divided by the mean of their entropies: 0 to 1.",
    ),
    "homogeneity": Metric("Homogeneity", WITH_LABELS, True, "1 when every domain holds spots of one label only."),
    "completeness": Metric("Completeness", WITH_LABELS, True, "1 when all spots of a label lie in one domain."),
    "v_measure": Metric("V-measure", WITH_LABELS, True, "Harmonic mean of homogeneity and completeness."),
    "mutual_information": Metric(
        "Mutual information", WITH_LABELS, True, "Information that domains and labels share, in nats; not normalised."
    ),
    "fowlkes_mallows": Metric(
        "Fowlkes-Mallows index", WITH_LABELS, True, f"Geometric mean of pairwise precision and recall {_PAIRWISE}."
    ),
    "jaccard": Metric(
        "Jaccard index",
        WITH_LABELS,
        True,
        "Pairs of spots together in both domains and labels, among those together in either.",
    ),
    "silhouette": Metric(
        "Silhouette",
        DOMAINS,
        True,
        "How much nearer a spot's embedding is to its own domain than to the next one: -1 to 1, mean over spots.",
    ),
    "davies_bouldin": Metric(
        "Davies-Bouldin index",
        DOMAINS,
        False,
        "Spread of the domains in the embedding over the distances between them, worst neighbour each; 0 is best.",
    ),
    "calinski_harabasz": Metric(
        "Calinski-Harabasz index",
        DOMAINS,
        True,
        "Variance of the embedding between domains over that within, per degree of freedom.",
    ),
    "morans_i": Metric(
        "Moran's I of the domains",
        TISSUE,
        True,
        "Spatial autocorrelation of domain membership over the 10 nearest spots, mean over domains weighted by size: "
        "1 = contiguous regions, 0 = scattered.",
    ),
    "chaos": Metric(
        "CHAOS",
        TISSUE,
        False,
        "Mean distance from a spot to the nearest spot of its domain, coordinates scaled to unit variance.",
    ),
    "pas": Metric(
        "PAS", TISSUE, False, "Share of spots of whose 10 nearest more than half lie in other domains. 0 is best."
    ),
    "neighbour_agreement": Metric(
        "Neighbour agreement",
        TISSUE,
        True,
        "Share of a spot's neighbours in the spatial graph that lie in its domain, mean over spots.",
    ),
    "distance_correlation": Metric(
        "Distance correlation",
        FIDELITY,
        True,
        "Pearson correlation between a spot's distances to all spots in the embedding and in this modality.",
    ),
    "knn_overlap": Metric(
        "Neighbourhood overlap",
        FIDELITY,
        True,
        "Share of a spot's nearest spots in this modality that are among its nearest in the embedding.",
    ),
}
"""By the name in metrics.csv, in the order of the table; the last two end with the modality's name there."""

HIDDEN = ("morans_i_domain_", "labelled_spots", "unlabelled_spots")
"""Beginnings of names in metrics.csv that the tables leave out: counts, and figures of single domains, whose numbers
mean different regions in different runs."""

MODALITY_TITLES = {
    "rna": "RNA",
    "adt": "protein (ADT)",
    "atac": "ATAC",
    "histone": "histone marks",
    "metabolite": "metabolites",
}

KEY_METRICS = {
    "ari": "ARI",
    "nmi": "NMI",
    "silhouette": "Silhouette",
    "morans_i": "Moran's I",
    "pas": "PAS",
    "chaos": "CHAOS",
}
"""Columns of the leaderboard, with short titles."""

RANKED = ("silhouette", "davies_bouldin", "calinski_harabasz", "morans_i", "chaos", "pas", "neighbour_agreement")
"""What the ranking without labels averages over."""


def describe(name: str) -> Metric:
    """How to show a metric; one that is not known is shown under its own name, without a direction."""
    if name in METRICS:
        return METRICS[name]
    for base in ("distance_correlation", "knn_overlap"):
        if name.startswith(f"{base}_"):
            known, modality = METRICS[base], name.removeprefix(f"{base}_")
            title = f"{known.title}, {MODALITY_TITLES.get(modality, modality)}"
            return Metric(title, known.group, known.higher, known.definition)
    return Metric(name.replace("_", " "), OTHER, None, "See docs/metrics.md.")


@dataclass
class Score:
    """A metric of one method over its seeds; `sd` is the sample standard deviation, NaN for fewer than two seeds."""

    mean: float
    sd: float
    n: int
    best: bool = False


def summarise(metrics: pd.DataFrame) -> dict[str, dict[str, Score]]:
    """Mean and standard deviation over seeds by metric and column of the table (:func:`columns`); best ones marked."""
    keys = columns(metrics)
    result: dict[str, dict[str, Score]] = {}
    for name in ordered_metrics(metrics):
        rows = metrics["metric"] == name
        values = metrics.loc[rows, "value"].groupby(keys[rows]).agg(["mean", "std", "count"])
        row = {str(key): Score(float(v["mean"]), float(v["std"]), int(v["count"])) for key, v in values.iterrows()}
        _mark_best(row, describe(name).higher)
        result[name] = row
    return result


def columns(metrics: pd.DataFrame) -> pd.Series:
    """The column a row of metrics belongs to: its method, with the clustering where there is more than one."""
    if metrics["clustering"].nunique() <= 1:
        return metrics["method"]
    return metrics["method"] + " / " + metrics["clustering"]


def ordered_metrics(metrics: pd.DataFrame) -> list[str]:
    """Metric names in the order of :data:`METRICS`' groups, unknown ones last."""
    groups = [WITH_LABELS, DOMAINS, TISSUE, FIDELITY, OTHER]
    known = list(METRICS)

    def position(name: str) -> tuple[int, int, str]:
        return groups.index(describe(name).group), known.index(name) if name in METRICS else len(known), name

    return sorted((name for name in metrics["metric"].unique() if not name.startswith(HIDDEN)), key=position)


def _mark_best(row: dict[str, Score], higher: bool | None) -> None:
    means = [score.mean for score in row.values() if np.isfinite(score.mean)]
    if higher is None or len(row) < 2 or not means:
        return
    target = max(means) if higher else min(means)
    for score in row.values():
        score.best = score.mean == target


def mean_ranks(metrics: pd.DataFrame, by: list[str]) -> pd.Series:
    """Mean rank over :data:`RANKED` of each group of `by`, sorted (1 = best on all); groups with none are left out."""
    rows = metrics[metrics["metric"].isin(RANKED)]
    wide = rows.pivot_table(index=by, columns="metric", values="value", aggfunc="mean")
    for name in wide.columns:
        if METRICS[name].higher:
            wide[name] = -wide[name]
    return wide.rank(axis=0, method="average").mean(axis=1).dropna().sort_values(kind="stable")


@dataclass
class Best:
    """The run to look at first, and the reason in words."""

    method: str
    seed: int
    why: str


def best_run(metrics: pd.DataFrame, available: set[tuple[str, int]]) -> Best | None:
    """The method with the best mean, and of it the best seed: by ARI where there are labels, else by mean rank.

    Parameters
    ----------
    available
        The runs whose domains exist.
    """
    if metrics.empty:
        usable = metrics
    else:
        keep = [pair in available for pair in zip(metrics["method"], metrics["seed"], strict=True)]
        usable = metrics[keep]
    ari = usable[(usable["metric"] == "ari") & usable["value"].notna()]
    if len(ari):
        method = str(ari.groupby("method")["value"].mean().idxmax())
        rows = ari[ari["method"] == method]
        top = rows.sort_values(["value", "seed"], ascending=[False, True]).iloc[0]
        average = rows["value"].mean()
        return Best(
            method,
            int(top["seed"]),
            f"highest mean agreement with the labels (adjusted Rand index {average:.3f} over {_seeds(rows)}); "
            f"of its seeds the one with the highest ({top['value']:.3f})",
        )
    if len(usable):
        ranks = mean_ranks(usable, ["method"])
        if len(ranks):
            method = str(ranks.index[0])
            seeds = mean_ranks(usable[usable["method"] == method], ["seed"])
            reason = "the only method" if len(ranks) == 1 else f"best mean rank ({ranks.iloc[0]:.2f} of {len(ranks)})"
            return Best(method, int(str(seeds.index[0])), f"{reason} over the metrics that need no labels")
    if available:
        method, seed = min(available)
        return Best(method, seed, "the first that has domains; no metrics are available")
    return None


def _seeds(rows: pd.DataFrame) -> str:
    count = rows["seed"].nunique()
    return f"{count} seed{'s' if count != 1 else ''}"
