"""Read how the sections of a dataset were laid on each other: coordinates in one frame, matched spots, figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.aligned import read_aligned
from spatialweave.report.inputs import Spots, read_table

if TYPE_CHECKING:
    import pandas as pd

COORDINATES, TRANSFORMS = "coordinates.csv", "transforms.csv"
PAIRS_FILE = re.compile(r"^(?P<method>.+?)\.seed(?P<seed>\d+)\..+\.pairs\.csv$")
QUALITY_FILE = re.compile(r"^(?P<method>.+?)\.seed(?P<seed>\d+)\.alignment\.csv$")

TRANSFORM_COLUMNS = ("section", "method", "angle", "shift_x", "shift_y", "scale", "reflected", "score")
PAIR_COLUMNS = ("section_a", "barcode_a", "section_b", "barcode_b", "score", "accepted", "distance")
QUALITY_COLUMNS = ("dataset", "method", "seed", "section_a", "section_b", "metric", "value")

TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass
class Matches:
    """Matched spots of two sections by one method with one seed.

    Attributes
    ----------
    sections
        Codes of the first and the second section.
    a, b
        int64, one per pair: rows of :class:`Spots`.
    accepted
        bool, one per pair.
    distance
        float64, one per pair, in spot spacings; NaN where not known.
    """

    method: str
    seed: int
    sections: tuple[int, int]
    a: np.ndarray
    b: np.ndarray
    accepted: np.ndarray
    distance: np.ndarray


@dataclass
class Alignment:
    """What is known of the alignment of a dataset's sections; whatever was not given is empty.

    Attributes
    ----------
    xy
        float64, spots x 2, all sections in one frame.
    transforms
        One row per section, cells as text, columns :data:`TRANSFORM_COLUMNS`.
    quality
        Columns :data:`QUALITY_COLUMNS` with `seed` as int and `value` as float.
    """

    xy: np.ndarray | None = None
    transforms: pd.DataFrame | None = None
    matches: list[Matches] = field(default_factory=list)
    quality: pd.DataFrame | None = None


def read_alignment(folder: Path | None, dataset: str, spots: Spots) -> Alignment | None:
    """Read the alignment files of a folder, known by their names; None where there are none.

    Files: `coordinates.csv`, `transforms.csv`, `<method>.seed<k>.<a>--<b>.pairs.csv`, `<method>.seed<k>.alignment.csv`.

    Raises
    ------
    InputError
        When a file lacks a column, holds spots or sections that the dataset has not, or something else than numbers.
    """
    import pandas as pd

    files = sorted(folder.rglob("*.csv")) if folder is not None and folder.is_dir() else []
    found, quality = Alignment(), []
    finder = SpotFinder(spots)
    for path in files:
        if not path.stat().st_size:
            continue
        if path.name == COORDINATES:
            obs = pd.DataFrame({"section": spots.sections, "barcode": spots.barcodes})
            found.xy = read_aligned(path, obs, others=False)
        elif path.name == TRANSFORMS:
            found.transforms = read_table(path, TRANSFORM_COLUMNS)[list(TRANSFORM_COLUMNS)]
        elif match := PAIRS_FILE.match(path.name):
            found.matches += _read_matches(path, match["method"], int(match["seed"]), finder)
        elif QUALITY_FILE.match(path.name):
            quality.append(_read_quality(path, dataset))
    if quality:
        found.quality = pd.concat(quality, ignore_index=True)
    found.matches.sort(key=lambda matches: (matches.method, matches.seed, matches.sections))
    nothing = found.xy is None and found.transforms is None and not found.matches and found.quality is None
    return None if nothing else found


class SpotFinder:
    """Rows of spots by section and barcode."""

    def __init__(self, spots: Spots) -> None:
        import pandas as pd

        self.codes, self.sections = spots.stack()
        self._rows = pd.MultiIndex.from_arrays([spots.sections, spots.barcodes])

    def rows(self, path: Path, sections: pd.Series, barcodes: pd.Series) -> np.ndarray:
        """The row of each spot (int64); one that the dataset has not is an InputError."""
        import pandas as pd

        rows = self._rows.get_indexer(pd.MultiIndex.from_arrays([sections, barcodes]))
        if (rows < 0).any():
            first = int(np.argmax(rows < 0))
            raise InputError(
                f"{path}, row {first + 2}",
                f"spot '{barcodes.iloc[first]}' of section '{sections.iloc[first]}' is not in the dataset",
                fix="align the sections of this dataset again",
            )
        return np.asarray(rows, dtype=np.int64)


def _read_matches(path: Path, method: str, seed: int, finder: SpotFinder) -> list[Matches]:
    """The pairs of one file; nothing of a file without any."""
    table = read_table(path, PAIR_COLUMNS)
    if table.empty:
        return []
    ends = [finder.rows(path, table[f"section_{side}"], table[f"barcode_{side}"]) for side in "ab"]
    sections = [np.unique(finder.codes[rows]) for rows in ends]
    if any(len(codes) != 1 for codes in sections):
        found = f"{len(sections[0])} first and {len(sections[1])} second sections"
        raise InputError(str(path), f"holds pairs of {found}", "one and one")
    _numbers(path, table, "score", optional=True)
    accepted = table["accepted"].str.strip().str.lower().map(TRUTHS)
    if accepted.isna().any():
        row = int(np.argmax(accepted.isna()))
        value = table["accepted"].iloc[row]
        raise InputError(f"{path}, row {row + 2}, column 'accepted'", f"value '{value}'", "True or False")
    distance = _numbers(path, table, "distance", optional=True)
    pair = int(sections[0][0]), int(sections[1][0])
    return [Matches(method, seed, pair, ends[0], ends[1], accepted.to_numpy(dtype=bool), distance)]


def _read_quality(path: Path, dataset: str) -> pd.DataFrame:
    table = read_table(path, QUALITY_COLUMNS)[list(QUALITY_COLUMNS)]
    table = table.assign(seed=_numbers(path, table, "seed").astype(int))
    table["value"] = _numbers(path, table, "value", optional=True)
    return table[table["dataset"] == dataset]


def _numbers(path: Path, table: pd.DataFrame, column: str, optional: bool = False) -> np.ndarray:
    """A column as float64; `optional` allows cells that are empty or nan."""
    import pandas as pd

    values: Any = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(values)
    if optional:
        wrong &= ~table[column].str.strip().str.lower().isin(["", "nan"]).to_numpy()
    if wrong.any():
        row = int(np.argmax(wrong))
        where = f"{path}, row {row + 2}, column '{column}'"
        raise InputError(where, f"value '{table[column].iloc[row]}'", "a finite number")
    return np.asarray(values)


def pair_name(names: Sequence[str], sections: tuple[int, int]) -> str:
    """Two sections for people, e.g. "s1 → s2"."""
    return f"{names[sections[0]]} → {names[sections[1]]}"
