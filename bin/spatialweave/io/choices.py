"""What a row of the samplesheet says of how its files are read, for the readers of formats that leave a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.declared import EVERY

USED_BY = {
    "bin": ".gef, .gem, imzML, fragments, Visium HD outs or a SpatialData store with tables of several bins",
    "peaks": "fragments or imzML",
}
"""Each choice, and the files that have it."""

PEAKS = ("peaks", EVERY)


@dataclass
class Choices:
    """What can be chosen of a file.

    Attributes
    ----------
    bins
        The size of bins, in what the format counts in, or "cell": per modality, or for all (:data:`EVERY`).
    modality
        The modality that the file is given as, if any.
    peaks
        A file with the intervals, or the masses, that are counted.
    section_column, section
        As in :class:`~spatialweave.io.section_input.SectionInput`, for formats that read one section of several.
    known
        The barcodes of spots whose coordinates are known, for formats that list many others.
    taken
        The choices that a reader has asked for, each with the modality that it was named for.
    """

    bins: Mapping[str, str] = field(default_factory=dict)
    modality: str | None = None
    peaks: Path | None = None
    section_column: str | None = None
    section: str | None = None
    known: pd.Index | None = None
    taken: set[tuple[str, str]] = field(default_factory=set)

    def on(self, modality: str | None) -> Choices:
        """The same for a file that is given as a modality; what is taken is shared."""
        return replace(self, modality=modality)

    @property
    def bin(self) -> str | None:
        """The bin of the file, if one is named."""
        return self.bins.get(self._of)

    @property
    def _of(self) -> str:
        return self.modality if self.modality and self.modality in self.bins else EVERY

    def take_bin(self) -> str | None:
        """The bin of the file, which has bins."""
        self.taken.add(("bin", self._of))
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
        if self.peaks is None or (PEAKS in self.taken and not self._is_bed(self.peaks)):
            return None
        self.taken.add(PEAKS)
        return self.peaks

    def take_masses(self) -> Path | None:
        """The list of masses, if one is named: any file but a BED."""
        if self.peaks is None or self._is_bed(self.peaks):
            return None
        self.taken.add(PEAKS)
        return self.peaks

    @staticmethod
    def _is_bed(path: Path) -> bool:
        return path.name.lower().removesuffix(".gz").endswith((".bed", ".narrowpeak", ".broadpeak"))

    def check_taken(self) -> None:
        """Refuse what was chosen where no file has this choice."""
        given = [("bin", modality, size) for modality, size in self.bins.items()]
        given += [(*PEAKS, str(self.peaks))] if self.peaks is not None else []
        for name, modality, value in given:
            if (name, modality) not in self.taken:
                raise InputError(
                    f"--{name}",
                    f"'{modality and f'{modality}:'}{value}' has no meaning for the files of this row",
                    USED_BY[name],
                    f"leave {name} empty",
                )
