"""Page of a cohort: differences between conditions, over donors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.cohort.dataset import LEVEL, Comparison
from spatialweave.cohort.samples import ENOUGH_DONORS, Remark
from spatialweave.prose import listing
from spatialweave.report import text
from spatialweave.report.interval_plot import Estimate, IntervalPlot, interval_plot
from spatialweave.report.methods_text import MethodsText, Reference
from spatialweave.report.provenance import RunRecord, installed_versions
from spatialweave.report.render import render
from spatialweave.report.tables import ReportTable

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20
"""Maximal number of rows in a table of the page; the CSV files have all."""


PACKAGES = ("numpy", "pandas", "pydeseq2", "scikit-learn", "scipy", "statsmodels")
"""Packages that the comparison depends on."""

METHODS = (
    "A sample is all sections of one donor under one condition; samples, not spots, are the replicates (1).",
    "Abundance: quasi-Poisson regression of the number of spots (statsmodels, 2), with the median of ratios (3) of the "
    "domains that do not change as the size of a sample.",
    "Neighbourhoods: linear regression of the log odds of each neighbour's fraction of a domain's border, with a "
    "variance of at least that of as many independent contacts, where two donors of each condition have both domains.",
    "Expression: the negative binomial model of DESeq2 (4; PyDESeq2, 5) for the counts added up per sample and domain. "
    "The size of a sample is the median of ratios, too. It is estimated a second time without the features whose "
    "effects differ from that of most, since effects in a panel are relative to its other features (as in 6).",
    "P-values are adjusted by Benjamini and Hochberg (7), for each condition over all domains, all pairs of domains, "
    "or all features in all domains and modalities.",
)
"""Paragraphs on the methods; numbers are those of the references."""

REFERENCES = (
    (
        "Squair JW, Gautier M, Kathe C, Anderson MA, James ND, Hutson TH, et al. Confronting false discoveries in "
        "single-cell differential expression. Nature Communications 12, 5692 (2021).",
        "10.1038/s41467-021-25960-2",
    ),
    (
        "Seabold S, Perktold J. statsmodels: econometric and statistical modeling with Python. Proceedings of the 9th "
        "Python in Science Conference, 92-96 (2010).",
        "10.25080/Majora-92bf1922-011",
    ),
    (
        "Anders S, Huber W. Differential expression analysis for sequence count data. Genome Biology 11, R106 (2010).",
        "10.1186/gb-2010-11-10-r106",
    ),
    (
        "Love MI, Huber W, Anders S. Moderated estimation of fold change and dispersion for RNA-seq data with DESeq2. "
        "Genome Biology 15, 550 (2014).",
        "10.1186/s13059-014-0550-8",
    ),
    (
        "Muzellec B, Teleńczuk M, Cabeli V, Andreux M. PyDESeq2: a python package for bulk RNA-seq differential "
        "expression analysis. Bioinformatics 39, btad547 (2023).",
        "10.1093/bioinformatics/btad547",
    ),
    (
        "Zhou H, He K, Chen J, Zhang X. LinDA: linear models for differential abundance analysis of microbiome "
        "compositional data. Genome Biology 23, 95 (2022).",
        "10.1186/s13059-022-02655-5",
    ),
    (
        "Benjamini Y, Hochberg Y. Controlling the false discovery rate: a practical and powerful approach to multiple "
        "testing. Journal of the Royal Statistical Society B 57, 289-300 (1995).",
        "10.1111/j.2517-6161.1995.tb02031.x",
    ),
)
"""Works to cite, with their DOIs."""


def write_cohort_page(found: Comparison, record: RunRecord | None, target: Path) -> None:
    """Write the page as one HTML file without external resources."""
    donors = found.samples.drop_duplicates(["donor", "condition"])
    render(
        "cohort.html",
        target,
        ["sort.js", "paper.js"],
        dataset=found.dataset,
        run=found.run,
        reference=found.reference,
        few=found.few,
        level=LEVEL,
        donors=donors.groupby("condition", sort=False)["donor"].nunique().to_dict(),
        findings=found.findings(),
        plots=[(name, abundance_plot(found.abundance, name, found.labels)) for name in found.pairing],
        fractions=fraction_table(found.samples, found.labels),
        neighbourhoods=changed_table(
            found.neighbourhoods,
            "Pairs of a domain and a neighbour that changed",
            ["domain", "neighbour", "condition"],
            "log2_odds_ratio",
            found.labels,
        ),
        borders_tested=len(found.neighbourhoods) > 0,
        domain_notes=_notes(found.untested_domains, found.labels),
        border_notes=[
            *_notes(found.untested_borders, found.labels),
            *few_donors(found.neighbourhoods, found.abundance, found.labels),
        ],
        expression=changed_table(
            found.expression,
            "Features that changed in a domain",
            ["modality", "domain", "feature", "condition"],
            "log2_fold_change",
            found.labels,
        ),
        features_tested=len(found.expression) > 0,
        feature_notes=[
            *_notes(found.untested_features, found.labels),
            *few_donors(found.expression, found.abundance, found.labels),
        ],
        doubtful=_about(found.doubtful_features, found.labels),
        methods=MethodsText(list(METHODS), [Reference(work, text.doi_link(doi)) for work, doi in REFERENCES]),
        run_line=record.line() if record else "",
        run_rows=record.rows() if record else [],
        versions=list(installed_versions(PACKAGES).items()),
    )


def _about(remarks: list[Remark], labels: Mapping[int, str]) -> list[str]:
    return [f"{remark.condition}: " * bool(remark.condition) + remark.words(labels) for remark in remarks]


def _notes(untested: list[Remark], labels: Mapping[int, str]) -> list[str]:
    return [f"Not tested: {line}." for line in _about(untested, labels)]


def few_donors(table: pd.DataFrame, abundance: pd.DataFrame, labels: Mapping[int, str]) -> list[str]:
    """Return a line for each condition and number of donors below :data:`ENOUGH_DONORS`: the domains that have it.

    The numbers that a comparison has as a whole, those in `abundance`, are left out: the page gives them at its top.
    """
    names = ["condition", "donors", "donors_reference"]
    of_all = set(abundance[names].itertuples(index=False, name=None))
    few = table[table[["donors", "donors_reference"]].min(axis=1) < ENOUGH_DONORS]
    lines = []
    for (condition, donors, reference), rows in few.groupby(names):
        if (condition, donors, reference) in of_all:
            continue
        domains = [labels[int(domain)] for domain in sorted(rows["domain"].unique())]
        neighbour = " and its neighbour" if "neighbour" in table else ""
        lines.append(
            f"{condition}, domain{'s' * (len(domains) > 1)} {listing(domains)}: only {donors} + {reference} donors "
            f"have enough spots of it{neighbour}, so only very large differences can be found."
        )
    return lines


def abundance_plot(abundance: pd.DataFrame, condition: str, labels: Mapping[int, str]) -> IntervalPlot | None:
    """Plot the log2 ratio of every domain with its interval; filled if it differs at the level."""
    rows = abundance[(abundance["condition"] == condition) & abundance["low"].notna()].sort_values("domain")
    estimates = [
        Estimate(
            f"domain {labels[row['domain']]}",
            row["log2_ratio"],
            row["low"],
            row["high"],
            faint=not row["p_adjusted"] < LEVEL,
        )
        for row in rows.to_dict("records")
    ]
    return interval_plot(f"Abundance under {condition}", "log2 ratio of abundances", estimates, "", line=0.0)


def fraction_table(samples: pd.DataFrame, labels: Mapping[int, str]) -> ReportTable:
    """Tabulate the fraction of each domain in each sample, in percent."""
    wide = samples.pivot(index=["condition", "donor"], columns="domain", values="fraction")
    cells = [[f"{100 * value:.1f}" for value in row] for row in wide.to_numpy()]
    rows = [[*names, *row] for names, row in zip(wide.index, cells, strict=True)]
    header = ["condition", "donor", *(labels[int(domain)] for domain in wide.columns)]
    return ReportTable("Spots of each domain, % of the sample", header, rows)


def changed_table(
    table: pd.DataFrame, caption: str, names: list[str], effect: str, labels: Mapping[int, str]
) -> ReportTable | None:
    """Return the rows that differ at the level, by increasing p value; None if there are none."""
    found = table[table["p_adjusted"] < LEVEL].sort_values("p")
    if not len(found):
        return None
    shown = found.head(MOST_ROWS)
    more = f" (the first {MOST_ROWS} of {len(found)})" if len(found) > MOST_ROWS else ""
    header = [*names, "donors", effect.replace("_", " "), "95% interval", "adjusted p"]
    return ReportTable(caption + more, header, [_cells(row, names, effect, labels) for row in shown.to_dict("records")])


def _cells(row: Mapping[Hashable, Any], names: list[str], effect: str, labels: Mapping[int, str]) -> list[Any]:
    interval = f"{row['low']:.2f} to {row['high']:.2f}".replace("-", "−")
    named = [labels[int(row[name])] if name in ("domain", "neighbour") else str(row[name]) for name in names]
    few = " (few)" * (min(row["donors"], row["donors_reference"]) < ENOUGH_DONORS)
    donors = f"{row['donors']} + {row['donors_reference']}{few}"
    return [*named, donors, f"{row[effect]:.2f}", interval, f"{row['p_adjusted']:.2g}"]
