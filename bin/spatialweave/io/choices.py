"""What a row of the samplesheet says of how its files are read, for the readers of formats that leave a choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from spatialweave.errors import InputError

USED_BY = {
    "bin": ".gef, .gem, imzML, fragments, Visium HD outs or a SpatialData store with tables of several bins",
    "peaks": "fragments or imzML",
}
"""Each choice, and the files that have it."""


@dataclass
class Choices:
    """What can be chosen of a file.

    Attributes
    ----------
    bin
        The size of bins, in what the format counts in, or "cell".
    peaks
        A file with the intervals, or the masses, that are counted.
    section_column, section
        As in :class:`~spatialweave.io.section_input.SectionInput`, for formats that read one section of several.
    known
        The barcodes of spots whose coordinates are known, for formats that list many others.
    taken
        The choices that a reader has asked for.
    """

    bin: str | None = None
    peaks: Path | None = None
    section_column: str | None = None
    section: str | None = None
    known: pd.Index | None = None
    taken: set[str] = field(default_factory=set)

    def take_bin(self) -> str | None:
        """The bin, if one is named."""
        self.taken.add("bin")
        return self.bin

    def take_number(self, default: int, most: int = 10**9) -> tuple[int, bool]:
        """The bin as a number of at least 1, and whether it is the default, since none is named."""
        text = self.take_bin()
        if text is None:
            return default, True
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:12]) <= most:
            raise InputError("--bin", f"'{text}' cannot be used", f"a whole number from 1 to {most}")
        return int(text), False

    def take_intervals(self) -> Path | None:
        """The file of genomic intervals, if one is named: any but one that has been taken for masses."""
        if self.peaks is None or ("peaks" in self.taken and not self._is_bed(self.peaks)):
            return None
        self.taken.add("peaks")
        return self.peaks

    def take_masses(self) -> Path | None:
        """The list of masses, if one is named: any file but a BED."""
        if self.peaks is None or self._is_bed(self.peaks):
            return None
        self.taken.add("peaks")
        return self.peaks

    @staticmethod
    def _is_bed(path: Path) -> bool:
        return path.name.lower().removesuffix(".gz").endswith((".bed", ".narrowpeak", ".broadpeak"))

    def check_taken(self) -> None:
        """Refuse what was chosen where no file has this choice."""
        for name, given in (("bin", self.bin), ("peaks", self.peaks)):
            if given is not None and name not in self.taken:
                raise InputError(
                    f"--{name}",
                    f"'{given}' has no meaning for the files of this row",
                    USED_BY[name],
                    f"leave {name} empty",
                )
