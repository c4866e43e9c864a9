"""Passports of domains in a dataset's report: values for the template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spatialweave.characterise.along_lines import ALONG, MANY
from spatialweave.domains.palette import ink_on
from spatialweave.passport.passport import Passport
from spatialweave.passport.words import certainty_sentence, need_sentence, seen_sentence
from spatialweave.prose import listing
from spatialweave.report.passport_charts import Distribution, Dots, distribution
from spatialweave.report.passport_tables import (
    MarkerTable,
    change_sentence,
    class_tables,
    donor_chart,
    gene_set_table,
    marker_table,
    name_table,
    need_chart,
    neighbour_table,
    section_table,
    seen_chart,
    seen_table,
)
from spatialweave.report.tables import ReportTable
from spatialweave.report.text import number
from spatialweave.results.titles import modality_title

FACTS = {
    "area": "Area",
    "border": "Border with other domains",
    "pieces": "Pieces",
    "roundness": "Roundness",
    ALONG: "Along the grid",
    "found_again": "Found again",
}
"""Statistics of structure.csv at the top of a passport."""

FROM = {ALONG: MANY}
"""Statistics that are shown only from a certain value on."""

HELP = {
    "pieces": "unconnected parts",
    "roundness": "1 for a disc, lower for ragged shapes",
    ALONG: "fraction of its spots in single rows or columns: probably not tissue",
    "found_again": "Jaccard index with the domain found in a third of the spots",
}


@dataclass
class Fact:
    """Number at the top of a passport: its title, its value, and its unit or meaning."""

    title: str
    value: str
    note: str


@dataclass
class PassportPage:
    """Passport for templates/parts/passports.html."""

    fragment: str
    passport: Passport
    swatch: str
    facts: list[Fact]
    sure: Distribution | None
    sure_text: str
    seen: Dots | None
    seen_text: str
    alone: bool
    seen_table: ReportTable | None
    markers: list[MarkerTable]
    gene_sets: ReportTable | None
    neighbours: ReportTable | None
    sections: ReportTable | None
    classes: list[ReportTable]
    donors: Dots | None
    changes: list[str]
    needs: Dots | None
    needs_text: str
    weights: str
    names: ReportTable | None


def fragment(run: str, number: int, first: str) -> str:
    """Return the part after # in the address of a passport."""
    return f"domain-{number}" if run == first else f"{run}/domain-{number}"


def passport_pages(
    found: Mapping[str, Sequence[Passport]], titles: Mapping[str, str], looks: Mapping[str, Mapping[str, Any]]
) -> list[PassportPage]:
    """Return the pages of all passports; the run shown first comes first.

    Parameters
    ----------
    looks
        For each run id the page's classes of its domains (:func:`spatialweave.report.page_data.packed`).
    """
    first = next(iter(found), "")
    return [
        _page(
            one,
            fragment(run, one.number, first),
            _swatch(looks[run], one),
            {p.number: p.label for p in own},
            titles,
        )
        for run, own in found.items()
        for one in own
    ]


def best_markers(found: Mapping[str, Sequence[Passport]]) -> list[tuple[str, str]]:
    """Return modality and name of the best marker of each domain in each modality; the first run's domains first."""
    markers = [marker for own in found.values() for one in own for marker in one.markers]
    return [(marker.modality, marker.best[0].feature) for marker in markers if marker.best]


def passport_links(pages: Sequence[PassportPage]) -> dict[str, dict[str, str]]:
    """Return the fragments of passports by run id, and by the number and the label of a domain."""
    links: dict[str, dict[str, str]] = {}
    for page in pages:
        own = links.setdefault(page.passport.run, {})
        own[str(page.passport.number)] = own[page.passport.label] = page.fragment
    return links


def _page(
    one: Passport, address: str, swatch: str, labels: Mapping[int, str], titles: Mapping[str, str]
) -> PassportPage:
    seen_text, alone = seen_sentence(one, titles)
    return PassportPage(
        fragment=address,
        passport=one,
        swatch=swatch,
        facts=list(_facts(one)),
        sure=distribution(
            f"Distribution of the {one.certainty_is} over the spots of domain {one.number}",
            f"{one.certainty_is}, 0 to 1; height: % of the domain's spots",
            one.certainty.counts,
        )
        if one.certainty
        else None,
        sure_text=certainty_sentence(one, labels),
        seen=seen_chart(one, titles),
        seen_text=seen_text,
        alone=alone,
        seen_table=seen_table(one, titles),
        markers=[marker_table(found) for found in one.markers],
        gene_sets=gene_set_table(one),
        neighbours=neighbour_table(one, labels),
        sections=section_table(one),
        classes=class_tables(one),
        donors=donor_chart(one.donors),
        changes=[change_sentence(change, labels) for change in one.changes],
        needs=need_chart(one),
        needs_text=need_sentence(one),
        weights=listing([f"{modality_title(name)} {value:.2f}" for name, value in one.modality_weights.items()]),
        names=name_table(one),
    )


def _swatch(classes: Mapping[str, Any], one: Passport) -> str:
    """Return the CSS of a domain's colour and stripes, as static/colours.js has them."""
    code = classes["names"].index(str(one.number))
    colour, stripes = classes["colours"][code], classes["stripes"][code]
    if not stripes:
        return f"background:{colour}"
    angle = 135 if stripes == 1 else 45
    return f"background:repeating-linear-gradient({angle}deg,{ink_on(colour)} 0 1.4px,{colour} 1.4px 4px)"


def _facts(one: Passport) -> list[Fact]:
    facts = [Fact("Spots", number(one.n_spots), f"{100 * one.fraction:.1f}% of all")]
    if one.certainty:
        note = f"mean; {100 * one.certainty.doubtful:.0f}% of the spots below 0.5"
        facts.append(Fact(one.certainty_is.capitalize(), f"{one.certainty.mean:.2f}", note))
    for name, title in FACTS.items():
        value = one.structure.get(name)
        if value is not None and value >= FROM.get(name, -math.inf):
            unit = one.units.get(name, "")
            of_sections = ", mean of the sections" * (name == "pieces" and len(one.sections) > 1)
            facts.append(Fact(title, number(value), HELP.get(name, unit) + of_sections))
    return facts
