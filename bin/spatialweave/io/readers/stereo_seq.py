"""Stereo-seq's .gef files (HDF5), counted in square bins or, on request, in cells.

The format is described in the manual of SAW and by STOmics/geftools. Positions are in steps of the chip (DNB);
`resolution` is the length of a step in nanometres.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_hdf5
from spatialweave.io.choices import Choices
from spatialweave.io.hdf5 import open_hdf5
from spatialweave.io.measurement import Coordinates, Measurement, plain_names, reading
from spatialweave.io.notices import warn
from spatialweave.io.readers.tally import Tally, as_matrix

BIN = 50
"""Default width of a bin in DNB: 25 micrometres, as in the publications."""

CELL = "cell"
GENE_BITS, PLACE_BITS = 20, 21
MOST_GENES, FARTHEST = 1 << GENE_BITS, 1 << PLACE_BITS
"""Limits of genes and positions in a key of 62 bits; a chip of 13 cm has 260,000 positions along a side."""

BLOCK = 4_000_000
"""Number of records read at once."""


def read(path: Path, choices: Choices) -> list[Measurement]:
    """Read bins or cells of a .gef file, in micrometres if it holds the resolution."""
    with reading(path, ".gef file"), open_hdf5(path) as file:
        check_hdf5(path, file)
        has_bins, has_cells = "geneExp" in file, "cellBin" in file
        if not has_bins and not has_cells:
            raise KeyError("it has neither a group 'geneExp' nor a group 'cellBin'")
        if choices.bin == CELL or (choices.bin is None and not has_bins):
            choices.take_bin()
            if not has_cells:
                raise InputError(
                    str(path), "holds no cells (no group 'cellBin')", "a .cellbin.gef", "give that, or a number as bin"
                )
            return [_cells_of_gef(path, file)]
        size = bin_size(path, choices)
        if not has_bins:
            raise InputError(str(path), "holds cells and no bins", "cell in the column bin", "give the .tissue.gef")
        return [_bins_of_gef(path, file["geneExp"], size)]


def bin_size(path: Path, choices: Choices, stored: int = 1) -> int:
    """Return the width of the bins in DNB; warn of the default, the least multiple of `stored` from :data:`BIN` on."""
    size, default = choices.take_number(-(-BIN // stored) * stored, FARTHEST)
    if default:
        warn(str(path), f"is counted in bins of {size} x {size} DNB (the column bin sets another width, or cell)")
    return size


def _bins_of_gef(path: Path, groups: Any, size: int) -> Measurement:
    stored = {name: int(name[3:]) for name in groups if name.startswith("bin") and name[3:].isdecimal()}
    # Stored bins that divide the wanted bins exactly.
    parts = {width: name for name, width in stored.items() if width and size % width == 0}
    if not parts:
        raise InputError(
            str(path),
            f"has no bins whose width divides {size}",
            f"a multiple of {', '.join(map(str, stored.values()))}",
        )
    group = groups[parts[size] if size in parts else parts[max(parts)]]
    genes, records = group["gene"][:], group["expression"]
    names = _gene_names(path, genes)
    counts = genes["count"].astype(np.int64)
    if counts.min(initial=0) < 0 or counts.sum() != len(records):
        raise ValueError(f"its genes have {counts.sum()} records, but the file has {len(records)}")
    ends = np.cumsum(counts)
    bins = Bins(path, size)
    for start in range(0, len(records), BLOCK):
        block = records[start : start + BLOCK]
        genes_of_block = np.searchsorted(ends, np.arange(start, start + len(block)), side="right")
        bins.add(genes_of_block, block["x"], block["y"], block["count"])
    return bins.measurement(names, _resolution(records, groups.file))


def _gene_names(path: Path, genes: Any) -> pd.Index:
    """Return the names of genes if the file has them, else identifiers."""
    for name in ("geneName", "gene", "geneID"):
        if name in (genes.dtype.names or ()):
            return plain_names(genes[name], str(path), "gene")
    raise ValueError("its table of genes has no names")


def _resolution(*holders: Any) -> float | None:
    """Return nanometres per DNB, from the attributes of the first element that has it."""
    for holder in holders:
        if "resolution" in holder.attrs:
            value = float(np.asarray(holder.attrs["resolution"]).flat[0])
            return value if 0 < value < 1e6 else None
    return None


class Bins:
    """Square bins, which are counted while records are read."""

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size, self.tally = path, size, Tally()

    def add(self, genes: np.ndarray, x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> None:
        """Add records to the counts."""
        x, y = x.astype(np.int64), y.astype(np.int64)
        if len(x) and not (min(x.min(), y.min()) >= 0 and max(x.max(), y.max()) < FARTHEST):
            raise InputError(
                str(self.path), f"a position is not within 0 .. {FARTHEST}", "x and y in steps of the chip"
            )
        if len(genes) and genes.max() >= MOST_GENES:
            raise InputError(str(self.path), f"has more than {MOST_GENES} genes", "one row per gene")
        place = ((y // self.size) << PLACE_BITS) | (x // self.size)
        self.tally.add((place << GENE_BITS) | genes.astype(np.int64), counts)

    def measurement(self, names: pd.Index, resolution: float | None) -> Measurement:
        """Return the bins as spots at their centres, named by their lowest x and y, e.g. "100_250"."""
        places, genes, matrix = as_matrix(*self.tally.result(), GENE_BITS)
        if not len(places):
            raise InputError(str(self.path), "holds no counts", "one record per gene and position")
        corner = np.column_stack([places & (FARTHEST - 1), places >> PLACE_BITS]) * self.size
        spots = pd.Index([f"{x}_{y}" for x, y in corner], dtype=object)
        centres = corner + (self.size - 1) / 2
        return measured(self.path, spots, centres, resolution, matrix, names[genes], "stereo_seq", f"bin{self.size}")


def measured(
    path: Path,
    spots: pd.Index,
    places: np.ndarray,
    resolution: float | None,
    matrix: Any,
    genes: pd.Index,
    platform: str,
    slot: str,
) -> Measurement:
    """Return spots at `places` (DNB), converted to micrometres if the resolution (nanometres per DNB) is known."""
    unit = "unknown" if resolution is None else "micrometre"
    values = places * (1.0 if resolution is None else resolution / 1000)
    features = pd.DataFrame({"feature_types": "Gene Expression"}, index=genes)
    return Measurement(
        str(path),
        pd.DataFrame(index=spots),
        {slot: lambda: (matrix, features)},
        coordinates=Coordinates(spots, values.astype(np.float64), f"{path}, {slot}", unit),
        platform=platform,
    )


def _cells_of_gef(path: Path, file: Any) -> Measurement:
    from scipy import sparse

    group = file["cellBin"]
    cells, genes, records = group["cell"][:], group["gene"][:], group["cellExp"][:]
    counts = cells["geneCount"].astype(np.int64)
    ends = np.cumsum(counts)
    if not len(cells) or ends[-1] != len(records) or (cells["offset"] != ends - counts).any():
        raise ValueError("its table of cells does not fit its counts")
    names = _gene_names(path, genes)
    matrix = sparse.csr_matrix(
        (records["count"].astype(np.float32), records["geneID"].astype(np.int64), np.append(0, ends)),
        shape=(len(cells), len(names)),
    )
    spots = pd.Index(cells["id"].astype(str), dtype=object)
    places = np.column_stack([cells["x"], cells["y"]]).astype(np.float64)
    return measured(path, spots, places, _resolution(group["cell"], file), matrix, names, "cells", CELL)
