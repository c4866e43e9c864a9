"""Choices in a row of the samplesheet about how its files are read, for formats that leave a choice."""

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
"""Files to which each choice applies."""

PEAKS = ("peaks", EVERY)


@dataclass
class Choices:
    """Choices for reading a file.

    Attributes
    ----------
    bins
        The size of bins, in the unit of the format, or "cell": per modality, or for all (:data:`EVERY`).
    modality
        The modality under which the user gives the file, if any.
    peaks
        A file with the intervals or masses to count.
    section_column, section
        As in :class:`~spatialweave.io.section_input.SectionInput`, for formats that read one section of several.
    known
        The barcodes of spots with known coordinates, for formats that also list many other barcodes.
    labels
        The name of the column of labels, which is no feature ("" = none).
    taken
        The choices that a reader has used, each with the modality for which it was made.
    """

    bins: Mapping[str, str] = field(default_factory=dict)
    modality: str | None = None
    peaks: Path | None = None
    section_column: str | None = None
    section: str | None = None
    known: pd.Index | None = None
    labels: str = ""
    taken: set[tuple[str, str]] = field(default_factory=set)

    def on(self, modality: str | None) -> Choices:
        """Return the choices for a file that is given as a modality; `taken` is shared."""
        return replace(self, modality=modality)

    @property
    def bin(self) -> str | None:
        """The bin of the file, if one is named."""
        return self.bins.get(self._of)

    @property
    def _of(self) -> str:
        return self.modality if self.modality and self.modality in self.bins else EVERY

    def take_bin(self) -> str | None:
        """Return the bin of a file that has bins, and record that it was used."""
        self.taken.add(("bin", self._of))
        return self.bin

    def take_number(self, default: int, most: int = 10**9) -> tuple[int, bool]:
        """Return the bin as a number from 1, and whether it is the default because none is named."""
        text = self.take_bin()
        if text is None:
            return default, True
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:12]) <= most:
            raise InputError("--bin", f"'{text}' cannot be used", f"a whole number from 1 to {most}")
        return int(text), False

    def take_intervals(self) -> Path | None:
        """Return the file of genomic intervals, if one is named and was not used as a list of masses."""
        if self.peaks is None or (PEAKS in self.taken and not self._is_bed(self.peaks)):
            return None
        self.taken.add(PEAKS)
        return self.peaks

    def take_masses(self) -> Path | None:
        """Return the list of masses, if one is named: any file but a BED file."""
        if self.peaks is None or self._is_bed(self.peaks):
            return None
        self.taken.add(PEAKS)
        return self.peaks

    @staticmethod
    def _is_bed(path: Path) -> bool:
        return path.name.lower().removesuffix(".gz").endswith((".bed", ".narrowpeak", ".broadpeak"))

    def check_taken(self) -> None:
        """Refuse a choice that applies to none of the files."""
        chosen = [("bin", modality, size) for modality, size in self.bins.items()]
        chosen += [(*PEAKS, str(self.peaks))] if self.peaks is not None else []
        for name, modality, value in chosen:
            if (name, modality) not in self.taken:
                raise InputError(
                    f"--{name}",
                    f"'{modality and f'{modality}:'}{value}' does not apply to any file of this row",
                    USED_BY[name],
                    f"leave {name} empty",
                )
