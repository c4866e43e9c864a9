"""Imaging mass spectrometry (.imzML with its .ibd), read by pyimzml: intensities of peaks per pixel.

Without a list of masses, peaks are picked on the mean spectrum, as in Cardinal and the preparation for METASPACE: its
local maxima, the highest first, each at least two tolerances from all higher peaks. A peak's intensity in a pixel is
the sum within the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io import table_cells, tables
from spatialweave.io.choices import Choices
from spatialweave.io.measurement import Coordinates, Measurement, reading
from spatialweave.io.notices import warn
from spatialweave.io.readers import peak_picking
from spatialweave.io.readers.folder import find

TOLERANCE = 20
"""Default tolerance in parts per million to either side."""

RAREST = 0.01
"""Smallest fraction of the pixels with a peak that was picked; rarer peaks are left out."""

COMPRESSED = "MS:1000574"
"""The accession of zlib compression, which pyimzml does not decompress."""


def is_imzml(path: Path) -> bool:
    """Return whether a folder holds an .imzML file."""
    return find(path, ".imzML", ".imzml") is not None


def read(path: Path, choices: Choices) -> list[Measurement]:
    """Read pixels x peaks of an .imzML file, or of the folder with it and its .ibd."""
    file = (find(path, ".imzML", ".imzml") or path) if path.is_dir() else path
    tolerance, default = choices.take_number(TOLERANCE, 100_000)
    masses_file = choices.take_masses()
    with reading(file, "imzML file"), _opened(file) as spectra:
        if masses_file is not None:
            names, masses = read_masses(masses_file)
        else:
            masses = _picked(spectra, tolerance * 1e-6)
            names = [f"{mass:.4f}" for mass in masses]
        matrix = spectra.sums(masses * (1 - tolerance * 1e-6), masses * (1 + tolerance * 1e-6))
        coordinates, unit = spectra.coordinates()
    if masses_file is None:
        often = np.flatnonzero(matrix.getnnz(axis=0) >= max(1, RAREST * matrix.shape[0]))
        matrix, masses, names = matrix[:, often], masses[often], [names[i] for i in often]
    if not matrix.nnz:
        raise InputError(
            str(path), "no pixel has an intensity at a peak", "spectra with peaks", "give other masses or a larger bin"
        )
    picked = (
        ""
        if masses_file is not None
        else f"{len(masses)} peaks of the mean spectrum (the column peaks gives a list of m/z), "
    )
    warn(
        str(path),
        f"{picked}summed within {tolerance} ppm" + (" (the column bin sets another tolerance)" if default else ""),
    )
    features = pd.DataFrame({"mz": masses}, index=pd.Index(names, dtype=object))
    several = len(np.unique(coordinates[:, 2])) > 1
    pixels = [tuple(row) if several else tuple(row[:2]) for row in spectra.places.tolist()]
    spots = pd.Index(["_".join(map(str, pixel)) for pixel in pixels], dtype=object)
    # Sections are separated by a column with this name.
    obs = pd.DataFrame({"section": spectra.places[:, 2].astype(str)} if several else {}, index=spots)
    where = f"{path}, positions of the pixels"
    return [
        Measurement(
            str(path),
            obs,
            {"peaks": lambda: (matrix, features)},
            coordinates=Coordinates(spots, coordinates[:, :2], where, unit),
            modality="metabolite",
            platform="maldi",
        )
    ]


def read_masses(path: Path) -> tuple[list[str], np.ndarray]:
    """Read names and m/z from a list: one m/z per line, optionally followed by a name; a header is skipped."""
    tables.check_file(path, "a list of m/z")
    names: list[str] = []
    masses: list[float] = []
    with tables.open_text(path) as stream:
        for number, line in enumerate(stream, start=1):
            cells = [cell.strip().strip('"') for cell in line.replace("\t", ",").replace(";", ",").split(",")]
            if not any(cells) or line.startswith("#"):
                continue
            mass = table_cells.to_number(cells[0])
            if mass is None and not masses and number == 1:
                continue
            if mass is None or not 0 < mass < 1e7:
                raise InputError(
                    f"{path}, line {number}", f"'{cells[0]}' is not an m/z", "a number above 0 in the first column"
                )
            masses.append(mass)
            names.append(next((cell for cell in cells[1:] if cell), f"{mass:.4f}"))
    if not masses:
        raise InputError(str(path), "holds no m/z", "one per line")
    return names, np.array(masses)


@contextmanager
def _opened(file: Path) -> Iterator[Spectra]:
    from pyimzml.ImzMLParser import ImzMLParser

    with _binary(file).open("rb") as stream:
        yield Spectra(ImzMLParser(str(file), parse_lib="ElementTree", ibd_file=stream), stream)


def _binary(file: Path) -> Path:
    """Return the .ibd beside an .imzML, or beside the target of a link, since the pipeline stages files as links."""
    for beside in (file, file.resolve()):
        for ending in (".ibd", ".IBD"):
            if beside.with_suffix(ending).is_file():
                return beside.with_suffix(ending)
    raise InputError(
        str(file), f"has no {file.stem}.ibd beside it", "both files of imzML", "give the folder that holds them"
    )


class Spectra:
    """Spectra of an opened .imzML, read one at a time."""

    def __init__(self, parser: Any, stream: Any) -> None:
        self._parser = parser
        self.places = np.array(parser.coordinates, dtype=np.int64)
        """x, y and z of the pixels, in pixels."""
        groups = parser.metadata.referenceable_param_groups.values()
        if any(COMPRESSED in str(getattr(group, "param_by_accession", {})) or COMPRESSED in group for group in groups):
            raise InputError(
                str(parser.filename), "its spectra are compressed", "spectra as plain numbers", "export without zlib"
            )
        self._check_ends(stream)
        self.continuous = len(set(parser.mzOffsets)) == 1
        self.centroided = parser.spectrum_mode == "centroid"

    def _check_ends(self, stream: Any) -> None:
        """Refuse spectra that end beyond their file, before memory is allocated for them."""
        stored = stream.seek(0, 2)
        parser = self._parser
        for what, offsets, lengths, precision in (
            ("m/z", parser.mzOffsets, parser.mzLengths, parser.mzPrecision),
            ("intensities", parser.intensityOffsets, parser.intensityLengths, parser.intensityPrecision),
        ):
            size = np.dtype(precision).itemsize
            for number, (offset, length) in enumerate(zip(offsets, lengths, strict=True), start=1):
                if offset < 0 or length < 0 or offset + length * size > stored:
                    raise InputError(
                        str(parser.filename),
                        f"the {what} of spectrum {number} end beyond the .ibd of {stored} bytes",
                        "a whole .ibd",
                        "copy it again",
                    )

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield m/z, ascending, and intensities (float64) of each pixel."""
        for number in range(len(self)):
            masses, values = self._parser.getspectrum(number)
            if len(masses) != len(values):
                raise ValueError(f"spectrum {number + 1} has {len(masses)} m/z and {len(values)} intensities")
            masses, values = masses.astype(np.float64), values.astype(np.float64)
            if not (np.isfinite(masses).all() and (masses > 0).all()):
                raise ValueError(f"spectrum {number + 1} has an m/z that is not a number above 0")
            if (np.diff(masses) < 0).any():
                order = np.argsort(masses, kind="stable")
                masses, values = masses[order], values[order]
            yield masses, values

    def sums(self, lowest: np.ndarray, highest: np.ndarray) -> sparse.csr_matrix:
        """Return sums of intensities from `lowest` to `highest` m/z, pixels x windows; windows may overlap."""
        indptr, indices, data = [0], [], []
        for masses, values in self:
            ends = np.searchsorted(masses, highest, side="right")
            starts = np.searchsorted(masses, lowest, side="left")
            # Every second sum, over [start, end), is kept; the zero serves windows at the end.
            pairs = np.column_stack([starts, ends]).ravel()
            window_sums = np.add.reduceat(np.append(values, 0.0), pairs)[::2]
            used = np.flatnonzero((starts < ends) & (window_sums != 0))
            indices.append(used)
            data.append(window_sums[used].astype(np.float32))
            indptr.append(indptr[-1] + len(used))
        shape = (len(self), len(lowest))
        return sparse.csr_matrix((np.concatenate(data), np.concatenate(indices), indptr), shape=shape)

    def coordinates(self) -> tuple[np.ndarray, str]:
        """Return x, y and z of the pixels (float64), in micrometres if their size is given, and the unit."""
        sizes = [self._parser.imzmldict.get(f"pixel size {axis}") for axis in "xy"]
        sizes[1] = sizes[1] or sizes[0]
        values = self.places.astype(np.float64)
        if all(isinstance(size, int | float) and 0 < size < 1e5 for size in sizes):
            return values * np.array([*sizes, 1.0]), "micrometre"
        return values, "pixel"


def _picked(spectra: Spectra, tolerance: float) -> np.ndarray:
    """Return m/z of the peaks of the mean spectrum, ascending."""
    if spectra.continuous:
        axis, total = np.empty(0), np.zeros(0)
        for masses, values in spectra:
            axis, total = (masses, values) if not len(axis) else (axis, total + values)
        if spectra.centroided or len(axis) <= peak_picking.MOST:
            return axis
        return peak_picking.peaks_of_profile(axis, total / len(spectra), tolerance)
    binned = peak_picking.Binned(tolerance)
    for masses, values in spectra:
        binned.add(masses, values)
    return binned.peaks(len(spectra))
