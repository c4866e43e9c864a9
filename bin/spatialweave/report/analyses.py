"""Charts of results of CHARACTERISE other than markers: distributions, graphs, trajectories, sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.result_tables import (
    ALL,
    BESIDE,
    DENOISED_AUC,
    DENOISED_CURVES,
    DISTRIBUTIONS,
    GRAPHS_JOINED,
    MARKERS,
    NAMES,
    SHARED_EDGES,
    STRUCTURE,
)
from spatialweave.passport.tables import domain_labels, read_table
from spatialweave.report.arc_plot import ArcPlot, arc_plot
from spatialweave.report.box_plot import Box, BoxPlot, Spread, box_plot
from spatialweave.report.denoised import DenoisedPart, denoised_part
from spatialweave.report.share_plot import SharePlot, share_plot
from spatialweave.report.text import decimals
from spatialweave.report.upset_plot import UpsetPlot, upset_plot
from spatialweave.results.titles import modality_title, run_title

if TYPE_CHECKING:
    import pandas as pd


GREY = "#8591a0"
"""Colour of domains whose colour is unknown."""

GRAPHS = {"embedding": "embedding", "spatial": "tissue"}
"""Titles of graphs that do not belong to a modality."""

TABLES = {
    "structure": STRUCTURE,
    "markers": MARKERS,
    "names": NAMES,
    "neighbours": BESIDE,
    "distributions": DISTRIBUTIONS,
    "shared_edges": SHARED_EDGES,
    "denoised_auc": DENOISED_AUC,
    "denoised_curves": DENOISED_CURVES,
}


@dataclass
class AnalysesPart:
    """Charts of one run; those without measurements are None or empty.

    Attributes
    ----------
    correlations
        Preservation of each modality's distances, by domain.
    values
        Values of the best marker of each domain, by modality.
    edges, edge_spots
        Edges that the neighbour graphs have in common, and the number of spots they come from.
    joined
        PAGA, in the order of pseudotime if there is one.
    timed
        Whether there is a pseudotime.
    """

    run: str
    title: str
    correlations: list[BoxPlot]
    values: list[tuple[str, list[BoxPlot]]]
    edges: UpsetPlot | None
    edge_spots: int
    joined: ArcPlot | None
    timed: bool
    shares: SharePlot | None
    denoised: DenoisedPart | None


def read_analyses(
    folder: Path | None, titles: Mapping[str, str], looks: Mapping[str, dict[str, Any]]
) -> AnalysesPart | None:
    """Read the analyses of the run shown first, the first that CHARACTERISE has; None if it has not run.

    Parameters
    ----------
    looks
        For each run the names and colours of its domains, as the page has them.

    Raises
    ------
    InputError
        When one of its files is damaged.
    """
    found = {name: read_table(folder, name, table) for name, table in TABLES.items()}
    structure = found["structure"]
    if structure is None or structure.empty:
        return None
    run = str(structure["run"].iloc[0])
    own = {name: table[table["run"] == run] for name, table in found.items() if table is not None}
    try:
        return _part(run, own, titles, looks.get(run))
    except (KeyError, ValueError, IndexError) as error:
        problem = f"do not fit together ({error})"
        raise InputError(
            f"{folder}/structure.csv and those beside it", problem, fix="run CHARACTERISE again"
        ) from error


def _part(
    run: str, tables: dict[str, pd.DataFrame], titles: Mapping[str, str], look: dict[str, Any] | None
) -> AnalysesPart:
    structure = tables["structure"]
    domains = sorted(int(domain) for domain in structure["domain"].unique())
    colour_of = dict(zip(look["names"], look["colours"], strict=True)) if look else {}
    colours = [colour_of.get(str(domain), GREY) for domain in domains]
    labels = domain_labels(domains, tables.get("names"))
    spread = tables.get("distributions")
    times = _pooled(structure, "pseudotime")
    return AnalysesPart(
        run,
        run_title(run, titles),
        [] if spread is None else _correlations(spread, labels),
        [] if spread is None or "markers" not in tables else _values(spread, tables["markers"], labels),
        _edges(tables.get("shared_edges")),
        int(tables["shared_edges"]["spots"].max()) if len(tables.get("shared_edges", ())) else 0,
        _joined(tables.get("neighbours"), domains, labels, colours, times),
        bool(times),
        _shares(structure, domains, labels, colours),
        denoised_part(tables.get("denoised_auc"), tables.get("denoised_curves"), labels, titles),
    )


def _pooled(structure: pd.DataFrame, statistic: str) -> dict[int, float]:
    own = structure[(structure["section"] == ALL) & (structure["statistic"] == statistic)]
    return dict(zip(own["domain"].astype(int), own["value"].astype(float), strict=True))


def _boxes(rows: pd.DataFrame, labels: Mapping[int, str]) -> list[Box]:
    return [
        Box(
            f"domain {labels[int(row['domain'])]}",
            Spread(*(float(row[name]) for name in Spread._fields)),
            int(row["spots"]),
        )
        for _, row in rows.sort_values("domain").iterrows()
    ]


def _correlations(spread: pd.DataFrame, labels: Mapping[int, str]) -> list[BoxPlot]:
    own = spread[spread["quantity"] == "distance_correlation"]
    axis = "Pearson correlation, −1 to 1"
    return [
        box_plot(modality_title(str(name)), axis, _boxes(rows, labels))
        for name, rows in own.groupby("modality", sort=False)
    ]


def _values(spread: pd.DataFrame, markers: pd.DataFrame, labels: Mapping[int, str]) -> list[tuple[str, list[BoxPlot]]]:
    """Return for each modality a plot of the best marker of each domain."""
    best = markers[(markers["section"] == ALL) & markers["marker"]].groupby(["modality", "domain"], sort=True).head(1)
    found: dict[str, dict[str, BoxPlot]] = {}
    values = spread[spread["quantity"] == "value"]
    for _, one in best.iterrows():
        rows = values[(values["modality"] == one["modality"]) & (values["feature"] == one["feature"])]
        if len(rows):
            plot = box_plot(
                f"{one['feature']}, marker of {labels[int(one['domain'])]}", rows["unit"].iloc[0], _boxes(rows, labels)
            )
            found.setdefault(str(one["modality"]), {}).setdefault(str(one["feature"]), plot)
    return [(modality_title(name), list(plots.values())) for name, plots in found.items()]


def _edges(table: pd.DataFrame | None) -> UpsetPlot | None:
    if table is None or table.empty:
        return None
    counts = {tuple(str(row["graphs"]).split(GRAPHS_JOINED)): int(row["edges"]) for _, row in table.iterrows()}
    names = list(dict.fromkeys(name for names in counts for name in names))
    names.sort(key=lambda name: (name in GRAPHS, name))
    sets = {name: GRAPHS.get(name, modality_title(name)) for name in names}
    return upset_plot("Edges that neighbour graphs have in common", "edges", sets, counts)


def _joined(
    table: pd.DataFrame | None,
    domains: list[int],
    labels: Mapping[int, str],
    colours: list[str],
    times: dict[int, float],
) -> ArcPlot | None:
    if table is None or not table["paga"].notna().any() or len(domains) < 2:
        return None
    paga = table.pivot_table(index="domain", columns="other", values="paga").reindex(index=domains, columns=domains)
    order = sorted(range(len(domains)), key=lambda at: (times.get(domains[at], np.inf), at))
    below = [decimals(times[domains[at]], digits=2) if domains[at] in times else "–" for at in order]
    return arc_plot(
        [labels[domains[at]] for at in order],
        [colours[at] for at in order],
        np.nan_to_num(paga.to_numpy())[np.ix_(order, order)],
        below if times else [""] * len(order),
    )


def _shares(
    structure: pd.DataFrame, domains: list[int], labels: Mapping[int, str], colours: list[str]
) -> SharePlot | None:
    own = structure[(structure["section"] != ALL) & (structure["statistic"] == "fraction")]
    if own["section"].nunique() < 2:
        return None
    wide = own.pivot_table(index="section", columns="domain", values="value", sort=False).reindex(columns=domains)
    fractions = {str(name): row.fillna(0).tolist() for name, row in wide.iterrows()}
    return share_plot(fractions, [labels[domain] for domain in domains], colours)
