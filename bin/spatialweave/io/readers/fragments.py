"""Fragments of chromatin (fragments.tsv.gz): counted in peaks, or in tiles of one size, for spots with coordinates.

A fragment counts once in each interval that contains one or both of its ends, where the transposase has cut: paired
insertion counting (Miao and Kim, Nature Methods 21, 32, 2024). The file is read as a stream; only counts are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.bounds import SPOTS_RATIO
from spatialweave.io.choices import Choices
from spatialweave.io.measurement import Measurement, reading
from spatialweave.io.notices import warn
from spatialweave.io.readers.intervals import Intervals, Peaks, Tiles
from spatialweave.io.readers.spelling import Spelling
from spatialweave.io.readers.tally import Tally, as_matrix

ENDINGS = (".tsv", ".tsv.gz", ".bed", ".bed.gz")
NAMES = ("chromosome", "start", "end", "barcode")

TILE = 5_000
"""Default length of a tile in base pairs."""

SHORTEST_TILE = 100

BLOCK_BYTES = 16 * 2**20
"""Bytes that are parsed at once."""

MITOCHONDRIAL = frozenset({"chrm", "chrmt", "mt", "m"})
"""Names (lower case) of the mitochondrial chromosome, which has no chromatin; only peaks on it are counted."""


def is_fragments(path: Path) -> bool:
    """Return whether the first line of a file is a fragment: chromosome, start, end and barcode, separated by tabs."""
    if not path.name.lower().endswith(ENDINGS) or not path.is_file() or path.stat().st_size == 0:
        return False
    with tables.open_text(path) as stream:
        line = next((line for line in stream if not line.startswith("#")), "")
    cells = line.rstrip("\r\n").split("\t")
    if len(cells) not in (4, 5, 6) or not all(cell.isascii() and cell.isdecimal() for cell in cells[1:3]):
        return False
    # In a table of masses, names of features are numbers.
    return int(cells[1]) < int(cells[2]) and not cells[3].isdecimal()


def read(path: Path, choices: Choices) -> list[Measurement]:
    """Count fragments of the spots of `choices.known` in the peaks of `choices.peaks` or, without these, in tiles."""
    spots = choices.known
    if spots is None or not len(spots):
        raise InputError(
            str(path),
            "holds fragments, but its barcodes have no coordinates",
            "a table barcode,x,y in the column spatial, or another modality with coordinates",
            "add one: only barcodes with coordinates are counted",
        )
    peaks = choices.take_intervals()
    size, default = choices.take_number(TILE)
    if peaks is not None and not default:
        raise InputError("--bin", f"'{size}' is given together with peaks", "one of them: tiles of a size, or peaks")
    if size < SHORTEST_TILE:
        raise InputError("--bin", f"'{size}' cannot be used for tiles", f"at least {SHORTEST_TILE} base pairs")
    counted = _Counted(spots, str(path))
    intervals: Intervals = Tiles(size, MITOCHONDRIAL) if peaks is None else Peaks.read(peaks)
    for batch in _batches(path):
        _count(path, batch, intervals, counted)
    return [_measurement(path, spots, intervals, counted, f"tiles of {size} base pairs" if peaks is None else "")]


class _Counted:
    """Counts that are added up while the file is read."""

    def __init__(self, known: pd.Index, where: str) -> None:
        self.spelling = Spelling(known, where)
        self.tally = Tally()
        self.per_spot = np.zeros(len(known), dtype=np.int64)
        self.total = 0
        self.first_barcode = ""


def _batches(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield blocks of lines (Arrow: names as dictionaries, positions as integers) and their first line's number."""
    import pyarrow
    from pyarrow import csv

    comments, width = 0, 0
    with tables.open_binary(path, SPOTS_RATIO) as stream:
        for line in stream:
            if not line.startswith(b"#"):
                width = line.count(b"\t") + 1
                break
            comments += 1
    names = [*NAMES, "count", "strand"][:width]
    text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    number = comments + 1
    with reading(path, "file of fragments"), tables.open_binary(path, SPOTS_RATIO) as stream:
        for _comment in range(comments):
            stream.readline()
        reader = csv.open_csv(
            pyarrow.PythonFile(stream, mode="r"),
            csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES, use_threads=False),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(
                column_types=dict(zip(NAMES, (text, pyarrow.int64(), pyarrow.int64(), text), strict=True)),
                include_columns=list(NAMES),
                null_values=[],
            ),
        )
        for batch in reader:
            yield number, batch
            number += len(batch)


def _count(path: Path, numbered: tuple[int, Any], intervals: Intervals, counted: _Counted) -> None:
    first_line, batch = numbered
    chromosome, start, end, barcode = batch.columns
    starts, ends = start.to_numpy(), end.to_numpy()
    bad = np.flatnonzero((starts < 0) | (ends <= starts) | (ends >= 2**31))
    if len(bad):
        found = f"start {starts[bad[0]]} and end {ends[bad[0]]}"
        raise InputError(
            f"{path}, line {first_line + bad[0]}", found, "0 <= start < end", "write or copy the file again"
        )
    names = pd.Index(barcode.dictionary.to_pylist(), dtype=object)
    counted.first_barcode = counted.first_barcode or str(names[0])
    counted.total += len(starts)
    rows = counted.spelling.rows(names)[barcode.indices.to_numpy()]
    kept = np.flatnonzero(rows >= 0)
    rows = rows[kept].astype(np.int64)
    counted.per_spot += np.bincount(rows, minlength=len(counted.per_spot))
    codes = intervals.chromosomes(chromosome.dictionary.to_pylist())[chromosome.indices.to_numpy()[kept]]
    cut, other_cut = intervals.columns(codes, starts[kept]), intervals.columns(codes, ends[kept] - 1)
    second = (other_cut >= 0) & (other_cut != cut)
    for columns, taken in ((cut, cut >= 0), (other_cut, second)):
        counted.tally.add((rows[taken] << Intervals.BITS) | columns[taken])


def _measurement(path: Path, known: pd.Index, intervals: Intervals, counted: _Counted, tiles: str) -> Measurement:
    if not counted.per_spot.any():
        raise InputError(
            str(path),
            f"none of its barcodes (first: '{counted.first_barcode}') has coordinates (first that has: '{known[0]}')",
            "the barcodes of the spots",
            "use the same names of spots in both files",
        )
    keys, sums = counted.tally.result()
    if not len(keys):
        raise InputError(str(path), f"no fragment lies in {intervals.what}", "the same names of chromosomes in both")
    rows, columns, matrix = as_matrix(keys, sums, Intervals.BITS)
    used = int(counted.per_spot.sum())
    notices = [f"{used} of {counted.total} fragments are of spots with coordinates"]
    if tiles:
        notices.append(f"counted in {tiles} (the column bin sets another size, peaks a file of intervals)")
    notices += intervals.notices()
    if counted.spelling.changed:
        notices.append("barcodes are compared without the number at their end (-1)")
    warn(str(path), "; ".join(notices))
    features = pd.DataFrame({"feature_types": "Peaks"}, index=pd.Index(intervals.names(columns), dtype=object))
    obs = pd.DataFrame({"n_fragments": counted.per_spot[rows]}, index=known[rows])
    return Measurement(str(path), obs, {"counts": lambda: (matrix, features)})
