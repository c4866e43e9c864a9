"""Text matrices (.csv, .tsv, .txt, also .gz): a header of feature names, then one line per spot, its barcode first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.column_names import facts_among
from spatialweave.io.coordinates import in_obs, on_slide
from spatialweave.io.measurement import Measurement
from spatialweave.io.notices import warn

if TYPE_CHECKING:
    from scipy import sparse

BLOCK_CELLS = 10_000_000
"""Cells parsed at once (80 MB as float64): only one block of the matrix is ever dense."""


def read(path: Path, modality: str | None = None) -> list[Measurement]:
    """Read a text matrix, spots x features; cells that are not numbers are refused with their line and column.

    Columns with coordinates or well-known facts about spots are not features; `modality` is that under which the file
    is given, if any.
    """
    header = tables.read_header(path)
    if len(header) < 2:
        raise InputError(
            str(path),
            "has only one column",
            "barcodes, then one column per feature",
            "separate cells by commas, tabs or semicolons",
        )
    for position, name in enumerate(header[1:], start=2):
        if not name:
            raise InputError(f"{path}, line 1, column {position}", "has no name", "the name of a feature")
    facts = [position + 1 for position in facts_among(header[1:], modality)]
    if facts:
        named = ", ".join(f"'{header[i]}'" for i in facts)
        warn(str(path), f"the columns {named} are coordinates or facts about spots, not features, and are left out")
    if len(facts) == len(header) - 1:
        raise InputError(str(path), f"has no features besides the columns {named}", "one column per feature")
    obs, matrix = parse(path, len(header), facts)
    obs.columns = pd.Index([header[i] for i in facts], dtype=object)
    obs = obs.loc[:, ~obs.columns.duplicated()]
    features = pd.DataFrame(index=pd.Index([n for i, n in enumerate(header) if i and i not in facts], dtype=object))
    return [_measurement(path, obs, matrix, features)]


def _measurement(path: Path, obs: pd.DataFrame, matrix: sparse.csr_matrix, features: pd.DataFrame) -> Measurement:
    def turned() -> Measurement:
        return _measurement(path, features, matrix.T, obs)

    return Measurement(
        str(path),
        obs,
        {"matrix": lambda: (matrix, features)},
        coordinates=in_obs(obs, str(path)),
        on_slide=on_slide({}, obs, str(path)),
        turned=turned,
    )


def parse(path: Path, width: int, facts: Sequence[int]) -> tuple[pd.DataFrame, sparse.csr_matrix]:
    """Return facts about the spots (columns at these positions) under their barcodes, and the matrix of other columns.

    Barcodes are the first column, which may also be among the facts.
    """
    from scipy import sparse

    columns = [i for i in range(1, width) if i not in facts]
    blocks: list[sparse.csr_matrix] = []
    beside: list[pd.DataFrame] = []
    try:
        begin = tables.start(path)
        with tables.open_text(path) as stream:
            tables.skip_header(stream, begin)
            for block in _blocks(stream, begin.separator, width, facts):
                values = block[columns].to_numpy(dtype=np.float64)
                # Pandas makes an index of the first cells of rows that are longer than the header.
                if not np.isfinite(values).all() or not isinstance(block.index, pd.RangeIndex):
                    raise ValueError("missing, infinite or surplus cells")
                beside.append(block[sorted({0, *facts})])
                blocks.append(sparse.csr_matrix(values))
    except ValueError as error:
        # The fast parser does not locate the error, so the file is read again to the first bad cell.
        raise tables.first_bad_cell(path, facts) from error
    table = pd.concat(beside)
    if not len(table):
        raise InputError(str(path), "has a header but no rows", "one line per spot")
    obs = pd.DataFrame(index=pd.Index([str(name).strip() for name in table[0]], dtype=object))
    for i in facts:
        obs[i] = _numbers_or_text(table[i].astype(str).str.strip()).to_numpy()
    return obs, sparse.vstack(blocks, format="csr")


def _numbers_or_text(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers if all of its cells are numbers or empty."""
    values = pd.to_numeric(column, errors="coerce")
    return column if (values.isna() & (column != "")).any() else values


def _blocks(stream: TextIO, separator: str, width: int, facts: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Yield blocks of rows: barcodes in column 0, text in the columns of `facts`, float64 in the others."""
    types: defaultdict[int, str] = defaultdict(lambda: "float64", dict.fromkeys((0, *facts), "str"))
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
