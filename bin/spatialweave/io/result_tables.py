"""The tables (CSV) that stages write."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from spatialweave.io.result_table import COUNT, FLAG, NUMBER, OPTIONAL, TEXT, WHOLE, ResultTable

ALL = "all"
"""In the columns `modality` and `section`: all of them together."""

_RUN = {"dataset": TEXT, "method": TEXT, "seed": WHOLE}

DOMAINS = ResultTable({"barcode": TEXT, "section": TEXT, "domain": COUNT})
"""The domain of every spot of one run: 1..K by decreasing size."""

WEAVE = "weave"
"""Name of the consensus of a dataset's runs, used as the method in all tables and files."""

REFERENCE = "reference"
"""Name used as the method for sections that a saved model has labelled."""

WOVEN = ResultTable(
    {**DOMAINS.cells, **dict.fromkeys(("confidence", "agreement", "entropy"), NUMBER), "next_domain": TEXT}
)
"""The domain of every spot by the consensus, its certainty (fractions), and the domain with the next most support: ""
if no run supports another."""

CLUSTERED = ResultTable({**DOMAINS.cells, "probability": NUMBER})
"""The domain of every spot of a run by the mixture, with its posterior probability."""

LABELLED = ResultTable({**DOMAINS.cells, "probability": NUMBER, "unlikeness": NUMBER})
"""The domain of every spot by a saved model, its probability, and the unlikeness of the spot to the model's reference;
domains keep the numbers of the reference."""

LIKENESS = ResultTable({"section": TEXT, "verdict": TEXT, "modality": TEXT, "statistic": TEXT, "value": NUMBER})
"""Likeness of each section to a saved model's reference, one row per statistic and modality (docs/reference.md)."""

METRICS = ResultTable({**_RUN, "clustering": TEXT, "n_domains": WHOLE, "metric": TEXT, "value": OPTIONAL})
"""One row per metric; docs/metrics.md defines them."""

CONTROL_METHOD = "pca_smooth"
"""Control with which every method is compared."""

_INTERVAL = {"low": OPTIONAL, "high": OPTIONAL, "basis": TEXT}

_CONTROL = dict.fromkeys(("control_difference", "control_low", "control_high"), OPTIONAL)

SCORES = ResultTable(
    {"dataset": TEXT, "method": TEXT, "metric": TEXT, "clustering": TEXT, "seeds": COUNT, "mean": NUMBER,
     "sd": OPTIONAL, **_INTERVAL, **_CONTROL, "control_basis": TEXT}
)  # fmt: skip
"""One row per method and metric: mean and standard deviation over seeds, and the 95% interval of the mean; the mean
minus that of the control, with an interval that holds simultaneously for all methods but controls. `basis` and
`control_basis` name what the intervals cover."""

DIFFERENCES = ResultTable(
    {**dict.fromkeys(("dataset", "metric", "method", "other"), TEXT), "difference": NUMBER, **_INTERVAL,
     "distinguishable": FLAG}
)  # fmt: skip
"""One row per ordered pair of methods and metric: `method` minus `other`, with the same resamples of the spots. The
intervals of all differences of one method hold simultaneously at 95%; `basis` names what they cover."""

AGREEMENT = ResultTable({**_RUN, "other": TEXT, "other_seed": WHOLE, "ari": NUMBER})
"""One row per pair of runs: the adjusted Rand index between their domains, over all spots."""

LEADERBOARD = ResultTable(
    {**SCORES.cells, "best_rank": OPTIONAL, "worst_rank": OPTIONAL, "starred": FLAG, "verdict": TEXT,
     "seconds": OPTIONAL, "peak_rss_mb": OPTIONAL}
)  # fmt: skip
"""One row per dataset, method and metric that has a direction: the score, the possible ranks of the method, whether it
is better than every other method, and its comparison with the control."""

OVERALL = ResultTable(
    {"metric": TEXT, "method": TEXT, "datasets": COUNT, "of_datasets": COUNT, "mean": OPTIONAL, "mean_rank": OPTIONAL,
     "rank_low": OPTIONAL, "rank_high": OPTIONAL, **_CONTROL, "verdict": TEXT,
     **dict.fromkeys(("above", "below", "indistinguishable"), WHOLE), "seconds": OPTIONAL}
)  # fmt: skip
"""One row per method and metric over all datasets, with intervals over datasets, and the numbers of datasets on which
the method is above the control, below it, and indistinguishable from it. A method that lacks some of the datasets has
neither mean nor rank."""

NUMBERS = ResultTable({**_RUN, "n_domains": COUNT, "criterion": TEXT, "value": OPTIONAL})
"""Criteria for the number of domains: one row per run, number and criterion."""

PARTITIONS = ResultTable({**_RUN, "n_domains": COUNT, "spot": WHOLE, "domain": COUNT})
"""Domains of some spots (by number, from 0) of a run, for every number of domains."""

ALIGNMENT = ResultTable({**_RUN, "section_a": TEXT, "section_b": TEXT, "metric": TEXT, "value": OPTIONAL})
"""One row per metric of a pair of consecutive sections."""

NEAREST = "nearest_"
"""Prefix of the alignment metrics of nearest pairs: two spots that are each other's nearest."""

PAIRS = ResultTable(
    {
        **{f"{name}_{side}": cell for side in "ab" for name, cell in
           {"section": TEXT, "barcode": TEXT, "x": NUMBER, "y": NUMBER}.items()},
        "score": OPTIONAL, "similarity": OPTIONAL, "accepted": FLAG, "distance": OPTIONAL,
    }
)  # fmt: skip
"""Matched spots of two sections: aligned coordinates, transported mass, cosine, distance in spot spacings."""

SPOTS = ResultTable(
    {"section": TEXT, "barcode": TEXT, "mapped_to": TEXT, "similarity": OPTIONAL, "unmatched": OPTIONAL}
)
"""One row per spot of the mapped section: the spot of the other section to which it is mapped ("" = none), and its
unmatched fraction."""

COORDINATES = ResultTable({"section": TEXT, "barcode": TEXT, "x": NUMBER, "y": NUMBER})
"""Aligned coordinates of the spots of all sections."""

TRANSFORMS = ResultTable(
    {
        "section": TEXT, "method": TEXT, "score": OPTIONAL, "settled": FLAG, "confidence": OPTIONAL,
        "angle": NUMBER, "scale": NUMBER, "reflected": FLAG,
        "shift_x": NUMBER, "shift_y": NUMBER, **{f"m{i}{j}": NUMBER for i in (1, 2) for j in (1, 2, 3)},
    }
)  # fmt: skip
"""One row per section: the transform from its coordinates to the aligned ones (angle in degrees; matrix row by row),
whether the evidence settles its alignment to the section before, and the confidence."""

RUNS = ResultTable(
    {
        **_RUN,
        "status": TEXT,
        **dict.fromkeys(("epochs", "seconds", "peak_rss_mb", "peak_gpu_mb"), OPTIONAL),
    }
)
"""One row per planned run: its status, and the time and memory of its training."""

COMPLETED, FAILED = "completed", "failed"
"""Values of the status of a run."""

INDEX = ResultTable({**_RUN, **dict.fromkeys(("status", "embedding", "domains", "integrated", "report"), TEXT)})
"""One row per planned run: paths of its files, relative to the results folder."""

QC_SUMMARY = ResultTable(
    {
        **dict.fromkeys(("section", "modality", "unit", "check"), TEXT), "threshold": OPTIONAL,
        "n_before": WHOLE, "n_failed": WHOLE, "percent_failed": OPTIONAL, "n_after": WHOLE,
    }
)  # fmt: skip
"""One row per check of quality control: the spots or features that failed it."""

GRID_LINES = ResultTable(
    {**dict.fromkeys(("section", "modality", "direction"), TEXT), "line": COUNT, "position": NUMBER, "spots": COUNT,
     "ratio": NUMBER, "shifted": FLAG}
)  # fmt: skip
"""Rows and columns of a square grid of spots: the position (x of a column, y of a row), the spots that could be
compared with both sides, the ratio of their totals to those on both sides, and whether they differ all along the
line."""

UNDERSTOOD = ResultTable(dict.fromkeys(("section", "modality", "item", "value", "source"), TEXT))
"""Facts that INGEST found in the files of a section, one per row; the modality is `all` for the section itself."""

NOTICES = ResultTable(dict.fromkeys(("process", "task", "notice"), TEXT))
"""One row per warning of a task about input that was changed, or partly left out, before use."""

GRAPH_STATISTICS = ResultTable({"graph": TEXT, "statistic": TEXT, "value": OPTIONAL})
"""One row per statistic of a neighbour graph."""


EVIDENCE = ResultTable({**_RUN, "modality": TEXT, "statistic": TEXT, "value": OPTIONAL})
"""Label-free evidence for each run, by modality (`all`: all modalities) and statistic (docs/verdict.md)."""

MODALITY_VALUE = ResultTable(
    {
        "dataset": TEXT,
        "modality": TEXT,
        "statistic": TEXT,
        "of": TEXT,
        **dict.fromkeys(("value", "low", "high"), OPTIONAL),
    }
)
"""Contribution of each modality, one row per statistic; `of` is a modality, a domain, a domain of a run, or empty."""


def of_domain(run: str, domain: int) -> str:
    """Return the `of` of a row of MODALITY_VALUE about a domain of a run, e.g. ``smart.seed1:3``."""
    return f"{run}:{domain}"


_OF_DOMAIN = {"run": TEXT, "domain": COUNT}

MARKERS = ResultTable(
    {
        "run": TEXT, "section": TEXT, "modality": TEXT, "domain": COUNT, "feature": TEXT, "marker": FLAG, "test": TEXT,
        **dict.fromkeys(("log2_fold_change", "auc", "fraction_in", "fraction_out", "score", "p", "p_adjusted",
                         "p_split", "p_split_adjusted", "found_again"), OPTIONAL),
    }
)  # fmt: skip
"""Features with the highest values in each domain compared with all other spots, in each section and in `all`
(docs/characterise.md); in `all` a row without a feature where a domain could not be tested."""

TESTED = "test spots"
"""Content of the column `test` of MARKERS where these spots decide which features are markers."""

NOT_FOUND_AGAIN, FEW_TEST_SPOTS, NOT_MEASURED, NOT_COMPARED = (
    "not found again", "too few test spots", "not measured", "nothing to compare with",
)  # fmt: skip
"""The same where no valid test was possible, so that there are no markers: why."""

PROFILES = ResultTable(
    {"run": TEXT, "modality": TEXT, "feature": TEXT, "domain": COUNT, "mean": OPTIONAL, "fraction": OPTIONAL}
)
"""The best markers in every domain: mean of the transformed values, and fraction of the spots with the feature."""

STRUCTURE = ResultTable(
    {"run": TEXT, "section": TEXT, "domain": COUNT, "statistic": TEXT, "value": OPTIONAL, "unit": TEXT}
)
"""Size, shape and certainty of each domain, one row per statistic."""

BESIDE = ResultTable(
    {**_OF_DOMAIN, "other": COUNT, **dict.fromkeys(("edges", "fraction", "expected", "ratio", "paga"), OPTIONAL)}
)
"""One row per pair of domains, in both orders and including equal domains: edges of the spatial graph between them, as
a fraction of the first domain's edges to other domains, and that fraction as expected (docs/characterise.md)."""

COMPOSITION = ResultTable({**_OF_DOMAIN, "column": TEXT, "class": TEXT, "spots": COUNT, "fraction": NUMBER})
"""The known labels and the user's own columns among the spots of each domain."""

NAMES = ResultTable(
    {**_OF_DOMAIN, "name": TEXT, "named": FLAG, **dict.fromkeys(("score", "margin", "p"), NUMBER), "measured": WHOLE,
     "markers": WHOLE, "evidence": TEXT, "not_measured": TEXT}
)  # fmt: skip
"""Fit of each name of the panel to each domain, best first, and whether the domain has the name; `not_measured` has
those of its markers that no spot of the domain has (:func:`joined_names`)."""

OF_MODEL = [column for column in NAMES.columns if column not in ("run", "not_measured")]
"""Columns of NAMES that a saved model holds."""

GENE_SETS = ResultTable(
    {"run": TEXT, "modality": TEXT, "domain": COUNT, "gene_set": TEXT,
     **dict.fromkeys(("overlap", "markers", "set_size", "background"), WHOLE),
     **dict.fromkeys(("enrichment", "p", "p_adjusted"), NUMBER), "genes": TEXT}
)  # fmt: skip
"""The gene sets that contain markers of a domain, ordered by p value; `genes` are the markers in common
(:func:`joined_names`)."""


def joined_names(names: Iterable[str]) -> str:
    """Return names of features as one cell: separated by semicolons, and a name that has one in double quotes."""
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="").writerow(names)
    return text.getvalue()


def names_in(cell: str) -> list[str]:
    """Return the names in a cell that :func:`joined_names` made."""
    return next(csv.reader([cell], delimiter=";"), [])


DISTRIBUTIONS = ResultTable(
    {"run": TEXT, "quantity": TEXT, "modality": TEXT, "feature": TEXT, "domain": COUNT, "spots": COUNT,
     **dict.fromkeys(("mean", "low", "q25", "median", "q75", "high"), NUMBER), "unit": TEXT}
)  # fmt: skip
"""Distribution over the spots of each domain: of the values of its best markers (`value`), and of the correlation of
distances in the embedding and in a modality (`distance_correlation`, without a feature). Mean, and quantiles 5% to
95%."""

GRAPHS_JOINED = " + "
"""Separator between the names of the graphs that have an edge."""

SHARED_EDGES = ResultTable({"run": TEXT, "graphs": TEXT, "edges": COUNT, "fraction": NUMBER, "spots": COUNT})
"""Number of edges that are in exactly these neighbour graphs, e.g. `embedding + rna`."""

_DENOISED = {"run": TEXT, "denoised_by": TEXT, "modality": TEXT, "domain": COUNT, "truth": TEXT}

DENOISED_AUC = ResultTable(
    {**_DENOISED, "feature": TEXT, "spots": COUNT, "inside": COUNT, "auc_measured": NUMBER, "auc_denoised": NUMBER}
)
"""AUC with which markers (`all`: their mean) distinguish a domain from the others, as measured and as denoised by a
run."""

DENOISED_CURVES = ResultTable(
    {**_DENOISED, "values": TEXT, **dict.fromkeys(("enriched", "purity", "coverage", "outside"), NUMBER)}
)
"""Purity and coverage for each threshold above which a spot is enriched in a domain's markers: the curves behind `all`
of DENOISED_AUC."""

PSEUDOTIME = ResultTable({"run": TEXT, "embedding": TEXT, "section": TEXT, "barcode": TEXT, "pseudotime": OPTIONAL})
"""Diffusion pseudotime of every spot, 0 to 1, in the embedding of a run; empty if no path joins it to the root."""

_COMPARED = {"condition": TEXT, "reference": TEXT}
_DONORS = {"donors": COUNT, "donors_reference": COUNT}
_CHANGE = dict.fromkeys(("low", "high", "p", "p_adjusted"), OPTIONAL)

SAMPLES = ResultTable({"donor": TEXT, "condition": TEXT, "domain": COUNT, "spots": WHOLE, "fraction": NUMBER})
"""The spots of each domain in each sample of a cohort."""

ABUNDANCE = ResultTable(
    {
        "domain": COUNT, **_COMPARED, **_DONORS, "fraction": NUMBER, "fraction_reference": NUMBER,
        "log2_ratio": OPTIONAL, **_CHANGE,
    }
)  # fmt: skip
"""The change of each domain's abundance between conditions."""

NEIGHBOURHOODS = ResultTable(
    {
        "domain": COUNT, "neighbour": COUNT, **_COMPARED, **_DONORS, "border": NUMBER,
        "border_reference": NUMBER, "log2_odds_ratio": OPTIONAL, **_CHANGE,
    }
)  # fmt: skip
"""The change of a neighbour's fraction of a domain's border between conditions."""

EXPRESSION = ResultTable(
    {
        "modality": TEXT, "domain": COUNT, **_COMPARED, **_DONORS, "feature": TEXT, "mean": OPTIONAL,
        "log2_fold_change": OPTIONAL, **_CHANGE,
    }
)  # fmt: skip
"""The change of each feature in each domain between conditions."""
