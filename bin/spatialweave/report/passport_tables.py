"""Tables, charts and sentences of a passport in a dataset's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spatialweave.domains.matching import FOUND_AGAIN
from spatialweave.passport.passport import Change, Donor, ModalityMarkers, Passport
from spatialweave.passport.words import no_markers_sentence, p_text
from spatialweave.prose import listing
from spatialweave.report.passport_charts import Dots, dots
from spatialweave.report.tables import ReportTable
from spatialweave.report.text import decimals, words
from spatialweave.results.titles import modality_title


@dataclass
class MarkerTable:
    """Markers of one modality: rows of a feature and its cells; without rows, why there are none."""

    modality: str
    title: str
    header: list[str]
    rows: list[tuple[str, list[str]]]
    note: str


def _by_method(one: Passport, titles: Mapping[str, str]) -> list[tuple[str, list[float]]]:
    found: dict[str, list[float]] = {}
    for sighting in one.sightings:
        found.setdefault(sighting.method, []).append(sighting.jaccard)
    return [(titles.get(method, method), values) for method, values in found.items()]


def seen_chart(one: Passport, titles: Mapping[str, str]) -> Dots | None:
    """Plot a dot per run, by method; None without other runs."""
    if not one.sightings:
        return None
    rows = [
        (name, values, f"Jaccard index {listing([f'{value:.2f}' for value in values])}", max(values) >= FOUND_AGAIN)
        for name, values in _by_method(one, titles)
    ]
    return dots(
        f"How well each run sees domain {one.number}", "Jaccard index with the matching domain of each run", rows,
        (0.0, 1.0), FOUND_AGAIN,
    )  # fmt: skip


def seen_table(one: Passport, titles: Mapping[str, str]) -> ReportTable | None:
    """Tabulate the matching domain of every run; None without other runs."""
    if not one.sightings:
        return None
    rows = [
        [
            titles.get(s.method, s.method), s.seed, "" if s.domain is None else s.domain, f"{s.jaccard:.2f}",
            f"{100 * s.inside:.0f}", listing([str(other) for other in s.together_with]),
        ]
        for s in one.sightings
    ]  # fmt: skip
    header = ["method", "seed", "its domain", "Jaccard index", "in one domain of it, %", "together with domain"]
    return ReportTable("The matching domain of every run", header, rows, True)


def marker_table(found: ModalityMarkers) -> MarkerTable:
    """Tabulate the best markers of one modality."""
    rows = [
        (
            m.feature,
            [
                decimals(m.log2_fold_change, signed=True, digits=2), f"{m.auc:.2f}", f"{100 * m.fraction_in:.0f}",
                f"{100 * m.fraction_out:.0f}", p_text(m.p_adjusted),
            ],
        )
        for m in found.best
    ]  # fmt: skip
    header = ["log2 fold change", "AUC", "in, %", "out, %", "p, adjusted"]
    how_many = f": {_at_least(found.number)} marker{'s' * (found.number != 1)}" if not found.untested else ""
    return MarkerTable(
        found.modality, modality_title(found.modality) + how_many, header, rows, no_markers_sentence(found)
    )


def _at_least(count: int) -> str:
    """Return the count as text; the table of CHARACTERISE holds 200 features at most."""
    return f"{count} or more" if count >= 200 else str(count)


def gene_set_table(one: Passport) -> ReportTable | None:
    """Tabulate the enriched gene sets; None if there are none."""
    if not one.gene_sets:
        return None
    rows = [
        [
            s.name,
            modality_title(s.modality),
            f"{s.overlap} of {s.set_size}",
            round(s.enrichment, 1),
            p_text(s.p_adjusted),
            s.genes,
        ]
        for s in one.gene_sets
    ]
    return ReportTable(
        "Gene sets enriched among the markers",
        ["gene set", "modality", "in common", "times chance", "p, adjusted", "features in common"],
        rows,
        True,
    )


def neighbour_table(one: Passport, labels: Mapping[int, str]) -> ReportTable | None:
    """Tabulate the other domains at the border; None if there are none."""
    if not one.neighbours:
        return None
    rows = [
        [
            labels.get(n.domain, str(n.domain)), f"{100 * n.fraction:.0f}", f"{100 * n.expected:.0f}",
            round(n.paga, 2) if n.paga == n.paga else None,
        ]
        for n in one.neighbours
    ]  # fmt: skip
    header = ["domain", "of the border, %", "expected, %", "PAGA"]
    return ReportTable("Neighbours", header, rows, True)


def section_table(one: Passport) -> ReportTable | None:
    """Tabulate the spots in each section; None if there is one section."""
    if len(one.sections) < 2:
        return None
    rows = [[s.section, s.spots, f"{100 * s.of_domain:.1f}", f"{100 * s.of_section:.1f}"] for s in one.sections]
    return ReportTable("In each section", ["section", "spots", "of the domain, %", "of the section, %"], rows, True)


def class_tables(one: Passport) -> list[ReportTable]:
    """Return a table per known column."""
    return [
        ReportTable(
            f"By {words(column.removeprefix('meta_'))}",
            [words(column.removeprefix("meta_")), "spots", "of those that have one, %"],
            [[name, spots, f"{100 * fraction:.0f}"] for name, spots, fraction in classes],
        )
        for column, classes in one.classes.items()
    ]


def need_chart(one: Passport) -> Dots | None:
    """Plot how well the control finds the domain, with all modalities and without each; None if unknown."""
    if not one.by_modality:
        return None
    rows = [
        (
            "all modalities" if found.without is None else f"without {modality_title(found.without)}",
            [found.low, found.jaccard, found.high],
            f"Jaccard index {found.jaccard:.2f} ({found.low:.2f} to {found.high:.2f} over seeds)",
            found.jaccard >= FOUND_AGAIN,
        )
        for found in one.by_modality
    ]
    title = "Jaccard index with the control's best domain"
    return dots(f"Domain {one.number} with and without each modality", title, rows, (0.0, 1.0), FOUND_AGAIN)


def donor_chart(donors: Sequence[Donor]) -> Dots | None:
    """Plot a dot per donor, by condition; None without a cohort."""
    if not donors:
        return None
    found: dict[str, list[float]] = {}
    for donor in donors:
        found.setdefault(donor.condition, []).append(100 * donor.fraction)
    rows = [
        (condition, values, f"{listing([f'{value:.1f}' for value in values])}% of the spots of each donor", False)
        for condition, values in found.items()
    ]
    return dots("Spots of the domain in each donor, by condition", "spots of the domain, % of each donor's spots", rows)


def change_sentence(change: Change, labels: Mapping[int, str]) -> str:
    """Describe a condition against the reference in a sentence."""
    pair = f"{change.condition} ({change.donors} donors) against {change.reference} ({change.donors_reference})"
    if change.log2_ratio != change.log2_ratio:
        text = f"{pair}: too few spots to compare its abundance."
    else:
        verdict = "differs" if change.significant else "does not differ detectably"
        interval = f"{change.low:.2f} to {change.high:.2f}"
        text = (
            f"{pair}: the abundance {verdict}: log2 ratio {change.log2_ratio:+.2f} (95% interval {interval}), "
            f"adjusted p {p_text(change.p_adjusted)}."
        ).replace("-", "−")
    if change.n_features:
        more = " and others" if change.n_features > len(change.features) else ""
        text += f" {change.n_features} features change in it: {', '.join(change.features)}{more}."
    if change.borders:
        text += f" Its border with domain {listing([labels.get(b, str(b)) for b in change.borders])} changes."
    return text


def name_table(one: Passport) -> ReportTable | None:
    """Tabulate the names that fit best; None without a panel."""
    if not one.names:
        return None
    rows: list[list[Any]] = [
        [
            n.name, "yes" if n.named else "no", round(n.score, 2), round(n.margin, 2), p_text(n.p),
            f"{n.measured} of {n.markers}", n.evidence,
        ]
        for n in one.names
    ]  # fmt: skip
    header = ["name", "given", "score", "lead", "p", "markers measured", "evidence"]
    return ReportTable("Names of the panel that fit best", header, rows, True)
