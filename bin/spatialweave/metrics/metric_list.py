"""Metrics as tables and reports show them: titles, groups, directions and definitions."""

from __future__ import annotations

from dataclasses import dataclass

from spatialweave.modalities import MODALITY_KINDS

WITH_LABELS = "Agreement with the labels"
DOMAINS = "Shape of the domains in the embedding"
TISSUE = "Coherence in the tissue"
SECTIONS = "Across sections"
FIDELITY = "Faithfulness to the modalities"
OTHER = "Further metrics"


@dataclass(frozen=True)
class MetricInfo:
    """Display of a metric: its title, its group, whether higher is better (None = no direction), its definition."""

    title: str
    group: str
    higher: bool | None
    definition: str


_PAIRWISE = "over all pairs of labelled spots"
METRIC_INFO = {
    "ari": MetricInfo(
        "Adjusted Rand index",
        WITH_LABELS,
        True,
        f"Agreement of domains and labels {_PAIRWISE}, corrected for chance: 1 = identical, 0 = as good as random.",
    ),
    "ami": MetricInfo(
        "Adjusted mutual information",
        WITH_LABELS,
        True,
        "Information that domains and labels share, corrected for chance: 1 = identical, 0 = as good as random.",
    ),
    "nmi": MetricInfo(
        "Normalised mutual information",
        WITH_LABELS,
        True,
        "Information that domains and labels share, divided by the mean of their entropies: 0 to 1.",
    ),
    "homogeneity": MetricInfo("Homogeneity", WITH_LABELS, True, "1 when every domain holds spots of one label only."),
    "completeness": MetricInfo("Completeness", WITH_LABELS, True, "1 when all spots of a label are in one domain."),
    "v_measure": MetricInfo("V-measure", WITH_LABELS, True, "Harmonic mean of homogeneity and completeness."),
    "mutual_information": MetricInfo(
        "Mutual information", WITH_LABELS, True, "Information that domains and labels share, in nats; not normalised."
    ),
    "fowlkes_mallows": MetricInfo(
        "Fowlkes-Mallows index", WITH_LABELS, True, f"Geometric mean of pairwise precision and recall {_PAIRWISE}."
    ),
    "jaccard": MetricInfo(
        "Jaccard index",
        WITH_LABELS,
        True,
        "Pairs of spots together in both domains and labels, among those together in either.",
    ),
    "ari_within_sections": MetricInfo(
        "Adjusted Rand index within sections",
        WITH_LABELS,
        True,
        "The adjusted Rand index of each section by itself, mean over sections.",
    ),
    "silhouette": MetricInfo(
        "Silhouette",
        DOMAINS,
        True,
        "How much nearer a spot's embedding is to its own domain than to the next one: -1 to 1, mean over spots.",
    ),
    "davies_bouldin": MetricInfo(
        "Davies-Bouldin index",
        DOMAINS,
        False,
        "Scatter within domains over the distance between them in the embedding, worst pair of each domain; 0 is best.",
    ),
    "calinski_harabasz": MetricInfo(
        "Calinski-Harabasz index",
        DOMAINS,
        True,
        "Variance of the embedding between domains over that within, per degree of freedom.",
    ),
    "morans_i": MetricInfo(
        "Moran's I of the domains",
        TISSUE,
        True,
        "Spatial autocorrelation of domain membership over the 10 nearest spots, mean over domains weighted by size: "
        "1 = contiguous regions, 0 = scattered.",
    ),
    "chaos": MetricInfo(
        "CHAOS",
        TISSUE,
        False,
        "Mean distance from a spot to the nearest spot of its domain, coordinates scaled to unit variance.",
    ),
    "pas": MetricInfo(
        "PAS",
        TISSUE,
        False,
        "Fraction of spots with more than half of their 10 nearest spots in other domains. 0 is best.",
    ),
    "neighbour_agreement": MetricInfo(
        "Neighbour agreement",
        TISSUE,
        True,
        "Fraction of a spot's neighbours in the spatial graph that are in its domain, mean over spots.",
    ),
    "ilisi": MetricInfo(
        "iLISI",
        SECTIONS,
        True,
        "Effective number of sections in a spot's neighbourhood in the embedding, median over spots, scaled: "
        "0 = one, 1 = all in equal proportions.",
    ),
    "kbet": MetricInfo(
        "kBET acceptance",
        SECTIONS,
        True,
        "Fraction of spots whose neighbourhood in the embedding holds the sections in their overall proportions.",
    ),
    "kbet_per_label": MetricInfo(
        "kBET acceptance per label",
        SECTIONS,
        True,
        "The same among the spots of each label, mean over labels: sections may differ in composition.",
    ),
    "batch_silhouette": MetricInfo(
        "Batch silhouette",
        SECTIONS,
        True,
        "1 minus the absolute silhouette of the sections among a label's spots, mean over labels: 1 = mixed.",
    ),
    "graph_connectivity": MetricInfo(
        "Graph connectivity",
        SECTIONS,
        True,
        "Fraction of a label's spots in one connected component of the embedding's neighbour graph, mean over labels.",
    ),
    "label_transfer": MetricInfo(
        "Label transfer",
        SECTIONS,
        True,
        "Accuracy of labels predicted from the nearest spots of another section, mean over pairs of sections.",
    ),
    "section_agreement": MetricInfo(
        "Agreement of aligned sections",
        SECTIONS,
        True,
        "Cohen's kappa between the domains of nearest spots of consecutive aligned sections: 0 = chance.",
    ),
    "domain_section_ami": MetricInfo(
        "Domains tied to sections",
        SECTIONS,
        False,
        "Adjusted mutual information of domains and sections: 1 = each section has its own domains, 0 = chance.",
    ),
    "distance_correlation": MetricInfo(
        "Distance correlation",
        FIDELITY,
        True,
        "Pearson correlation between a spot's distances to all spots in the embedding and in this modality.",
    ),
    "knn_overlap": MetricInfo(
        "Neighbourhood overlap",
        FIDELITY,
        True,
        "Fraction of a spot's nearest spots in this modality that are among its nearest in the embedding.",
    ),
}
"""By the name in metrics.csv, in the order of the table; the last two names also end with the modality's name."""

LEFT_OUT = ("morans_i_domain_", "ari_section_", "effective_sections", "labelled_spots", "unlabelled_spots")
"""Prefixes of metrics.csv names that the tables leave out: counts, metrics of single sections, iLISI before scaling,
and metrics of single domains, whose numbers mean different regions in different runs."""

MODALITY_TITLES = {name: kind.title for name, kind in MODALITY_KINDS.items()}

KEY_METRICS = {
    "ari": "ARI",
    "nmi": "NMI",
    "silhouette": "Silhouette",
    "morans_i": "Moran's I",
    "pas": "PAS",
    "chaos": "CHAOS",
    "ilisi": "iLISI",
    "label_transfer": "Label transfer",
}
"""Columns of the leaderboard, with short titles; the last two need several sections."""

RANKED = (
    "silhouette",
    "davies_bouldin",
    "calinski_harabasz",
    "morans_i",
    "chaos",
    "pas",
    "neighbour_agreement",
    "ilisi",
    "section_agreement",
)
"""Metrics averaged by the ranking without labels; the last two need several sections."""


def describe(name: str) -> MetricInfo:
    """Return how to show a metric; an unknown one has its own name as title, and no direction."""
    if name in METRIC_INFO:
        return METRIC_INFO[name]
    for base in ("distance_correlation", "knn_overlap"):
        if name.startswith(f"{base}_"):
            known, modality = METRIC_INFO[base], name.removeprefix(f"{base}_")
            title = f"{known.title}, {MODALITY_TITLES.get(modality, modality)}"
            return MetricInfo(title, known.group, known.higher, known.definition)
    return MetricInfo(name.replace("_", " "), OTHER, None, "See docs/metrics.md.")
