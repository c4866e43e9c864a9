"""The figures of an alignment as a table: what they mean, what a good value is, and the control beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialweave.metrics.match_sections import CONTROL
from spatialweave.report.alignment import TRANSFORM_COLUMNS
from spatialweave.report.scores import Score
from spatialweave.report.tables import Table

if TYPE_CHECKING:
    import pandas as pd

METRICS = {
    "matched_smaller": (
        "Share matched",
        True,
        "Spots of the smaller section with an accepted partner in the other. Above 0.5 is good where the sections show "
        "the same tissue; read it with the agreement below: many partners are worth nothing when they are wrong.",
    ),
    "label_agreement": (
        "Same label",
        True,
        "Accepted pairs whose two spots carry the same label; 1 is perfect. It must not lie below its control.",
    ),
    "residual_median": (
        "Distance of partners",
        None,
        "Median distance of accepted partners after the alignment, in spot spacings. Up to about 1 they lie on each "
        "other; near the search radius the place says little.",
    ),
    "near_truth": ("Near the truth", True, "Accepted pairs whose true places lie within 1.5 spot spacings."),
    "matchable_accepted_b": (
        "Found",
        True,
        "Accepted spots of the second section, of those with a counterpart.",
    ),
    "unmatchable_accepted_a": (
        "Wrongly accepted",
        False,
        "Accepted spots of the first section, among those that have no counterpart, as where the second is cut.",
    ),
    "registration_error": (
        "Registration error",
        None,
        "Mean distance of the second section's spots from where they belong, in spot spacings; one for all methods.",
    ),
    "mapping_matched_a": (
        "Share mapped",
        True,
        "Spots of the first section that are more like a place of the second than unrelated spots are.",
    ),
    "mapping_label_agreement": ("Same label, mapped", True, "Mapped spots whose place carries the same label."),
}
"""The figures that are shown: title, whether more is better (None = no direction), help. The rest is in the files."""


@dataclass
class QualityRow:
    """One figure of one pair of sections.

    Attributes
    ----------
    scores, controls
        One per method of the table; None = not known.
    """

    pair: str
    scores: list[Score | None]
    controls: list[Score | None]


@dataclass
class QualityMetric:
    """One figure over all pairs of sections."""

    title: str
    higher: bool | None
    help: str
    rows: list[QualityRow]


def quality_metrics(quality: pd.DataFrame | None) -> tuple[list[str], list[QualityMetric]]:
    """The table of figures: its columns (methods, by name) and its rows."""
    if quality is None or quality.empty:
        return [], []
    methods = sorted(quality["method"].unique())
    found = set(quality["metric"])
    result = []
    for name, (title, higher, text) in METRICS.items():
        if name not in found:
            continue
        rows = quality[quality["metric"] == name]
        controls = quality[quality["metric"] == CONTROL + name]
        pairs = [
            QualityRow(f"{a} → {b}", _scores(rows, (a, b), methods, higher), _scores(controls, (a, b), methods, None))
            for a, b in dict.fromkeys(zip(rows["section_a"], rows["section_b"], strict=True))
        ]
        result.append(QualityMetric(title, higher, text, pairs))
    return methods, result


def _scores(rows: pd.DataFrame, pair: tuple[str, str], methods: list[str], higher: bool | None) -> list[Score | None]:
    """Mean and standard deviation over seeds per method; the best mean is marked."""
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


def transforms_table(transforms: pd.DataFrame | None) -> Table | None:
    """How each section was laid on the first, ready for the template."""
    if transforms is None:
        return None
    header = {"angle": "turned, degrees", "shift_x": "shift in x", "shift_y": "shift in y", "score": "score"}
    names = [header.get(name, name) for name in TRANSFORM_COLUMNS]
    shown = transforms[list(TRANSFORM_COLUMNS)].replace({"True": "yes", "False": "no"})
    return Table("How each section was brought into the frame of the first", names, shown.to_numpy().tolist())
