"""Readers and makers of the result tables with a row per spot, whose rows follow the spots of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.result_tables import COORDINATES, DOMAINS, PSEUDOTIME
from spatialweave.io.run_names import RunKey, method_and_seed, run_id, run_of_file

if TYPE_CHECKING:
    import pandas as pd


def read_domains(path: Path, obs: pd.DataFrame) -> np.ndarray:
    """Read the domain of every spot of `obs` (columns barcode and section), int64, in the order of `obs`.

    Raises
    ------
    InputError
        When the file is not such a table, or its spots are not exactly those of `obs`.
    """
    table = DOMAINS.read(path)
    return table["domain"].to_numpy()[_rows_of_spots(path, table, obs, "cluster again")]


def read_domains_of_runs(files: Sequence[Path], obs: pd.DataFrame) -> dict[RunKey, np.ndarray]:
    """Read the domains of several runs, one file each, by method and seed, in the order of the files.

    Parameters
    ----------
    files
        Named ``<method>.seed<k>.domains.csv``.
    obs
        As in :func:`read_domains`.

    Raises
    ------
    InputError
        When a file cannot be used or has other spots, or a run is given twice.
    """
    runs = [method_and_seed(run_of_file(path, ".domains.csv")) for path in files]
    if len(set(runs)) < len(runs):
        twice = run_id(*max(runs, key=runs.count))
        raise InputError("--domains", f"run {twice} is given more than once", "each run once")
    return {run: read_domains(path, obs) for run, path in zip(runs, files, strict=True)}


def domains_table(obs: pd.DataFrame, domains: np.ndarray) -> pd.DataFrame:
    """Return the table DOMAINS of the spots of `obs` (columns barcode and section); domains are numbered from 1."""
    return obs[["barcode", "section"]].astype(str).reset_index(drop=True).assign(domain=domains)


def coordinates_table(obs: pd.DataFrame, coordinates: np.ndarray) -> pd.DataFrame:
    """Return the table of the coordinates (spots x 2) of the spots of `obs` (columns section and barcode)."""
    table = obs[["section", "barcode"]].astype(str).reset_index(drop=True)
    return table.assign(x=coordinates[:, 0], y=coordinates[:, 1])


def read_aligned_coordinates(path: Path, obs: pd.DataFrame, others: bool = True) -> np.ndarray:
    """Read the aligned coordinates of every spot of `obs`, float64, spots x 2, in the order of `obs`.

    Parameters
    ----------
    others
        Whether the file may hold spots that `obs` does not.

    Raises
    ------
    InputError
        When the file is not such a table, or a spot is missing, occurs twice or is not allowed.
    """
    table = COORDINATES.read(path)
    rows = _rows_of_spots(path, table, obs, "align again", others)
    return np.column_stack([table["x"], table["y"]])[rows]


def pseudotime_table(run: str, embedding: str, obs: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    """Return the table of a run's pseudotime of the spots of `obs`; `embedding` is the run whose embedding was used."""
    table = obs[["section", "barcode"]].astype(str).reset_index(drop=True)
    table.insert(0, "run", run)
    table.insert(1, "embedding", embedding)
    return table.assign(pseudotime=np.round(values, 5))


def read_pseudotime(path: Path, obs: pd.DataFrame) -> dict[str, tuple[str, np.ndarray]]:
    """Read, for each run, the run whose embedding was used, and the pseudotime (float64) of every spot of `obs`.

    Raises
    ------
    InputError
        When the file is not such a table, or the spots of a run are not exactly those of `obs`.
    """
    table = PSEUDOTIME.read(path)
    by_run = {}
    for run, rows_of_run in table.groupby("run", sort=False):
        rows = _rows_of_spots(path, rows_of_run, obs, "run CHARACTERISE again")
        by_run[str(run)] = str(rows_of_run["embedding"].iloc[0]), rows_of_run["pseudotime"].to_numpy()[rows]
    return by_run


def _rows_of_spots(path: Path, table: pd.DataFrame, obs: pd.DataFrame, fix: str, others: bool = False) -> np.ndarray:
    """Return the row of each spot of `obs` in a table with the columns section and barcode."""
    import pandas as pd

    spots = pd.MultiIndex.from_frame(table[["section", "barcode"]])
    wanted = pd.MultiIndex.from_frame(obs[["section", "barcode"]].astype(str))
    if not spots.is_unique:
        row = int(np.argmax(spots.duplicated()))
        found = f"spot {name_of_spot(table, row)} also has an earlier line"
        raise InputError(f"{path}, line {row + 2}", found, "each spot once")
    foreign = ~spots.isin(wanted)
    if foreign.any() and not others:
        row = int(np.argmax(foreign))
        found = f"spot {name_of_spot(table, row)} is not in the dataset"
        raise InputError(f"{path}, line {row + 2}", found, "its spots", fix)
    rows = spots.get_indexer(wanted)
    absent = np.flatnonzero(rows < 0)
    if len(absent):
        found = f"{len(absent)} spots are missing, the first is {name_of_spot(obs, int(absent[0]))}"
        raise InputError(str(path), found, "all spots", fix)
    return np.asarray(rows, dtype=np.int64)


def name_of_spot(table: pd.DataFrame, row: int, side: str = "") -> str:
    """Return the spot in a row of a table, for messages; `side` is the suffix of the columns' names ("_a" in pairs)."""
    return f"'{table[f'barcode{side}'].iloc[row]}' of section '{table[f'section{side}'].iloc[row]}'"
