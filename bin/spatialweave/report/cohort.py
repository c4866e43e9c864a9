"""Page of a cohort: differences between conditions, over donors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.cohort.dataset import LEVEL, Comparison
from spatialweave.report.interval_plot import Estimate, IntervalPlot, interval_plot
from spatialweave.report.render import render
from spatialweave.report.tables import ReportTable

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 20
"""Maximal number of rows in a table of the page; the CSV files have all."""


def write_cohort_page(found: Comparison, target: Path) -> None:
    """Write the page as one HTML file without external resources."""
    conditions = list(dict.fromkeys(found.abundance["condition"]))
    donors = found.samples.drop_duplicates(["donor", "condition"])
    render(
        "cohort.html",
        target,
        ["sort.js", "paper.js"],
        dataset=found.dataset,
        run=found.run,
        reference=found.reference,
        pairing=found.pairing,
        few=found.few,
        level=LEVEL,
        donors=donors.groupby("condition", sort=False)["donor"].nunique().to_dict(),
        line=found.line(),
        plots=[(condition, abundance_plot(found.abundance, condition)) for condition in conditions],
        fractions=fraction_table(found.samples),
        neighbourhoods=changed_table(
            found.neighbourhoods, "Borders that changed", ["domain", "neighbour", "condition"], "log2_odds_ratio"
        ),
        expression=changed_table(
            found.expression,
            "Features that changed in a domain",
            ["modality", "domain", "feature", "condition"],
            "log2_fold_change",
        ),
    )


def abundance_plot(abundance: pd.DataFrame, condition: str) -> IntervalPlot | None:
    """Plot the log2 ratio of every domain with its interval; filled if it differs at the level."""
    rows = abundance[(abundance["condition"] == condition) & abundance["low"].notna()].sort_values("domain")
    estimates = [
        Estimate(
            f"domain {row['domain']}", row["log2_ratio"], row["low"], row["high"], faint=not row["p_adjusted"] < LEVEL
        )
        for row in rows.to_dict("records")
    ]
    return interval_plot(f"Abundance under {condition}", "log2 ratio of abundances", estimates, "", line=0.0)


def fraction_table(samples: pd.DataFrame) -> ReportTable:
    """Tabulate the fraction of each domain in each sample, in percent."""
    wide = samples.pivot(index=["condition", "donor"], columns="domain", values="fraction")
    cells = [[f"{100 * value:.1f}" for value in row] for row in wide.to_numpy()]
    rows = [[*names, *row] for names, row in zip(wide.index, cells, strict=True)]
    return ReportTable("Spots of each domain, % of the sample", ["condition", "donor", *map(str, wide.columns)], rows)


def changed_table(table: pd.DataFrame, caption: str, names: list[str], effect: str) -> ReportTable | None:
    """Return the rows that differ at the level, by increasing p-value; None if there are none."""
    found = table[table["p_adjusted"] < LEVEL].sort_values("p")
    if not len(found):
        return None
    shown = found.head(MOST_ROWS)
    more = f" (the first {MOST_ROWS} of {len(found)})" if len(found) > MOST_ROWS else ""
    header = [*names, effect.replace("_", " "), "95% interval", "adjusted p"]
    return ReportTable(caption + more, header, [_cells(row, names, effect) for row in shown.to_dict("records")])


def _cells(row: Mapping[Hashable, Any], names: list[str], effect: str) -> list[Any]:
    interval = f"{row['low']:.2f} to {row['high']:.2f}".replace("-", "−")
    return [*(str(row[name]) for name in names), f"{row[effect]:.2f}", interval, f"{row['p_adjusted']:.2g}"]
