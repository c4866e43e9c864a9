"""Denoised markers against measured ones: a table of areas, and curves domain by domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialweave.domains.palette import line_colour
from spatialweave.report.curve_plot import CurvePlot, curve_plot
from spatialweave.report.tables import ReportTable
from spatialweave.report.text import decimals
from spatialweave.results.titles import modality_title, run_title

if TYPE_CHECKING:
    import pandas as pd

TRUTHS = ("label", "held out", "domain")
"""Truths that spots are compared by, best evidence first; the first available one is drawn."""

MEASURED = "var(--ink, #1b2430)"


@dataclass
class DenoisedPart:
    """Comparison of denoised markers.

    Attributes
    ----------
    truth
        Truth that the curves use.
    better, compared
        Number of comparisons by it in which the denoised markers are better, and of all.
    keys
        Name, colour and whether it is dashed, for each kind of curve.
    plots
        For each modality ROC curves, and purity against coverage.
    """

    truth: str
    better: int
    compared: int
    table: ReportTable
    keys: list[tuple[str, str, bool]]
    plots: list[tuple[str, list[CurvePlot], list[CurvePlot]]]


def denoised_part(
    areas: pd.DataFrame | None,
    curves: pd.DataFrame | None,
    labels: Mapping[int, str],
    titles: Mapping[str, str],
) -> DenoisedPart | None:
    """Return the table and the curves; None if no run denoises."""
    if areas is None or curves is None or areas.empty:
        return None
    truth = next(one for one in TRUTHS if (areas["truth"] == one).any())
    runs = list(dict.fromkeys(areas["denoised_by"]))
    names = {run: run_title(run, titles) for run in runs}
    together = areas[areas["feature"] == "all"]
    shown = together[together["truth"] == truth]
    header = ["domain", "modality", "denoised by", "markers"]
    header += [f"{kind}: {by}" for by in TRUTHS if (areas["truth"] == by).any() for kind in ("measured", "denoised")]
    own = curves[curves["truth"] == truth]
    return DenoisedPart(
        truth,
        int((shown["auc_denoised"] > shown["auc_measured"]).sum()),
        len(shown),
        ReportTable("Area under the ROC curve: 0.5 is chance, 1 perfect", header, _rows(areas, labels, names), True),
        [("measured", MEASURED, True), *((names[run], line_colour(at), False) for at, run in enumerate(runs))],
        [
            (
                modality_title(str(name)),
                *_plots(rows, labels, {run: (names[run], line_colour(at)) for at, run in enumerate(runs)}),
            )
            for name, rows in own.groupby("modality", sort=False)
        ],
    )


def _rows(areas: pd.DataFrame, labels: Mapping[int, str], names: Mapping[str, str]) -> list[list[str]]:
    there = [one for one in TRUTHS if (areas["truth"] == one).any()]
    rows = []
    for (domain, name, run), own in areas.groupby(["domain", "modality", "denoised_by"], sort=False):
        of_all = own[own["feature"] == "all"].set_index("truth")
        cells = [decimals(of_all[f"auc_{kind}"].get(by)) for by in there for kind in ("measured", "denoised")]
        markers = ", ".join(dict.fromkeys(own.loc[own["feature"] != "all", "feature"]))
        rows.append(
            [labels.get(int(str(domain)), str(domain)), modality_title(str(name)), names[str(run)], markers, *cells]
        )
    return rows


def _plots(
    rows: pd.DataFrame, labels: Mapping[int, str], runs: Mapping[str, tuple[str, str]]
) -> tuple[list[CurvePlot], list[CurvePlot]]:
    """Return the ROC curves by domain, and purity against coverage."""
    roc, purity = [], []
    for domain, own in rows.groupby("domain", sort=True):
        lines: list[tuple[str, str, bool, pd.DataFrame]] = []
        for run, (name, shade) in runs.items():
            part = own[own["denoised_by"] == run]
            measured = part[part["values"] == "measured"]
            # Measured values are the same for all runs, except for the markers that a recipe kept.
            if len(measured) and not any(dashed for _, _, dashed, _ in lines):
                lines.append(("measured", MEASURED, True, measured))
            if len(part):
                lines.append((name, shade, False, part[part["values"] == "denoised"]))
        title = f"domain {labels.get(int(str(domain)), domain)}"
        of_roc = [(n, c, d, [(0.0, 0.0), *zip(t["outside"], t["purity"], strict=True)]) for n, c, d, t in lines]
        of_purity = [(n, c, d, list(zip(t["coverage"], t["purity"], strict=True))) for n, c, d, t in lines]
        roc.append(curve_plot(title, ("false positives", "true positives"), of_roc, [(0, 0), (1, 1)]))
        purity.append(curve_plot(title, ("coverage", "purity"), of_purity))
    return roc, purity
