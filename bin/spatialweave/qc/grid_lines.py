"""Rows and columns of a grid whose totals differ from their neighbours': artefacts of the instrument, such as a channel
of DBiT-seq with a lower yield, or the stripes of small bins."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.graphs.lattice import line_positions
from spatialweave.io.notices import warn

if TYPE_CHECKING:
    import pandas as pd

BESIDE = 3
"""A line is compared with this many lines on either side."""

FEWEST = 8
"""A line with fewer comparable spots is not judged."""

RATIO = 1.5
"""A line is shifted if its totals are this many times those of its neighbours, or less than the inverse."""

PARTS = 4
"""The shift must occur, at least half as strong, in each of this many parts of the line."""

FLOOR = 0.01
"""Added to totals before their logarithm, as a fraction of their median, so that zero counts have a finite value."""

EMPTIEST = 20
"""A grid with more positions per spot than this is not judged."""

DIRECTIONS = ("column", "row")


def grid_lines(
    section: str, modality: str, coordinates: np.ndarray, places: np.ndarray, totals: np.ndarray
) -> list[dict[str, Any]]:
    """Compare the total counts of each row and column of a grid with those of its neighbours.

    The shift at a spot is the difference between its log total and the median of the three nearest positions across the
    line, on the side where it is smaller. It is 0 if the sides disagree, so the edge of a domain in any direction is
    not a shift. The shift of a line is the median over its spots. Lines at the border of the grid have only one side,
    and are not judged. A layer of tissue that is one spot thick and straight across the whole section looks the same.

    Parameters
    ----------
    coordinates, places, totals
        Before any spot is removed: spots x 2; column and row (:func:`~spatialweave.graphs.lattice.square_lattice`),
        spots x 2; total counts or intensities.

    Returns
    -------
    list
        Rows of :data:`~spatialweave.io.result_tables.GRID_LINES`; empty if there is nothing to compare.
    """
    shape = places.max(axis=0) + 1
    measured = totals > 0
    if not measured.any() or np.prod(shape.astype(np.float64)) > EMPTIEST * len(places):
        return []
    grid = np.full(shape, np.nan)
    grid[tuple(places.T)] = np.log(np.maximum(totals, 0) / np.median(totals[measured]) + FLOOR)
    rows = []
    for axis, direction in enumerate(DIRECTIONS):
        positions = line_positions(coordinates[:, axis], places[:, axis])
        for line, spots, shift, shifted in _shifts(grid if axis == 0 else grid.T):
            rows.append(
                {
                    "section": section,
                    "modality": modality,
                    "direction": direction,
                    "line": line + 1,
                    "position": round(float(positions[line]), 6),
                    "spots": spots,
                    "ratio": round(float(np.exp(shift)), 4),
                    "shifted": shifted,
                }
            )
    return rows


def _shifts(values: np.ndarray) -> Iterator[tuple[int, int, float, bool]]:
    """Yield, for each line that can be judged (first axis): number, spots, shift, and whether it counts as shifted."""
    away = np.full((BESIDE, values.shape[1]), np.nan)
    padded = np.concatenate([away, values, away])
    for line in range(len(values)):
        here = line + BESIDE
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
            before = values[line] - np.nanmedian(padded[line:here], axis=0)
            after = values[line] - np.nanmedian(padded[here + 1 : here + 1 + BESIDE], axis=0)
        smaller = np.where(np.abs(before) <= np.abs(after), before, after)
        shifts = np.where(before * after > 0, smaller, 0.0)[np.isfinite(before) & np.isfinite(after)]
        if len(shifts) >= FEWEST:
            shift = float(np.median(shifts))
            along = np.array([np.median(part) for part in np.array_split(shifts, PARTS)])
            everywhere = (along * np.sign(shift) >= abs(shift) / 2).all()
            yield line, len(shifts), shift, bool(abs(shift) >= np.log(RATIO) and everywhere)


def warn_of_shifted_lines(section: str, lines: pd.DataFrame) -> None:
    """Warn of the shifted lines of a section (:data:`~spatialweave.io.result_tables.GRID_LINES`)."""
    for (modality, direction), judged in lines.groupby(["modality", "direction"], sort=False):
        shifted = judged[judged["shifted"]]
        if len(shifted):
            most = shifted.loc[np.log(shifted["ratio"]).abs().idxmax()]
            coordinate = "x" if direction == "column" else "y"
            warn(
                section,
                f"{modality}: the totals of {len(shifted)} of {len(judged)} {direction}s of the grid differ from those "
                f"on both sides by a factor of {RATIO} or more, all along the {direction} (most at {coordinate} = "
                f"{most['position']:.6g}, {most['ratio']:.2g} times those beside it): probably the instrument, not "
                f"the tissue; do not trust domains that follow a {direction}. All are in {section}.qc_lines.csv",
            )
