"""How the number of domains was chosen: the curves of stability as inline SVG, and a table of all criteria."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.domains.number import CRITERIA, DIVISIONS, STABILITY, TOLERANCE, Choice, choose
from spatialweave.domains.palette import colour
from spatialweave.io.result_tables import NUMBERS
from spatialweave.report.tables import ReportTable
from spatialweave.report.text import words

if TYPE_CHECKING:
    import pandas as pd

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 260, 48, 24, 12, 40


@dataclass
class Curve:
    """The stability of one method over the numbers of domains, in pixels: x,y x,y ..."""

    name: str
    colour: str
    points: str


@dataclass
class NumberOfDomains:
    """What the report says of the choice.

    Attributes
    ----------
    curves
        One per method, and the mean over them.
    chosen
        Pixels of the number chosen.
    x_ticks, y_ticks
        Pixels and text.
    """

    choice: Choice
    curves: list[Curve]
    mean: Curve
    chosen: float
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    table: ReportTable
    width: int = WIDTH
    height: int = HEIGHT
    tolerance: float = TOLERANCE
    divisions: int = DIVISIONS
    meanings: Mapping[str, str] = field(default_factory=lambda: CRITERIA)


def number_of_domains(folder: Path | None, titles: dict[str, str]) -> NumberOfDomains | None:
    """Read the criteria of a dataset's runs (n_domains.csv); None where the number was given."""
    path = folder / "n_domains.csv" if folder is not None else None
    if path is None or not path.is_file() or not path.stat().st_size:
        return None
    rows = NUMBERS.read(path)
    choice = choose(rows)
    numbers = sorted(choice.stability)
    stability = rows[rows["criterion"] == STABILITY]
    by_method = stability.groupby(["method", "n_domains"])["value"].mean().unstack("method")
    low = min(0.0, float(by_method.to_numpy().min()))
    span = max(numbers[-1] - numbers[0], 1)

    def across(number: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (number - numbers[0]) / span, 1)

    def up(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (1 - low)), 1)

    def curve(name: str, shade: str, values: Mapping[Any, float]) -> Curve:
        return Curve(name, shade, " ".join(f"{across(k)},{up(values[k])}" for k in numbers))

    return NumberOfDomains(
        choice,
        [
            curve(titles.get(str(method), str(method)), colour(index), by_method[method].to_dict())
            for index, method in enumerate(by_method)
        ],
        curve("mean", "var(--ink, #1b2430)", choice.stability),
        across(choice.number),
        [(across(k), str(k)) for k in numbers],
        [(up(value), f"{value:.1f}") for value in (0.0, 0.5, 1.0)],
        _table(rows, numbers),
    )


def _table(rows: pd.DataFrame, numbers: list[int]) -> ReportTable:
    """The criteria by number of domains, mean over methods."""
    means = rows.groupby(["criterion", "n_domains", "method"])["value"].mean().groupby(level=[0, 1]).mean()
    cells = [[number, *(means.get((name, number)) for name in CRITERIA)] for number in numbers]
    header = ["domains", *(words(name) for name in CRITERIA)]
    return ReportTable("Criteria of the number of domains, mean over methods", header, cells)
