"""Text matrices (.csv, .tsv, also .gz): a header of feature names, then one line per spot, its barcode first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.measurement import Measurement

if TYPE_CHECKING:
    from scipy import sparse

BLOCK_CELLS = 10_000_000
"""Cells parsed at once (80 MB as float64): only one block of the matrix is ever dense."""


def read(path: Path) -> list[Measurement]:
    """A text matrix, spots x features; whatever is not a number is refused with its line and column."""
    header = tables.read_header(path)
    if len(header) < 2:
        other = ";" if ";" in header[0] else "\t" if "\t" in header[0] else ","
        found = "has one column only" + (f", with '{other}' in it" if other in header[0] else "")
        raise InputError(
            str(path), found, "barcodes, then one column per feature", "separate cells by commas (.csv) or tabs (.tsv)"
        )
    for position, name in enumerate(header[1:], start=2):
        if not name:
            raise InputError(f"{path}, line 1, column {position}", "has no name", "the name of a feature")
    barcodes, matrix = _parse(path, len(header))
    features = pd.DataFrame(index=pd.Index(header[1:], dtype=object))
    return [Measurement(str(path), pd.DataFrame(index=barcodes), {"matrix": lambda: (matrix, features)})]


def _parse(path: Path, width: int) -> tuple[pd.Index, sparse.csr_matrix]:
    from scipy import sparse

    names: list[str] = []
    blocks: list[sparse.csr_matrix] = []
    try:
        with tables.open_text(path) as stream:
            tables.skip_header(path, stream)
            for block in _blocks(stream, tables.separator(path), width):
                values = block.iloc[:, 1:].to_numpy(dtype=np.float64)
                # Pandas takes the first cells of rows that are longer than the header for an index.
                if not np.isfinite(values).all() or not isinstance(block.index, pd.RangeIndex):
                    raise ValueError("missing, infinite or surplus cells")
                names.extend(str(name).strip() for name in block[0])
                blocks.append(sparse.csr_matrix(values))
    except ValueError as error:
        # The fast parser does not say where it stumbled: read again, slowly, to the first bad cell.
        raise tables.first_bad_cell(path) from error
    if not names:
        raise InputError(str(path), "has a header but no rows", "one line per spot")
    return pd.Index(names, dtype=object), sparse.vstack(blocks, format="csr")


def _blocks(stream: TextIO, separator: str, width: int) -> Iterator[pd.DataFrame]:
    """Blocks of rows; column 0 holds the barcodes, the others float64."""
    types: defaultdict[int, str] = defaultdict(lambda: "float64", {0: "str"})
    with pd.read_csv(
        stream,
        sep=separator,
        header=None,
        names=list(range(width)),
        dtype=types,
        keep_default_na=False,
        chunksize=max(1, BLOCK_CELLS // width),
    ) as reader:
        yield from reader
