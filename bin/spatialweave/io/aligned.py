"""Coordinates of all sections of a dataset in one frame: a table section, barcode, x, y."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("section", "barcode", "x", "y")


def aligned_table(obs: pd.DataFrame, points: np.ndarray) -> pd.DataFrame:
    """The table of `points` (spots x 2) of the spots of `obs` (columns section and barcode)."""
    table = obs[["section", "barcode"]].astype(str).reset_index(drop=True)
    return table.assign(x=points[:, 0], y=points[:, 1])


def read_aligned(path: Path, obs: pd.DataFrame, others: bool = True) -> np.ndarray:
    """The coordinates of every spot of `obs`, float64, spots x 2, whatever the order in the file.

    Parameters
    ----------
    others
        Whether the file may hold spots that `obs` does not.

    Raises
    ------
    InputError
        When the file is no such table, or a spot is missing, occurs twice or may not be there.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype={"section": str, "barcode": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"is not a readable CSV file ({error})") from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise InputError(str(path), f"has no column '{missing[0]}'", "columns " + ", ".join(COLUMNS))
    points = np.column_stack([pd.to_numeric(table[axis], errors="coerce").to_numpy(np.float64) for axis in ("x", "y")])
    wrong = np.argwhere(~np.isfinite(points))
    if len(wrong):
        row, axis = wrong[0][0], "xy"[wrong[0][1]]
        found = f"value '{table[axis].iloc[row]}' is not a finite number"
        raise InputError(f"{path}, line {row + 2}, column '{axis}'", found, "coordinates of every spot")
    spots = pd.MultiIndex.from_frame(table[["section", "barcode"]])
    if not spots.is_unique:
        line = int(np.flatnonzero(spots.duplicated())[0]) + 2
        raise InputError(f"{path}, line {line}", "its spot has a line before", "each spot of a section once")
    wanted = pd.MultiIndex.from_frame(obs[["section", "barcode"]].astype(str))
    foreign = np.flatnonzero(~spots.isin(wanted))
    if len(foreign) and not others:
        section, barcode = spots[foreign[0]]
        found = f"spot '{barcode}' of section '{section}' is not in the dataset"
        raise InputError(f"{path}, line {foreign[0] + 2}", found, "its spots", "align again")
    rows = spots.get_indexer(wanted)
    if (rows < 0).any():
        absent = obs.index[int(np.flatnonzero(rows < 0)[0])]
        raise InputError(
            str(path), f"{int((rows < 0).sum())} spots are missing, the first is '{absent}'", "all spots", "align again"
        )
    return points[rows]
