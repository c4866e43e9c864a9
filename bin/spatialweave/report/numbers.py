"""Choice of the number of domains: the curves of all criteria as inline SVG, and a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.domains.number import CRITERIA, DIVISIONS, STABILITY, TOLERANCE, Choice, choose
from spatialweave.domains.palette import line_colour
from spatialweave.io.result_tables import NUMBERS
from spatialweave.io.run_names import run_id
from spatialweave.report.tables import ReportTable
from spatialweave.report.text import number, words

if TYPE_CHECKING:
    import pandas as pd

LEFT, RIGHT, TOP, BOTTOM = 56, 24, 20, 40
LARGE, SMALL = (720, 260), (340, 200)
"""Width and height of the chart of stability, and of those of the other criteria."""


@dataclass
class Curve:
    """Criterion of one method over the numbers of domains, in pixels: x,y x,y ..."""

    name: str
    colour: str
    points: str


@dataclass
class CriterionPlot:
    """Criterion for templates/macros.html.

    Attributes
    ----------
    curves
        One per method, and last the mean over them.
    chosen
        Position of the chosen number in pixels.
    x_ticks, y_ticks
        Positions in pixels, and text.
    """

    title: str
    meaning: str
    width: int
    height: int
    curves: list[Curve]
    chosen: float
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    left: int = LEFT
    right: int = RIGHT
    bottom: int = BOTTOM


@dataclass
class NumberOfDomains:
    """Choice of the number: the deciding criterion, the others, and a table of all."""

    choice: Choice
    stability: CriterionPlot
    others: list[CriterionPlot]
    table: ReportTable
    tolerance: float = TOLERANCE
    divisions: int = DIVISIONS


def number_of_domains(folder: Path | None, titles: dict[str, str]) -> NumberOfDomains | None:
    """Read the criteria of a dataset's runs (n_domains.csv); None if the number was given."""
    path = folder / "n_domains.csv" if folder is not None else None
    if path is None or not path.is_file() or not path.stat().st_size:
        return None
    rows = NUMBERS.read(path)
    choice = choose(rows)
    runs = [run_id(method, seed) for method, seed in zip(rows["method"], rows["seed"], strict=True)]
    rows = rows[rows["n_domains"].isin(list(choice.stability)) & ~np.isin(runs, choice.left_out)]
    found = [
        name for name in CRITERIA if name != STABILITY and rows.loc[rows["criterion"] == name, "value"].notna().any()
    ]
    return NumberOfDomains(
        choice,
        _plot(rows, STABILITY, choice, titles, LARGE),
        [_plot(rows, name, choice, titles, SMALL) for name in found],
        _table(rows, sorted(choice.stability)),
    )


def _plot(
    rows: pd.DataFrame, criterion: str, choice: Choice, titles: dict[str, str], size: tuple[int, int]
) -> CriterionPlot:
    """Plot a criterion: from 0 (or the least value below it) to 1 if no value is above, else fitted to the values."""
    own = rows[rows["criterion"] == criterion]
    by_method = own.groupby(["n_domains", "method"])["value"].mean().unstack("method")
    numbers = sorted(choice.stability)
    (width, height), span = size, max(numbers[-1] - numbers[0], 1)
    values = by_method.to_numpy(dtype=np.float64)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if high <= 1 and low >= -1:
        low, high, ticks = min(0.0, low), 1.0, [0.0, 0.5, 1.0]
    else:
        ticks = [low, (low + high) / 2, high]

    def across(number: int) -> float:
        return round(LEFT + (width - LEFT - RIGHT) * (number - numbers[0]) / span, 1)

    def up(value: float) -> float:
        return round(TOP + (height - TOP - BOTTOM) * (1 - (value - low) / ((high - low) or 1)), 1)

    def curve(name: str, shade: str, values: pd.Series[float]) -> Curve:
        return Curve(name, shade, " ".join(f"{across(int(str(k)))},{up(v)}" for k, v in values.dropna().items()))

    curves = [
        curve(titles.get(str(method), str(method)), line_colour(n), by_method[method])
        for n, method in enumerate(by_method)
    ]
    every = numbers if width == LARGE[0] else numbers[:: -(-len(numbers) // 8)]
    return CriterionPlot(
        words(criterion),
        CRITERIA[criterion],
        width,
        height,
        [*curves, curve("mean", "var(--ink, #1b2430)", by_method.mean(axis="columns"))],
        across(choice.number),
        [(across(k), str(k)) for k in every],
        [(up(value), f"{value:.1f}" if high == 1.0 else number(value)) for value in ticks],
    )


def _table(rows: pd.DataFrame, numbers: list[int]) -> ReportTable:
    """Tabulate the criteria by number of domains, mean over methods."""
    means = rows.groupby(["criterion", "n_domains", "method"])["value"].mean().groupby(level=[0, 1]).mean()
    cells = [[number, *(means.get((name, number)) for name in CRITERIA)] for number in numbers]
    header = ["domains", *(words(name) for name in CRITERIA)]
    return ReportTable("Criteria of the number of domains, mean over methods", header, cells)
