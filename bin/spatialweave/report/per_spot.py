"""Per-spot outputs of methods, for the maps: weights, probabilities, and reconstructed features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.io.loadings import column_name
from spatialweave.report.encode import pack
from spatialweave.report.features import quantise, quantise_between
from spatialweave.report.text import words
from spatialweave.results.runs import MethodRun
from spatialweave.results.titles import modality_title
from spatialweave.results.values import FeatureTable

if TYPE_CHECKING:
    import pandas as pd

MAX_COLUMNS = 12
"""Number of columns of weights and probabilities drawn per run."""

MAX_DENOISED = 6
"""Number of denoised features drawn per run and modality."""

MAX_VALUES = 300_000
"""Number of spots x runs beyond which fewer runs are drawn: with 24 columns each, about 7 MB of the page."""

NAMES = {
    "reference": lambda column: {
        "unlikeness": "How unlike the reference",
        "probability": "Probability of the domain",
    }.get(column, words(column)),
    "confidence": lambda column: column.capitalize(),
    "support": lambda column: f"Support for domain {column}",
    "modality_weights": lambda column: f"Weight of {modality_title(column)}",
    "view_weights": lambda column: f"Weight of view {column}",
    "cluster_probabilities": lambda column: f"Probability of cluster {column}",
    "attention": lambda column: f"Attention to {column}",
}
"""Titles of the columns of tables that methods have in common, in the order of the menu."""

UNITS: dict[str, str | dict[str, str]] = {
    "reference": {
        "unlikeness": "fraction of the reference's spots that are nearer to it, 0 to 1",
        "probability": "probability, 0 to 1",
    },
    "confidence": {
        "confidence": "mean support of the runs, 0 to 1",
        "agreement": "fraction of the runs that place the spot in its domain, 0 to 1",
        "entropy": "entropy of the support for all domains, 0 (one domain) to 1 (equal support)",
    },
    "support": "fraction of the runs' support, 0 to 1",
    "modality_weights": "fraction of the embedding, 0 to 1",
    "view_weights": "fraction of the embedding, 0 to 1",
    "cluster_probabilities": "probability, 0 to 1",
    "attention": "fraction of the attention, 0 to 1",
}
"""Meaning of the numbers in these tables, or in each of their columns."""

NO_UNIT = "value, no unit"

WHOLE_SCALE = ("confidence", "support", "reference")
"""Tables of fractions whose maps reach from 0 to 1, so that datasets can be compared."""


class MeasuredFeatures:
    """Measured features that the page shows beside denoised ones, each packed once for all runs."""

    def __init__(self, tables: list[FeatureTable], rows: np.ndarray) -> None:
        self._tables = {table.modality: table for table in tables}
        self._columns = {
            table.modality: {column_name(name): index for index, name in reversed(list(enumerate(table.names)))}
            for table in tables
        }
        self._rows = rows
        self._positions: dict[tuple[str, int], int] = {}
        self.features: list[dict[str, Any]] = []

    def position(self, name: str, column: str) -> int | None:
        """Return the position in `features` of the measured feature of a denoised column; None if not measured."""
        feature = self._columns.get(name, {}).get(column)
        if feature is None:
            return None
        if (name, feature) not in self._positions:
            table = self._tables[name]
            steps, top = quantise(table, feature, self._rows)
            self._positions[name, feature] = len(self.features)
            drawn = {"name": table.names[feature], "low": 0.0, "top": top, "unit": table.unit, "steps": pack(steps)}
            self.features.append(drawn)
        return self._positions[name, feature]


def drawn_runs(runs: list[MethodRun], best: int | None, n_rows: int) -> set[int]:
    """Return the runs whose tables go into the page: the run shown first, then first seeds of methods that fit."""
    first = {run.method: index for index, run in reversed(list(enumerate(runs))) if run.domains is not None}
    order = dict.fromkeys(([best] if best is not None else []) + sorted(first.values()))
    return set(list(order)[: max(1, MAX_VALUES // max(n_rows, 1))])


def per_spot(run: MethodRun, measured: MeasuredFeatures, rows: np.ndarray) -> dict[str, Any] | None:
    """Return the maps of one run, for JSON; None if its method has no outputs beyond the embedding."""
    extras = _extras(run.extras, rows)
    denoised = [
        drawn for name, table in run.denoised.items() for drawn in _denoised(name, table, measured, rows)[:MAX_DENOISED]
    ]
    return {"extras": extras, "denoised": denoised} if extras or denoised else None


def _extras(tables: dict[str, pd.DataFrame], rows: np.ndarray) -> list[dict[str, Any]]:
    """Return columns of the tables. Columns of one table share a scale, so that their colours can be compared."""
    found: list[dict[str, Any]] = []
    for key in sorted(tables, key=lambda key: (list(NAMES).index(key) if key in NAMES else len(NAMES), key)):
        values = tables[key].to_numpy(dtype=np.float64)
        low, top = (0.0, 1.0) if key in WHOLE_SCALE else _ends(values)
        for column, column_values in zip(tables[key].columns, values.T, strict=True):
            name = NAMES[key](str(column)) if key in NAMES else f"{words(key)}: {column}"
            steps = quantise_between(column_values[rows], low, top)
            whole = key in WHOLE_SCALE
            found.append(
                {
                    "name": name,
                    "table": key,
                    "low": low,
                    "top": top,
                    "whole": whole,
                    "unit": _unit(key, str(column)),
                    "steps": pack(steps),
                }
            )
    return found[:MAX_COLUMNS]


def _unit(table: str, column: str) -> str:
    unit = UNITS.get(table, NO_UNIT)
    return unit if isinstance(unit, str) else unit.get(column, NO_UNIT)


def _denoised(name: str, table: pd.DataFrame, measured: MeasuredFeatures, rows: np.ndarray) -> list[dict[str, Any]]:
    drawn: list[dict[str, Any]] = []
    for column in map(str, table.columns[:MAX_DENOISED]):
        values = table[column].to_numpy(dtype=np.float64)
        low, top = _ends(values)
        position = measured.position(name, column)
        title = measured.features[position]["name"] if position is not None else column
        steps = pack(quantise_between(values[rows], low, top))
        drawn.append({"name": title, "modality": name, "low": low, "top": top, "steps": steps, "measured": position})
    return drawn


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of a scale: the 0.5th and the 99.5th percentile of the finite values."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, top = np.percentile(finite, [0.5, 99.5])
    return float(low), float(top)
