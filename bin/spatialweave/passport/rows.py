"""Rows of the stages' tables for one domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spatialweave.io.result_tables import TESTED, names_in, of_domain
from spatialweave.passport.passport import (
    SIGNIFICANT,
    Change,
    Donor,
    Found,
    GeneSet,
    Marker,
    ModalityMarkers,
    NameScore,
    Neighbour,
)

if TYPE_CHECKING:
    import pandas as pd

TOP_MARKERS = 8
"""Number of markers per modality."""

TOP_SETS = 5
"""Number of gene sets per modality."""

TOP_NEIGHBOURS = 6
TOP_CLASSES = 5
"""Number of classes per known column."""

TOP_NAMES = 3
TOP_CHANGED = 5
"""Number of features listed that change in the domain between conditions."""


def markers_of(table: pd.DataFrame, domain: int) -> list[ModalityMarkers]:
    """Return the markers of a domain over all sections, by modality in the order of the table, best first."""
    pooled = table[table["section"] == "all"]
    own = pooled[pooled["domain"] == domain]
    return [_markers(str(name), own[own["modality"] == name]) for name in dict.fromkeys(pooled["modality"])]


def _markers(modality: str, rows: pd.DataFrame) -> ModalityMarkers:
    own = rows[rows["marker"]]
    best = [
        Marker(
            str(row["feature"]), float(row["log2_fold_change"]), float(row["auc"]), float(row["fraction_in"]),
            float(row["fraction_out"]), float(row["p_split_adjusted"]),
        )
        for row in own.head(TOP_MARKERS).to_dict("records")
    ]  # fmt: skip
    return ModalityMarkers(modality, best, len(own), untested(rows))


def untested(rows: pd.DataFrame) -> str:
    """Return why a domain's features could not be tested, from its rows of markers.csv in a modality; "" if they were.

    A domain in which no feature is higher has no rows, but was tested.
    """
    return next((str(test) for test in rows["test"] if test != TESTED), "")


def gene_sets_of(table: pd.DataFrame, domain: int) -> list[GeneSet]:
    """Return the significant gene sets of a domain, by modality."""
    own = table[(table["domain"] == domain) & (table["p_adjusted"] <= SIGNIFICANT)]
    best = own.groupby("modality", sort=False).head(TOP_SETS)
    return [
        GeneSet(
            str(row["modality"]), str(row["gene_set"]).replace("_", " "), int(row["overlap"]), int(row["set_size"]),
            float(row["enrichment"]), float(row["p_adjusted"]), ", ".join(names_in(str(row["genes"]))),
        )
        for row in best.to_dict("records")
    ]  # fmt: skip


def neighbours_of(table: pd.DataFrame, domain: int) -> list[Neighbour]:
    """Return the other domains at the border of a domain, those with the largest part of it first."""
    own = table[(table["domain"] == domain) & (table["other"] != domain) & (table["edges"] > 0)]
    best = own.sort_values("edges", ascending=False, kind="stable").head(TOP_NEIGHBOURS)
    return [
        Neighbour(int(row["other"]), float(row["fraction"]), float(row["expected"]), float(row["paga"]))
        for row in best.to_dict("records")
    ]


def classes_of(table: pd.DataFrame, domain: int, leave_out: set[str]) -> dict[str, list[tuple[str, int, float]]]:
    """Return, per known column, the most frequent classes of a domain's spots, with their number and fraction."""
    own = table[(table["domain"] == domain) & ~table["column"].isin(leave_out)]
    own = own.sort_values("spots", ascending=False, kind="stable")
    found: dict[str, list[tuple[str, int, float]]] = {}
    for row in own.to_dict("records"):
        classes = found.setdefault(str(row["column"]), [])
        if len(classes) < TOP_CLASSES:
            classes.append((str(row["class"]), int(row["spots"]), float(row["fraction"])))
    return found


def names_of(table: pd.DataFrame, domain: int) -> list[NameScore]:
    """Return the names of the panel that fit a domain best."""
    own = table[table["domain"] == domain].head(TOP_NAMES)
    columns = ["name", "named", "score", "margin", "p", "measured", "markers", "evidence"]
    return [NameScore(*row) for row in own[columns].itertuples(index=False)]


def changes_of(tables: dict[str, pd.DataFrame], domain: int) -> list[Change]:
    """Return the results of COHORT for a domain, by condition."""
    abundance = tables["abundance"]
    found = []
    for row in abundance[abundance["domain"] == domain].to_dict("records"):
        features = _significant(tables, "expression", domain, row["condition"])
        borders = _significant(tables, "neighbourhoods", domain, row["condition"])
        names = [] if features is None else [f"{r['feature']} ({r['modality']})" for r in features.to_dict("records")]
        found.append(
            Change(
                str(row["condition"]), str(row["reference"]), int(row["donors"]), int(row["donors_reference"]),
                float(row["fraction"]), float(row["fraction_reference"]), float(row["log2_ratio"]), float(row["low"]),
                float(row["high"]), float(row["p_adjusted"]),
                names[:TOP_CHANGED], len(names), [] if borders is None else [int(b) for b in borders["neighbour"]],
            )
        )  # fmt: skip
    return found


def _significant(tables: dict[str, pd.DataFrame], name: str, domain: int, condition: Any) -> pd.DataFrame | None:
    if name not in tables:
        return None
    table = tables[name]
    own = table[(table["domain"] == domain) & (table["condition"] == condition)]
    return own[own["p_adjusted"] < SIGNIFICANT].sort_values("p", kind="stable")


def found_by_modality(table: pd.DataFrame, run: str, domain: int) -> list[Found]:
    """Return how well the control finds a domain, first with all modalities, then without each; empty if unknown."""
    own = table[(table["of"] == of_domain(run, domain)) & table["statistic"].isin(["run_found", "run_found_without"])]
    rows = [
        Found(
            None if row["statistic"] == "run_found" else str(row["modality"]),
            float(row["value"]), float(row["low"]), float(row["high"]),
        )
        for row in own.to_dict("records")
    ]  # fmt: skip
    return sorted(rows, key=lambda one: one.without is not None)


def donors_of(table: pd.DataFrame, domain: int) -> list[Donor]:
    """Return the donors with the domain's spots, by condition."""
    own = table[table["domain"] == domain].sort_values(["condition", "donor"], kind="stable")
    return [
        Donor(str(row["donor"]), str(row["condition"]), int(row["spots"]), float(row["fraction"]))
        for row in own.to_dict("records")
    ]
