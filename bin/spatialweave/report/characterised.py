"""Domains in a dataset's report: a row per domain, its names and gene sets, and dot plots of markers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.characterise.along_lines import ALONG, MANY
from spatialweave.domains.matching import FOUND_AGAIN
from spatialweave.errors import InputError
from spatialweave.io.result_table import ResultTable
from spatialweave.io.result_tables import ALL, BESIDE, GENE_SETS, MARKERS, NAMES, PROFILES, STRUCTURE, names_in
from spatialweave.passport.rows import neighbours_of, untested
from spatialweave.passport.tables import domain_labels, read_table
from spatialweave.report.dot_plot import DotPlot, dot_plot
from spatialweave.report.heat_plot import HeatPlot, heat_plot
from spatialweave.report.tables import ReportTable
from spatialweave.report.text import number, words
from spatialweave.results.titles import modality_title, run_title

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


TOP = 3
"""Number of markers per domain and modality in the table and in the dot plots."""

TOP_HEAT = 5
"""Number of markers per domain and modality in the heat maps."""

BESIDE_SHOWN = 2
"""Number of neighbouring domains named per domain."""

TOP_SETS = 3
"""Number of gene sets per domain and modality."""

WEIGHT = "weight_"
"""Prefix of the statistics of modality weights."""

SIGNIFICANT = 0.05

TABLES: dict[str, ResultTable] = {
    "markers": MARKERS,
    "profiles": PROFILES,
    "structure": STRUCTURE,
    "neighbours": BESIDE,
    "names": NAMES,
    "gene_sets": GENE_SETS,
}


@dataclass
class CharacterisedPart:
    """Characterisation of the domains of one run.

    Attributes
    ----------
    run
        Id of the run.
    names
        Candidate names of each domain with their scores; None without a panel.
    gene_sets
        Gene sets of each domain; None if there are none.
    named, unknown
        Number of domains that have a name, and of domains that are not found again.
    along_lines
        Domains that lie along rows or columns of the grid.
    """

    run: str
    title: str
    domains: ReportTable
    shapes: ReportTable
    plots: list[DotPlot]
    heat_maps: list[HeatPlot]
    names: ReportTable | None
    gene_sets: ReportTable | None
    named: int
    n_domains: int
    unknown: int
    along_lines: list[str]


def read_characterised(folder: Path | None, titles: dict[str, str]) -> CharacterisedPart | None:
    """Read the results of the run shown first, the first that CHARACTERISE has; None if it has not run.

    Raises
    ------
    InputError
        When one of its files is damaged or missing.
    """
    tables = {name: read_table(folder, name, table) for name, table in TABLES.items()}
    if tables["structure"] is None or folder is None:
        return None
    missing = [name for name in ("markers", "profiles", "neighbours") if tables[name] is None]
    if missing:
        found = "does not exist, and structure.csv does"
        raise InputError(str(folder / f"{missing[0]}.csv"), found, fix="run CHARACTERISE again")
    run = tables["structure"]["run"].iloc[0] if len(tables["structure"]) else ""
    own = {name: table[table["run"] == run] for name, table in tables.items() if table is not None}
    try:
        return _part(str(run), own, titles) if run else None
    except (KeyError, ValueError, IndexError) as error:
        found = f"do not fit together ({error})"
        raise InputError(
            str(folder / "structure.csv") + " and those beside it", found, fix="run CHARACTERISE again"
        ) from error


def _part(run: str, tables: dict[str, pd.DataFrame], titles: dict[str, str]) -> CharacterisedPart:
    structure = tables["structure"]
    pooled = structure[structure["section"] == ALL].pivot_table(index="domain", columns="statistic", values="value")
    sections = [name for name in structure["section"].unique() if name != ALL]
    names = tables.get("names")
    labels = domain_labels((int(domain) for domain in pooled.index), names)
    markers = tables["markers"]
    pooled_rows = markers[markers["section"] == ALL]
    pooled_markers = pooled_rows[pooled_rows["marker"]]
    modalities = list(dict.fromkeys(tables["profiles"]["modality"]))
    optional = {"sections": "sections", "confidence": "confidence", "found_again": "found again"}
    shown = [name for name in optional if name in pooled and (name != "sections" or len(sections) > 1)]
    header = ["domain", "spots", "of all, %", *(optional[name] for name in shown)]
    header += [f"markers: {modality_title(name)}" for name in modalities] + ["beside"]
    rows = []
    for domain, row in pooled.iterrows():
        cells: list[Any] = [labels[int(str(domain))], int(row["spots"]), _short(100 * row["fraction"])]
        cells += [_short(row.get(name)) for name in shown]
        own = pooled_rows[pooled_rows["domain"] == domain]
        cells += [_best(own[own["modality"] == name]) for name in modalities]
        cells.append(_beside(tables["neighbours"], int(str(domain)), labels))
        rows.append(cells)
    found_again = pooled["found_again"] if "found_again" in pooled else pooled["spots"] * 0
    return CharacterisedPart(
        run,
        run_title(run, titles),
        ReportTable("The domains, largest first", header, rows),
        _shapes_table(pooled, dict(zip(structure["statistic"], structure["unit"], strict=True)), labels),
        [plot for name in modalities if (plot := _dot_plot(name, pooled_markers, tables["profiles"], labels))],
        [heat for name in modalities if (heat := _heat_plot(name, pooled_markers, tables["profiles"], labels))],
        _names_table(names),
        _sets_table(tables.get("gene_sets"), labels),
        0 if names is None else int(names["named"].sum()),
        len(pooled),
        int((found_again < FOUND_AGAIN).sum()),
        [labels[int(str(domain))] for domain in pooled.index[pooled[ALONG] >= MANY]] if ALONG in pooled else [],
    )


def _best(rows: pd.DataFrame) -> str:
    """Return the best markers of a domain in a modality, or that it could not be tested."""
    return "not tested" if untested(rows) else ", ".join(rows[rows["marker"]]["feature"].head(TOP))


def _beside(neighbours: pd.DataFrame, domain: int, labels: Mapping[int, str]) -> str:
    """List the domains at the border of a domain, with their percentage of it."""
    best = neighbours_of(neighbours, domain)[:BESIDE_SHOWN]
    return ", ".join(f"{labels[beside.domain]} ({100 * beside.fraction:.0f}%)" for beside in best)


def _shapes_table(pooled: pd.DataFrame, units: dict[str, str], labels: Mapping[int, str]) -> ReportTable:
    """Tabulate the size and shape of every domain, and further statistics of its spots."""
    known = ("area", "border", "pieces", "largest_piece", "roundness", ALONG)
    shown = [name for name in known if name in pooled] + [name for name in pooled if str(name).startswith(WEIGHT)]
    header = ["domain"]
    for name in map(str, shown):
        title = f"weight of {modality_title(name.removeprefix(WEIGHT))}" if name.startswith(WEIGHT) else words(name)
        unit = units.get(name, "")
        header.append(f"{title}, {unit}" if unit and unit != name else title)
    rows = [[labels[int(str(domain))], *map(_short, row.reindex(shown))] for domain, row in pooled.iterrows()]
    return ReportTable("Size and shape", header, rows)


def _best_profiles(
    name: str, markers: pd.DataFrame, profiles: pd.DataFrame, labels: Mapping[int, str], top: int
) -> tuple[list[str], list[str], np.ndarray, np.ndarray] | None:
    """Return the best markers of each domain, all domains, and the means and fractions in these; None if none."""
    own = markers[markers["modality"] == name]
    best = own.groupby("domain", sort=True).head(top)
    best = best.sort_values("domain", kind="stable").drop_duplicates("feature")
    profile = profiles[profiles["modality"] == name]
    values = profile.pivot_table(index="feature", columns="domain", values=["mean", "fraction"])
    features = [feature for feature in best["feature"] if feature in values.index]
    if not features:
        return None
    mean, fraction = values["mean"].loc[features], values["fraction"].loc[features]
    return features, [labels[int(domain)] for domain in mean.columns], mean.to_numpy(), fraction.to_numpy()


def _dot_plot(name: str, markers: pd.DataFrame, profiles: pd.DataFrame, labels: Mapping[int, str]) -> DotPlot | None:
    found = _best_profiles(name, markers, profiles, labels, TOP)
    return None if found is None else dot_plot(modality_title(name), *found)


def _heat_plot(name: str, markers: pd.DataFrame, profiles: pd.DataFrame, labels: Mapping[int, str]) -> HeatPlot | None:
    found = _best_profiles(name, markers, profiles, labels, TOP_HEAT)
    return None if found is None else heat_plot(modality_title(name), *found[:3])


def _names_table(names: pd.DataFrame | None) -> ReportTable | None:
    if names is None or names.empty:
        return None
    best = names.groupby("domain", sort=True).head(1)
    rows = [
        [
            row["domain"], row["name"], "yes" if row["named"] else "no", _short(row["score"]), _short(row["margin"]),
            _short(row["p"]), f"{row['measured']} of {row['markers']}", row["evidence"],
        ]
        for _, row in best.iterrows()
    ]  # fmt: skip
    header = ["domain", "best name", "given", "score", "margin", "p", "markers measured", "evidence"]
    return ReportTable("Names from the panel of markers", header, rows)


def _sets_table(sets: pd.DataFrame | None, labels: Mapping[int, str]) -> ReportTable | None:
    if sets is None:
        return None
    best = sets[sets["p_adjusted"] <= SIGNIFICANT].groupby(["domain", "modality"], sort=True).head(TOP_SETS)
    rows = [
        [
            labels[int(row["domain"])], modality_title(row["modality"]), row["gene_set"].replace("_", " "),
            f"{row['overlap']} of {row['set_size']}", _short(row["enrichment"]), _short(row["p_adjusted"]),
            ", ".join(names_in(str(row["genes"]))[:8]),
        ]
        for _, row in best.iterrows()
    ]  # fmt: skip
    header = ["domain", "modality", "gene set", "in common", "enrichment", "p, adjusted", "features in common"]
    return ReportTable("Gene sets enriched among the markers", header, rows)


def _short(value: Any) -> str:
    return "" if value is None or value != value else number(float(value))
