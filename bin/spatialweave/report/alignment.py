"""Read the alignment of the sections of a dataset: aligned coordinates, matched spots, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.result_tables import ALIGNMENT, PAIRS, TRANSFORMS
from spatialweave.io.run_names import split_file_name
from spatialweave.io.spot_tables import name_of_spot, read_aligned_coordinates
from spatialweave.results.spots import DatasetSpots

if TYPE_CHECKING:
    import pandas as pd

COORDINATES_FILE, TRANSFORMS_FILE = "coordinates.csv", "transforms.csv"


@dataclass
class MatchedSpots:
    """Matched spots of two sections by one method with one seed.

    Attributes
    ----------
    sections
        Codes of the first and the second section.
    a, b
        int64, one per pair: rows of :class:`DatasetSpots`.
    accepted
        bool, one per pair.
    distance
        float64, one per pair, in spot spacings; NaN if unknown.
    """

    method: str
    seed: int
    sections: tuple[int, int]
    a: np.ndarray
    b: np.ndarray
    accepted: np.ndarray
    distance: np.ndarray


@dataclass
class SectionAlignment:
    """Alignment of a dataset's sections; fields without a file are empty.

    Attributes
    ----------
    coordinates
        float64, spots x 2: aligned coordinates.
    transforms
        One row per section (table :data:`~spatialweave.io.result_tables.TRANSFORMS`).
    metrics
        Metrics of the dataset (table :data:`~spatialweave.io.result_tables.ALIGNMENT`).
    """

    coordinates: np.ndarray | None = None
    transforms: pd.DataFrame | None = None
    matches: list[MatchedSpots] = field(default_factory=list)
    metrics: pd.DataFrame | None = None


def read_alignment(folder: Path | None, dataset: str, spots: DatasetSpots) -> SectionAlignment | None:
    """Read the alignment files of a folder, recognised by their names; None if there are none.

    Files: `coordinates.csv`, `transforms.csv`, `<method>.seed<k>.<a>--<b>.pairs.csv`, `<method>.seed<k>.alignment.csv`.

    Raises
    ------
    InputError
        When a file is not a valid table, or holds spots or sections that the dataset does not have.
    """
    files = sorted(folder.rglob("*.csv")) if folder is not None and folder.is_dir() else []
    found, metrics = SectionAlignment(), []
    finder = SpotFinder(spots)
    for path in files:
        if not path.stat().st_size:
            continue
        if path.name == COORDINATES_FILE:
            found.coordinates = read_aligned_coordinates(path, spots.obs, others=False)
        elif path.name == TRANSFORMS_FILE:
            found.transforms = TRANSFORMS.read(path)
        elif run := split_file_name(path.name):
            method, seed, kind = run
            if kind.endswith(".pairs.csv"):
                found.matches += _read_matches(path, method, seed, finder)
            elif kind == "alignment.csv":
                metrics.append(path)
    if metrics:
        table = ALIGNMENT.read_all(metrics)
        found.metrics = table[table["dataset"] == dataset]
    found.matches.sort(key=lambda matches: (matches.method, matches.seed, matches.sections))
    nothing = found.coordinates is None and found.transforms is None and not found.matches and found.metrics is None
    return None if nothing else found


class SpotFinder:
    """Finder of rows of spots by section and barcode."""

    def __init__(self, spots: DatasetSpots) -> None:
        import pandas as pd

        self.codes, self.sections = spots.stack()
        self._rows = pd.MultiIndex.from_frame(spots.obs[["section", "barcode"]])

    def rows(self, path: Path, pairs: pd.DataFrame, side: str) -> np.ndarray:
        """Return the row of each spot on one side ("_a", "_b") of the pairs; InputError if the dataset lacks one."""
        import pandas as pd

        rows = self._rows.get_indexer(pd.MultiIndex.from_frame(pairs[[f"section{side}", f"barcode{side}"]]))
        if (rows < 0).any():
            first = int(np.argmax(rows < 0))
            found = f"spot {name_of_spot(pairs, first, side)} is not in the dataset"
            raise InputError(f"{path}, line {first + 2}", found, fix="align the sections of this dataset again")
        return np.asarray(rows, dtype=np.int64)


def _read_matches(path: Path, method: str, seed: int, finder: SpotFinder) -> list[MatchedSpots]:
    """Read the pairs of one file; nothing if it has none."""
    table = PAIRS.read(path)
    if table.empty:
        return []
    ends = [finder.rows(path, table, side) for side in ("_a", "_b")]
    sections = [np.unique(finder.codes[rows]) for rows in ends]
    if any(len(codes) != 1 for codes in sections):
        found = f"{len(sections[0])} first and {len(sections[1])} second sections"
        raise InputError(str(path), f"holds pairs of {found}", "one and one")
    pair, (a, b) = (int(sections[0][0]), int(sections[1][0])), ends
    return [MatchedSpots(method, seed, pair, a, b, table["accepted"].to_numpy(), table["distance"].to_numpy())]


def pair_name(names: Sequence[str], sections: tuple[int, int]) -> str:
    """Return the title of a pair of sections, e.g. "s1 → s2"."""
    return f"{names[sections[0]]} → {names[sections[1]]}"
