"""Stereo-seq's .gem tables, one line per gene and position, counted in square bins or, on request, in cells."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
from spatialweave.io.readers.stereo_seq import CELL, FARTHEST, GENE_BITS, Bins, bin_size, measured
from spatialweave.io.readers.tally import Tally, as_matrix

GEM_COLUMNS = {
    "gene": ("genename", "geneid"),
    "x": ("x",),
    "y": ("y",),
    "count": ("midcount", "midcounts", "umicount", "umicounts", "count"),
}
"""Names (any case) of the columns of a .gem. Genes are told apart by their IDs, where it has these and names."""

GEM_CELLS = ("cellid", "cell_id", "cell", "label")
"""Names (any case) of the column of cells; cell 0 is outside the cells."""

BIN_SIZE = re.compile(r"#\s*BinSize\s*=\s*(.*?)\s*", re.IGNORECASE)
"""Comment line with the width of the bins in which the records are already counted; x and y are a bin's lowest."""


def is_gem(header: Sequence[str]) -> bool:
    """Return whether a text table is a .gem, by its columns."""
    lowered = {name.lower() for name in header}
    return {"x", "y"} <= lowered and bool(lowered & {"geneid", "genename"})


def read(path: Path, choices: Choices) -> list[Measurement]:
    """Read bins or cells of a .gem table as a stream; a cell is at the mean position of its records."""
    header = tables.read_header(path)
    lowered = [name.lower() for name in header]
    columns = {what: next((n for n in names if n in lowered), None) for what, names in GEM_COLUMNS.items()}
    if {"genename", "geneid"} <= set(lowered):
        columns |= {"gene": "geneid", "name": "genename"}
    absent = [GEM_COLUMNS[what][-1] for what, name in columns.items() if name is None]
    if absent:
        raise InputError(
            str(path), f"has no column '{absent[0]}'", "geneID, x, y, MIDCount", "give a .gem written by SAW"
        )
    cell = next((name for name in GEM_CELLS if name in lowered), None)
    stored = _stored_bin(path)
    if choices.bin == CELL:
        choices.take_bin()
        if cell is None:
            raise InputError(
                str(path), "has no column of cells", f"one of {', '.join(GEM_CELLS)}", "give a number as bin"
            )
        return [_cells_of_gem(path, lowered, {**columns, CELL: cell}, stored)]
    size = bin_size(path, choices, stored)
    if size % stored:
        raise InputError(
            f"{path}, #BinSize",
            f"its records are bins of {stored} DNB, and {size} is not a multiple of {stored}",
            f"a multiple of {stored} as bin",
            "choose one, or give the .gem of bin 1",
        )
    bins, genes = Bins(path, size), _Genes()
    for block in _blocks(path, lowered, columns):
        bins.add(genes.codes(block), *(block[name].to_numpy() for name in ("x", "y", "count")))
    return [bins.measurement(genes.names(), None)]


def _stored_bin(path: Path) -> int:
    """Return the width of the bins in which the records are already counted, by the comments; 1 without one."""
    with tables.open_text(path) as stream:
        for _line in range(tables.start(path).comments):
            comment = BIN_SIZE.fullmatch(stream.readline())
            if comment is None:
                continue
            width = comment[1].lower().removeprefix("bin")
            if width.isascii() and width.isdecimal() and 1 <= int(width[:12]) <= FARTHEST:
                return int(width)
            warn(f"{path}, #BinSize", f"'{comment[1]}' is not a bin width; the records are read as bin 1")
    return 1


class _Genes:
    """Codes of genes in the order of their first appearance, and the name of each."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def codes(self, block: Any) -> np.ndarray:
        """Return the codes of the genes of a block of records, whose genes and names are stored as dictionaries."""
        column = block["gene"]
        of_dictionary = [self.known.setdefault(gene, len(self.known)) for gene in column.dictionary.to_pylist()]
        codes = np.array(of_dictionary, dtype=np.int64)[column.indices.to_numpy()]
        if "name" in block.schema.names:
            names, rows = block["name"], block["name"].indices.to_numpy()
            for code, first in zip(*np.unique(codes, return_index=True), strict=True):
                self._names.setdefault(int(code), names.dictionary[int(rows[first])].as_py())
        return codes

    def names(self) -> pd.Index:
        """Return the names of the genes, by their codes."""
        return pd.Index([self._names.get(code) or gene for gene, code in self.known.items()], dtype=object)


def _blocks(path: Path, header: Sequence[str], columns: dict[str, str | None]) -> Any:
    """Yield blocks of records (Arrow): columns named as in `columns`, genes as dictionaries, others as integers."""
    import pyarrow
    from pyarrow import csv

    begin = tables.start(path)
    taken = {name: what for what, name in columns.items()}
    names = [taken.get(name, f"other {i}") for i, name in enumerate(header)]
    text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    types = {what: text if what in ("gene", "name") else pyarrow.int64() for what in columns}
    with reading(path, ".gem table"), tables.open_binary(path, SPOTS_RATIO) as stream:
        for _line in range(begin.comments + 1):
            stream.readline()
        yield from csv.open_csv(
            pyarrow.PythonFile(stream, mode="r"),
            csv.ReadOptions(column_names=names, block_size=16 * 2**20, use_threads=False),
            csv.ParseOptions(delimiter=begin.separator, quote_char=False),
            csv.ConvertOptions(column_types=types, include_columns=list(columns), null_values=[]),
        )


def _cells_of_gem(path: Path, header: Sequence[str], columns: dict[str, str | None], stored: int) -> Measurement:
    """Return cells at the mean position of their records, which are bins of `stored` DNB, each at its middle."""
    genes, tally, sums = _Genes(), Tally(), Tally()
    outside = 0
    for block in _blocks(path, header, columns):
        codes, cells = genes.codes(block), block[CELL].to_numpy()
        limit = (1 << (62 - GENE_BITS)) - 1
        if len(cells) and not 0 <= cells.min() <= cells.max() <= limit:
            found = f"a cell number is negative or larger than {limit}"
            raise InputError(str(path), found, "whole numbers, 0 = outside the cells")
        inside = cells > 0
        outside += int((~inside).sum())
        tally.add((cells[inside] << GENE_BITS) | codes[inside], block["count"].to_numpy()[inside])
        for which, values in enumerate((np.ones(len(cells)), block["x"].to_numpy(), block["y"].to_numpy())):
            sums.add((cells[inside] << 2) | which, values[inside])
    ids, used, matrix = as_matrix(*tally.result(), GENE_BITS)
    if not len(ids):
        raise InputError(str(path), "none of its records is in a cell", "numbers of cells above 0")
    if outside:
        warn(str(path), f"{outside} records are outside the cells (cell 0), left out")
    # Each cell has three sums: the number of its records, and the sums of their x and y.
    moments = sums.result()[1].reshape(-1, 3)
    spots = pd.Index([str(number) for number in ids], dtype=object)
    names = genes.names()[used]
    centres = moments[:, 1:] / moments[:, :1] + (stored - 1) / 2
    return measured(path, spots, centres, None, matrix, names, "cells", CELL)
