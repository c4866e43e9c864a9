"""Rows and columns of a grid with shifted totals, and none where the tissue itself changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spatialweave.io.notices import InputWarning
from spatialweave.io.result_tables import GRID_LINES
from spatialweave.qc.grid_lines import grid_lines, warn_of_shifted_lines

SIDE = 30
PLACES = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 2)
POINTS = PLACES * 25.0 + 100


def totals(seed: int = 0) -> np.ndarray:
    """Counts of spots that vary by a quarter."""
    return np.random.default_rng(seed).lognormal(7, 0.25, len(PLACES))


def lines(values: np.ndarray, places: np.ndarray = PLACES) -> pd.DataFrame:
    return GRID_LINES.frame(grid_lines("s", "rna", POINTS[: len(places)], places, values))


def shifted(values: np.ndarray) -> list[tuple[str, int]]:
    found = lines(values)
    own = found[found["shifted"]]
    return list(zip(own["direction"], own["line"].tolist(), strict=True))


def test_without_an_artefact_no_line_is_shifted() -> None:
    found = [lines(totals(seed)) for seed in range(20)]
    assert not any(one["shifted"].any() for one in found)
    # All but the first and the last of each direction are compared with both sides.
    assert len(found[0]) == 2 * (SIDE - 2)


@pytest.mark.parametrize("factor", [0.0, 0.3, 0.5, 2.0, 4.0])
def test_a_row_and_two_columns(factor: float) -> None:
    values = totals()
    here = (PLACES[:, 1] == 12) | np.isin(PLACES[:, 0], [5, 6])
    values[here] *= factor
    assert shifted(values) == [("column", 6), ("column", 7), ("row", 13)]
    found = lines(values)
    row = found[(found["direction"] == "row") & (found["line"] == 13)].iloc[0]
    assert row["position"] == 25.0 * 12 + 100 and row["spots"] == SIDE
    # Of nothing 0.01 of the median is made; the lesser difference of two noisy ones is a little too near to none.
    assert np.log(row["ratio"]) == pytest.approx(np.log(factor + 0.01), abs=0.2)


def test_the_edge_of_a_domain_is_no_shift() -> None:
    values = totals()
    values[PLACES[:, 1] >= 15] *= 6
    values[PLACES[:, 0] >= 22] /= 5
    assert shifted(values) == []


def test_a_line_that_is_shifted_in_a_part_is_tissue() -> None:
    values = totals()
    values[(PLACES[:, 1] == 12) & (PLACES[:, 0] < 20)] *= 4
    assert shifted(values) == []


def test_short_lines_and_sparse_grids_are_not_judged() -> None:
    assert lines(totals()[: 7 * SIDE], PLACES[: 7 * SIDE])["direction"].unique().tolist() == ["row"]
    sparse = PLACES * 10
    assert len(lines(totals(), sparse)) == 0
    assert len(lines(np.zeros(len(PLACES)))) == 0


def test_the_warning_names_the_strongest() -> None:
    values = totals()
    values[PLACES[:, 1] == 12] *= 3
    values[PLACES[:, 1] == 20] *= 0.1
    with pytest.warns(InputWarning) as caught:
        warn_of_shifted_lines("s", lines(values))
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text.startswith("s: rna: the totals of 2 of 28 rows of the grid differ") and "y = 600, 0.1" in text
