"""Text for a methods section, composed from the records of the stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spatialweave.io.result_tables import REFERENCE, WEAVE
from spatialweave.prose import listing
from spatialweave.qc.thresholds import MIN_SPOTS, SPOT_THRESHOLDS, Threshold
from spatialweave.report import text
from spatialweave.results.runs import MethodRun
from spatialweave.results.spots import DatasetSpots
from spatialweave.results.titles import modality_title

if TYPE_CHECKING:
    from spatialweave.presets import MethodPreset
    from spatialweave.report.verdict import VerdictPart

UMAP = (
    "McInnes L, Healy J, Saul N, Großberger L. UMAP: Uniform Manifold Approximation and Projection. "
    "Journal of Open Source Software 3(29), 861 (2018)."
)
CONSENSUS = (
    "Fern XZ, Brodley CE. Solving cluster ensemble problems by bipartite graph partitioning. Proceedings of the 21st "
    "International Conference on Machine Learning, 36 (2004)."
)
HARMONY = (
    "Korsunsky I, Millard N, Fan J, Slowikowski K, Zhang F, Wei K, et al. Fast, sensitive and accurate integration of "
    "single-cell data with Harmony. Nature Methods 16, 1289-1296 (2019)."
)
ARI = "Hubert L, Arabie P. Comparing partitions. Journal of Classification 2, 193-218 (1985)."

STEPS = {
    "normalise_total": "counts scaled to a common total per spot",
    "log1p": "log(1 + x)",
    "clr": "centred log-ratio",
    "arcsinh": "arcsinh of intensities",
    "tf_idf": "term frequency times inverse document frequency",
    "scale": "unit variance per feature",
    "pca": "principal components",
    "lsi": "latent semantic indexing",
    "precomputed": "latents from the input file",
    "detected_features": "detected features",
    "variable_features": "variable features",
    "harmony": "Harmony by section",
}
"""Descriptions of names in the preprocessing records."""

CLUSTERING = {
    "mclust": (
        "a Gaussian mixture with one covariance matrix for all components (the EEE model of mclust), "
        "the best of several starts by likelihood",
        "Scrucca L, Fop M, Murphy TB, Raftery AE. mclust 5: clustering, classification and density estimation using "
        "Gaussian finite mixture models. The R Journal 8, 289-317 (2016).",
        "10.32614/RJ-2016-021",
    ),
    "leiden": (
        "the Leiden algorithm on a neighbour graph of the embedding",
        "Traag VA, Waltman L, van Eck NJ. From Louvain to Leiden: guaranteeing well-connected communities. "
        "Scientific Reports 9, 5233 (2019).",
        "10.1038/s41598-019-41695-z",
    ),
    "louvain": (
        "the Louvain algorithm on a neighbour graph of the embedding",
        "Blondel VD, Guillaume JL, Lambiotte R, Lefebvre E. Fast unfolding of communities in large networks. "
        "Journal of Statistical Mechanics P10008 (2008).",
        "10.1088/1742-5468/2008/10/P10008",
    ),
    "kmeans": ("k-means", "", ""),
    "split_merge": (
        "k-means into many groups, merged by Ward's criterion",
        "Ward JH. Hierarchical grouping to optimize an objective function. Journal of the American Statistical "
        "Association 58, 236-244 (1963).",
        "10.1080/01621459.1963.10500845",
    ),
}
CLUSTERING["mclust_r"] = (f"{CLUSTERING['mclust'][0]}, by the R package mclust", *CLUSTERING["mclust"][1:])


@dataclass(frozen=True)
class Reference:
    """Work to cite; `url` may be empty."""

    text: str
    url: str


@dataclass(frozen=True)
class MethodsText:
    """Paragraphs in order, and the works that they cite."""

    paragraphs: list[str]
    references: list[Reference]


def data_paragraph(spots: DatasetSpots, modalities: list[str]) -> str:
    """Describe the spots, sections and modalities of the dataset."""
    sections = spots.obs["section"].nunique()
    measured = listing([modality_title(name) for name in modalities])
    sentence = f"The dataset holds {text.number(len(spots))} spots of {sections} section{'s' * (sections > 1)}"
    sentence += f", measured in {measured}" if measured else ""
    return f"{sentence}. Spots form a {spots.layout} grid." if spots.layout != "cells" else f"{sentence}."


def qc_paragraph(params: dict[str, Any], modalities: Iterable[str]) -> str:
    """Describe the thresholds of quality control that can have removed something from these modalities."""
    names = [one.name for one in SPOT_THRESHOLDS if set(one.modalities) & set(modalities) and _removes(one, params)]
    thresholds = [
        f"{text.words(name)} {text.plain(params[f'qc_{name}'])}"
        for name in [*names, MIN_SPOTS]
        if f"qc_{name}" in params
    ]
    return f"Spots and features had to pass these thresholds: {', '.join(thresholds)}." if thresholds else ""


def _removes(threshold: Threshold, params: dict[str, Any]) -> bool:
    """Return whether a spot can be beyond a threshold: no value is negative, and upper bounds are percentages."""
    value = float(params.get(f"qc_{threshold.name}", threshold.bound.default))
    return value < 100 if threshold.bound.is_upper else value > 0


def preprocessing_paragraph(records: dict[str, Any], methods: list[str]) -> str:
    """Describe the steps of one recipe by modality, and name the methods that have it; empty without steps.

    Parameters
    ----------
    records
        The preprocessing record of each modality.
    methods
        Titles of the methods; none if unknown.
    """
    steps = {name: [_step(step) for step in record.get("steps", [])] for name, record in records.items()}
    sentences = [
        f"Preprocessing of {modality_title(name)}: {'; '.join(found)}." for name, found in steps.items() if found
    ]
    if sentences and methods:
        were = "was" if len(methods) == 1 else "were"
        sentences.insert(0, f"{listing(methods)} {were} run on latents made as follows.")
    return " ".join(sentences)


def _step(step: dict[str, Any]) -> str:
    """Describe one step with its values, e.g. "variable features (kept 3000, method seurat_v3)"."""
    title = STEPS.get(str(step.get("step")), text.words(str(step.get("step"))))
    values = [f"{text.words(key)} {text.plain(value)}" for key, value in step.items() if key != "step"]
    return f"{title} ({', '.join(values)})" if values else title


def training_paragraphs(runs: list[MethodRun], presets: dict[str, MethodPreset]) -> list[str]:
    """Write one paragraph per method: its summary, the seeds, the epochs."""
    paragraphs = []
    for method in dict.fromkeys(run.method for run in runs if run.method != WEAVE):
        own = [run for run in runs if run.method == method]
        if method == REFERENCE:
            paragraphs.append(reference_paragraph(own[0].training.get("reference", {}), presets))
            continue
        preset = presets.get(method)
        title = preset.title if preset else method
        sentences = [_sentence(f"{title}: {preset.summary}")] if preset else []
        seeds = listing([str(run.seed) for run in own])
        epochs = sorted({int(run.training["epochs"]) for run in own if run.training.get("epochs")})
        trained = f"{title} was run with seed{'s' if len(own) > 1 else ''} {seeds}"
        if epochs:
            span = str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
            trained += f" for {span} epoch{'s' if epochs[-1] > 1 else ''}"
        devices = sorted({str(run.training["device"]) for run in own if run.training.get("device")})
        if devices:
            trained += f" on {listing(devices)}"
        paragraphs.append(" ".join([*sentences, _sentence(trained)]))
    return paragraphs


def reference_paragraph(source: dict[str, Any], presets: dict[str, MethodPreset]) -> str:
    """Describe how a saved model labelled sections.

    Parameters
    ----------
    source
        Source in the record: the dataset, sections, spots and method of the model.
    """
    method = str(source.get("method", ""))
    title = presets[method].title if method in presets else method
    sections = listing([str(name) for name in source.get("sections", [])])
    return (
        f"Nothing was trained: the spots were embedded and assigned to domains by a saved model of {title}, which was "
        f"trained on {int(source.get('spots', 0)):,} spots of the dataset '{source.get('dataset', '')}' (sections "
        f"{sections}). Counts were prepared with the parameters of that dataset, and the shift of each section "
        "in its clusters was removed (Kang et al., Nature Communications 12:5890, 2021). The unlikeness of a spot is "
        "the fraction of that dataset's spots, held out, that are nearer to it: by the embedding, by the latents, and "
        "by the variation that its components do not explain, whichever is largest."
    )


def clustering_paragraph(names: list[str], refine: int | None) -> str:
    """Describe how the domains were derived from the embeddings, in the same way for every method."""
    names = [name for name in names if name != REFERENCE]
    if not names:
        return ""
    how = listing([CLUSTERING.get(name, (name,))[0] for name in names])
    sentence = f"Domains were found in every embedding in the same way, by {how}."
    rounds = int(refine or 0)
    if rounds:
        sentence += (
            f" Each spot then took the majority domain of its spatial neighbourhood, {rounds} time{'s' * (rounds > 1)}."
        )
    return sentence


def consensus_paragraph(methods: list[str]) -> str:
    """Describe how the runs were joined; empty without a consensus among `methods`."""
    if WEAVE not in methods:
        return ""
    return (
        "The domains of a dataset's runs were joined into a consensus (weave): spectral clustering of the bipartite "
        "graph of spots and domains, by truncated singular value decomposition of the spots x domains matrix, rows "
        "scaled to unit length, and k-means. A spot's confidence is the mean over the runs of the fraction of its "
        "domain there that lies in its domain of the consensus."
    )


def verdict_paragraph(part: VerdictPart | None) -> str:
    """Describe how the evidence without labels was assessed; empty if it was not."""
    if part is None:
        return ""
    return (
        "Without labels, the domains of each run were weighed by the variance of the latents that they explain at "
        "hidden spots: a spot takes the most frequent domain of its eight nearest spots, and the means of the domains "
        f"come from other blocks of the section. They were compared with {part.n_random} random partitions of the same "
        "sizes and smoothness, and with the domains that the control finds in "
        f"{part.n_permutations} permutations of the spots; intervals are from a bootstrap of blocks."
    )


def evaluation_paragraph(with_labels: bool, umap: bool) -> str:
    """Describe the measurements, and how the pictures were made."""
    sentence = "Domains were scored without labels by their shape in the embedding, their coherence in the tissue and "
    sentence += "the embedding's faithfulness to the modalities"
    if with_labels:
        sentence += ", and by their agreement with the labels given; labels took part in scoring only"
    if umap:
        sentence += ". UMAP (15 neighbours, minimal distance 0.3) is for viewing only: no result depends on it"
    return _sentence(sentence)


def uses_harmony(records: dict[str, Any]) -> bool:
    """Return whether a preprocessing record has Harmony among its steps."""
    return any(step.get("step") == "harmony" for record in records.values() for step in record.get("steps", []))


def references(
    presets: dict[str, MethodPreset],
    methods: list[str],
    clustering: list[str],
    with_labels: bool,
    umap: bool,
    harmony: bool = False,
) -> list[Reference]:
    """Return the works to cite: methods, Harmony, clustering, consensus, agreement, and UMAP."""
    found = [
        Reference(presets[method].citation, text.doi_link(presets[method].doi))
        for method in methods
        if method in presets and presets[method].citation
    ]
    if harmony:
        found.append(Reference(HARMONY, text.doi_link("10.1038/s41592-019-0619-0")))
    for name in clustering:
        _, citation, doi = CLUSTERING.get(name, ("", "", ""))
        if citation:
            found.append(Reference(citation, text.doi_link(doi)))
    if WEAVE in methods:
        found.append(Reference(CONSENSUS, text.doi_link("10.1145/1015330.1015414")))
    if with_labels:
        found.append(Reference(ARI, text.doi_link("10.1007/BF01908075")))
    if umap:
        found.append(Reference(UMAP, text.doi_link("10.21105/joss.00861")))
    return list(dict.fromkeys(found))


def _sentence(words: str) -> str:
    tidy = " ".join(words.split())
    return tidy if tidy.endswith((".", "!", "?")) else f"{tidy}."
