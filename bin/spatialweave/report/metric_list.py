"""The metrics that the reports show: titles, groups, directions and definitions."""

from __future__ import annotations

from dataclasses import dataclass

from spatialweave.modalities import MODALITY_KINDS

WITH_LABELS = "Agreement with the labels"
DOMAINS = "Shape of the domains in the embedding"
TISSUE = "Coherence in the tissue"
SECTIONS = "Across sections"
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
    "ari_within_sections": Metric(
        "Adjusted Rand index within sections",
        WITH_LABELS,
        True,
        "The adjusted Rand index of each section by itself, mean over sections.",
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
    "ilisi": Metric(
        "iLISI",
        SECTIONS,
        True,
        "How many sections a spot's neighbourhood in the embedding holds in effect, median over spots, scaled: "
        "0 = one, 1 = all alike.",
    ),
    "kbet": Metric(
        "kBET acceptance",
        SECTIONS,
        True,
        "Share of spots whose neighbourhood in the embedding holds the sections in their overall proportions.",
    ),
    "kbet_per_label": Metric(
        "kBET acceptance per label",
        SECTIONS,
        True,
        "The same among the spots of each label, mean over labels: sections may differ in composition.",
    ),
    "batch_silhouette": Metric(
        "Batch silhouette",
        SECTIONS,
        True,
        "1 less the absolute silhouette of the sections among a label's spots, mean over labels: 1 = mixed.",
    ),
    "graph_connectivity": Metric(
        "Graph connectivity",
        SECTIONS,
        True,
        "Share of a label's spots that hang together in the embedding's neighbour graph, mean over labels.",
    ),
    "label_transfer": Metric(
        "Label transfer",
        SECTIONS,
        True,
        "Accuracy of labels guessed from the nearest spots of another section, mean over pairs of sections.",
    ),
    "section_agreement": Metric(
        "Agreement of aligned sections",
        SECTIONS,
        True,
        "Cohen's kappa between the domains of spots of consecutive sections that lie on each other: 0 = chance.",
    ),
    "domain_section_ami": Metric(
        "Domains tied to sections",
        SECTIONS,
        False,
        "Adjusted mutual information of domains and sections: 1 = each section has its own domains, 0 = chance.",
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

HIDDEN = ("morans_i_domain_", "ari_section_", "effective_sections", "labelled_spots", "unlabelled_spots")
"""Beginnings of names in metrics.csv that the tables leave out: counts, figures of single sections, iLISI before it is
scaled, and figures of single domains, whose numbers mean different regions in different runs."""

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
"""Columns of the leaderboard, with short titles; the last two where there are several sections."""

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
"""What the ranking without labels averages over; the last two where there are several sections."""


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
