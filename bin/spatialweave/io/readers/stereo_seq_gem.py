"""Stereo-seq's .gem tables, one line per gene and place: counted in square bins or, where these are named, cells."""

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
"""What the columns of a .gem are called (any case)."""

GEM_CELLS = ("cellid", "cell_id", "cell", "label")
"""Likewise the column of cells; cell 0 is outside."""

BIN_SIZE = re.compile(r"#\s*BinSize\s*=\s*(.*?)\s*", re.IGNORECASE)
"""The comment line that says in which bins the records are counted already, of which they name the first place."""


def is_gem(header: Sequence[str]) -> bool:
    """Whether a text table is a .gem, by its columns."""
    lowered = {name.lower() for name in header}
    return {"x", "y"} <= lowered and bool(lowered & {"geneid", "genename"})


def read(path: Path, choices: Choices) -> list[Measurement]:
    """Bins or cells of a .gem table, read as a stream; a cell is where the mean of its records is."""
    header = tables.read_header(path)
    lowered = [name.lower() for name in header]
    columns = {what: next((n for n in names if n in lowered), None) for what, names in GEM_COLUMNS.items()}
    absent = [GEM_COLUMNS[what][-1] for what, name in columns.items() if name is None]
    if absent:
        raise InputError(
            str(path), f"has no column '{absent[0]}'", "geneID, x, y, MIDCount", "give a .gem as SAW writes it"
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
            f"its records are bins of {stored} DNB, of which {size} is no multiple",
            f"a multiple of {stored} as bin",
            "name one, or give the .gem of bin 1",
        )
    bins, genes = Bins(path, size), _Names()
    for block in _blocks(path, lowered, columns):
        bins.add(genes.codes(block["gene"]), *(block[name].to_numpy() for name in ("x", "y", "count")))
    return [bins.measurement(pd.Index(list(genes.known), dtype=object), None)]


def _stored_bin(path: Path) -> int:
    """The width of the bins in which the records are counted already, by the comments; 1 where they do not say it."""
    with tables.open_text(path) as stream:
        for _line in range(tables.start(path).comments):
            said = BIN_SIZE.fullmatch(stream.readline())
            if said is None:
                continue
            width = said[1].lower().removeprefix("bin")
            if width.isascii() and width.isdecimal() and 1 <= int(width[:12]) <= FARTHEST:
                return int(width)
            warn(f"{path}, #BinSize", f"'{said[1]}' is no width of bins; the records are taken for those of bin 1")
    return 1


class _Names:
    """Codes of names in the order of their first appearance."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def codes(self, column: Any) -> np.ndarray:
        """The codes of a column that is stored as a dictionary."""
        codes = [self.known.setdefault(name, len(self.known)) for name in column.dictionary.to_pylist()]
        return np.array(codes, dtype=np.int64)[column.indices.to_numpy()]


def _blocks(path: Path, header: Sequence[str], columns: dict[str, str | None]) -> Any:
    """Blocks of records (Arrow): columns under the names of `columns`, genes as dictionaries, all else as integers."""
    import pyarrow
    from pyarrow import csv

    begin = tables.start(path)
    taken = {name: what for what, name in columns.items()}
    names = [taken.get(name, f"other {i}") for i, name in enumerate(header)]
    types = {what: pyarrow.int64() for what in columns} | {
        "gene": pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    }
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
    """Cells where the mean of their records is: of bins of `stored` places, in the middle of these."""
    genes, tally, sums = _Names(), Tally(), Tally()
    outside = 0
    for block in _blocks(path, header, columns):
        codes, cells = genes.codes(block["gene"]), block[CELL].to_numpy()
        if len(cells) and not 0 <= cells.min() <= cells.max() < 1 << (62 - GENE_BITS):
            raise InputError(
                str(path), "a cell has a number below 0 or beyond all reason", "whole numbers, 0 = outside"
            )
        inside = cells > 0
        outside += int((~inside).sum())
        tally.add((cells[inside] << GENE_BITS) | codes[inside], block["count"].to_numpy()[inside])
        for which, values in enumerate((np.ones(len(cells)), block["x"].to_numpy(), block["y"].to_numpy())):
            sums.add((cells[inside] << 2) | which, values[inside])
    ids, used, matrix = as_matrix(*tally.result(), GENE_BITS)
    if not len(ids):
        raise InputError(str(path), "no record of it is in a cell", "numbers of cells above 0")
    if outside:
        warn(str(path), f"{outside} records are outside of cells (cell 0), left out")
    # Three for each cell: how many records, and the sums of their x and y.
    moments = sums.result()[1].reshape(-1, 3)
    spots = pd.Index([str(number) for number in ids], dtype=object)
    names = pd.Index(list(genes.known), dtype=object)[used]
    centres = moments[:, 1:] / moments[:, :1] + (stored - 1) / 2
    return measured(path, spots, centres, None, matrix, names, "cells", CELL)
