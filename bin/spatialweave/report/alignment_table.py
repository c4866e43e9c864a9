"""Metrics of an alignment as a table: their meaning, good values, and the values of nearest pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialweave.comparison.scores import Score
from spatialweave.io.result_tables import NEAREST
from spatialweave.report.tables import ReportTable

if TYPE_CHECKING:
    import pandas as pd

SHOWN_METRICS = {
    "matched_smaller": (
        "Fraction matched",
        True,
        "Spots of the smaller section with an accepted partner in the other. Above 0.5 is good where the sections show "
        "the same tissue; read it with the agreement below: many wrong partners are of no use.",
    ),
    "label_agreement": (
        "Same label",
        True,
        "Fraction of accepted pairs whose spots carry the same label. It should not be below that of nearest pairs.",
    ),
    "residual_median": (
        "Distance of partners",
        None,
        "Median distance of accepted partners after the alignment, in spot spacings. Up to about 1 they overlap; "
        "near the search radius the position is hardly constrained.",
    ),
    "near_truth": (
        "Near the truth",
        True,
        "Fraction of accepted pairs whose true coordinates are within 1.5 spot spacings.",
    ),
    "matchable_accepted_b": (
        "Found",
        True,
        "Fraction of the second section's spots with a counterpart that were accepted.",
    ),
    "unmatchable_accepted_a": (
        "Wrongly accepted",
        False,
        "Fraction of the first section's spots without a counterpart that were accepted, as where the second is cut.",
    ),
    "registration_error": (
        "Registration error",
        None,
        "Mean distance of the second section's spots from their true coordinates, in spot spacings; the same for all.",
    ),
    "more_alike_here": (
        "More alike here",
        True,
        "Fraction of spots more similar to the best spot of the other section at their place than to one elsewhere; "
        "0.5 by chance, as where sections are aligned wrongly.",
    ),
    "mapping_mapped": (
        "Fraction mapped",
        True,
        "Fraction of the mapped section's spots that are more similar to their match than unrelated spots are.",
    ),
    "mapping_label_agreement": (
        "Same label, mapped",
        True,
        "Fraction of mapped spots whose match carries the same label.",
    ),
}
"""Metrics shown: title, whether higher is better (None = no direction), help. The files hold all metrics."""


@dataclass
class PairScores:
    """One metric of one pair of sections.

    Attributes
    ----------
    scores, nearest
        One per method of the table; None = unknown.
    """

    pair: str
    scores: list[Score | None]
    nearest: list[Score | None]


@dataclass
class AlignmentMetric:
    """One metric over all pairs of sections."""

    title: str
    higher: bool | None
    help: str
    rows: list[PairScores]


def metric_rows(metrics: pd.DataFrame | None) -> tuple[list[str], list[AlignmentMetric]]:
    """Return the columns (methods, by name) and the rows of the table of metrics."""
    if metrics is None or metrics.empty:
        return [], []
    methods = sorted(metrics["method"].unique())
    found = set(metrics["metric"])
    result = []
    for name, (title, higher, text) in SHOWN_METRICS.items():
        if name not in found:
            continue
        rows = metrics[metrics["metric"] == name]
        nearest = metrics[metrics["metric"] == NEAREST + name]
        pairs = [
            PairScores(f"{a} → {b}", _scores(rows, (a, b), methods, higher), _scores(nearest, (a, b), methods, None))
            for a, b in dict.fromkeys(zip(rows["section_a"], rows["section_b"], strict=True))
        ]
        result.append(AlignmentMetric(title, higher, text, pairs))
    return methods, result


def _scores(rows: pd.DataFrame, pair: tuple[str, str], methods: list[str], higher: bool | None) -> list[Score | None]:
    """Return the mean and standard deviation over seeds per method, with the best mean marked."""
    own = rows[(rows["section_a"] == pair[0]) & (rows["section_b"] == pair[1])]
    result: list[Score | None] = []
    for method in methods:
        values = own.loc[own["method"] == method, "value"].dropna()
        result.append(Score(float(values.mean()), float(values.std()), len(values)) if len(values) else None)
    means = [score.mean for score in result if score]
    if higher is not None and len(means) > 1:
        target = max(means) if higher else min(means)
        for score in result:
            if score:
                score.best = score.mean == target
    return result


TRANSFORM_HEADER = {
    "section": "section",
    "method": "method",
    "angle": "turned, degrees",
    "shift_x": "shift in x",
    "shift_y": "shift in y",
    "scale": "scale",
    "reflected": "reflected",
    "score": "score",
    "settled": "settled",
    "confidence": "confidence",
}
"""Columns shown in the table of transforms, with their titles."""


def transforms_table(transforms: pd.DataFrame | None) -> ReportTable | None:
    """Return the transform of each section to the aligned coordinates, ready for the template."""
    if transforms is None:
        return None
    words = {name: transforms[name].map({True: "yes", False: "no"}) for name in ("reflected", "settled")}
    # Nothing was compared for the first section, nor with `none` and `fgw`.
    words["settled"] = words["settled"].where(transforms["confidence"].notna(), "")
    shown = transforms[list(TRANSFORM_HEADER)].assign(**words)
    rows = shown.astype(object).to_numpy().tolist()
    title = "How each section was transformed to the coordinates of the first"
    if not transforms["settled"].all():
        title += "; where this is not settled, another transform is about as good: look at the overlay"
    return ReportTable(title, list(TRANSFORM_HEADER.values()), rows)
