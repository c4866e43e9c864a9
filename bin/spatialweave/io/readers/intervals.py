"""Genomic intervals in which fragments are counted: tiles of equal size, or peaks of a BED file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io import tables

PLACE_BITS = 25
"""Bits of the number of a tile on its chromosome: positions are below 2^31, tiles have 100 base pairs or more."""


class Intervals(ABC):
    """Intervals with numbers less than 2^:attr:`BITS`."""

    BITS: ClassVar[int] = 39
    what = "an interval"

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def chromosomes(self, names: Sequence[str]) -> np.ndarray:
        """Return the codes of chromosomes by their names (int64; -1 = not counted)."""
        return np.array([self._code(name) for name in names], dtype=np.int64)

    @abstractmethod
    def _code(self, name: str) -> int: ...

    @abstractmethod
    def columns(self, chromosomes: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the number of the interval that contains each position (0-based), -1 = none."""

    @abstractmethod
    def names(self, columns: np.ndarray) -> list[str]:
        """Return the names of intervals, e.g. "chr1:5000-10000": 0-based, without the end."""

    def notices(self) -> list[str]:
        """Return texts for the user about the intervals."""
        return []


class Tiles(Intervals):
    """Tiles of equal size from the start of each chromosome; the chromosomes `left_out` are not counted."""

    what = "a tile"

    def __init__(self, size: int, left_out: Collection[str]) -> None:
        super().__init__()
        self.size, self.left_out = size, left_out
        self._skipped: set[str] = set()

    def _code(self, name: str) -> int:
        if name.lower() in self.left_out:
            self._skipped.add(name)
            return -1
        code = self.codes.setdefault(name, len(self.codes))
        if code >= 1 << (self.BITS - PLACE_BITS):
            raise InputError("fragments", f"name more than {code} chromosomes", "chromosomes in the first column")
        return code

    def columns(self, chromosomes: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the tile of each position, a number made of chromosome and number on it."""
        return np.where(chromosomes < 0, -1, (chromosomes << PLACE_BITS) | (places // self.size))

    def names(self, columns: np.ndarray) -> list[str]:
        """Return names with the range of the whole tile, even at the end of a chromosome."""
        by_code = list(self.codes)
        starts = (columns & ((1 << PLACE_BITS) - 1)) * self.size
        pairs = zip(columns >> PLACE_BITS, starts, strict=True)
        return [f"{by_code[code]}:{start}-{start + self.size}" for code, start in pairs]

    def notices(self) -> list[str]:
        """Return a text about the chromosomes that are left out."""
        return [f"those of {', '.join(sorted(self._skipped))} are left out"] if self._skipped else []


class Peaks(Intervals):
    """Peaks that do not overlap; overlapping peaks are joined."""

    what = "a peak"

    def __init__(self, chromosomes: Sequence[str], starts: np.ndarray, ends: np.ndarray) -> None:
        super().__init__()
        for name in chromosomes:
            self.codes.setdefault(name, len(self.codes))
        offsets = np.array([self.codes[name] for name in chromosomes], dtype=np.int64) << 32
        order = np.lexsort((ends, starts + offsets))
        first, last = (starts + offsets)[order], (ends + offsets)[order]
        reach = np.maximum.accumulate(last)
        new = np.concatenate([[True], first[1:] >= reach[:-1]])
        self.starts = first[new]
        self.ends = reach[np.append(np.flatnonzero(new)[1:] - 1, len(reach) - 1)]
        self.joined = len(first) - len(self.starts)

    @classmethod
    def read(cls, path: Path) -> Peaks:
        """Read peaks from a BED file (also .narrowPeak, .broadPeak, .gz): chromosome, start, end, separated by tabs."""
        tables.check_file(path, "a BED file of peaks")
        names, places = [], []
        with tables.open_text(path) as stream:
            for number, line in enumerate(stream, start=1):
                if line.startswith(("#", "track", "browser")) or not line.strip():
                    continue
                cells = line.rstrip("\r\n").split("\t")
                place = [int(cell) for cell in cells[1:3] if cell.isascii() and cell.isdecimal()]
                if len(place) != 2 or not 0 <= place[0] < place[1] < 2**31 or not cells[0]:
                    raise InputError(
                        f"{path}, line {number}",
                        "is not an interval",
                        "chromosome, start and end, separated by tabs",
                        "give a BED file",
                    )
                names.append(cells[0])
                places.append(place)
        if not names:
            raise InputError(str(path), "holds no peaks", "one line per peak")
        starts, ends = np.array(places, dtype=np.int64).T
        return cls(names, starts, ends)

    def _code(self, name: str) -> int:
        return self.codes.get(name, -1)

    def columns(self, chromosomes: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the peak of each position, numbered in the order of the genome."""
        at = (chromosomes << 32) + places
        peaks = np.searchsorted(self.starts, at, side="right") - 1
        return np.where((chromosomes >= 0) & (peaks >= 0) & (at < self.ends[peaks]), peaks, -1)

    def names(self, columns: np.ndarray) -> list[str]:
        """Return the names of the peaks after joining."""
        by_code = list(self.codes)
        low = (1 << 32) - 1
        return [f"{by_code[self.starts[i] >> 32]}:{self.starts[i] & low}-{self.ends[i] & low}" for i in columns]

    def notices(self) -> list[str]:
        """Return a text about the number of peaks that were joined."""
        return [f"{self.joined} peaks that overlap others are joined with them"] if self.joined else []
