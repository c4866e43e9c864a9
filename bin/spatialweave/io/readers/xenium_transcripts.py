"""Counts per cell of selected transcripts in Xenium's table of transcripts (transcripts.parquet).

10x Genomics describes it under "Understanding Xenium Outputs". The cell-feature matrix counts the transcripts with a
quality value of 20 or more anywhere in a cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.measurement import plain_text, reading
from spatialweave.io.readers.tally import Tally

DEFAULT_QUALITY = 20
COLUMNS = ("cell_id", "feature_name", "qv")
IN_NUCLEUS = "overlaps_nucleus"
ROWS_PER_BATCH = 1_000_000


@dataclass(frozen=True)
class Choice:
    """Selection of transcripts: those with this quality value or more, either all or only those over a nucleus."""

    quality: int = DEFAULT_QUALITY
    nucleus: bool = False


CHOICES = {
    "nucleus": Choice(nucleus=True),
    **{f"q{quality}": Choice(quality) for quality in (30, 40)},
    **{f"nucleus_q{quality}": Choice(quality, nucleus=True) for quality in (30, 40)},
}
"""Choices by their names in the samplesheet's column `layer`; the quality values end at 40."""


def count(path: Path, cells: pd.Index, genes: pd.Index, choice: Choice) -> sparse.csr_matrix:
    """Count the transcripts of each gene in each cell (CSR, float32) in batches; other names are left out.

    Raises
    ------
    InputError
        When the file lacks a column, cannot be read, or has no transcript of these cells and genes.
    """
    tally = Tally()
    names: dict[str, dict[object, int]] = {"cell_id": {}, "feature_name": {}}
    for batch in _batches(path, [*COLUMNS, *([IN_NUCLEUS] if choice.nucleus else [])]):
        rows = _positions(batch["cell_id"], cells, names["cell_id"])
        columns = _positions(batch["feature_name"], genes, names["feature_name"])
        taken = (rows >= 0) & (columns >= 0) & (batch["qv"].to_numpy() >= choice.quality)
        if choice.nucleus:
            taken &= batch[IN_NUCLEUS].to_numpy() != 0
        tally.add(rows[taken] * len(genes) + columns[taken])
    keys, sums = tally.result()
    if not len(keys):
        raise InputError(
            str(path), "has no transcript of the cells and genes of the matrix", "the file of the same folder"
        )
    entries = (sums.astype(np.float32), (keys // len(genes), keys % len(genes)))
    return sparse.csr_matrix(entries, shape=(len(cells), len(genes)))


def _batches(path: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.parquet

    with reading(path, "parquet file of transcripts"):
        file = pyarrow.parquet.ParquetFile(path)
        missing = [name for name in columns if name not in file.schema_arrow.names]
        if missing:
            listed = ", ".join(f"'{name}'" for name in file.schema_arrow.names[:12])
            raise InputError(str(path), f"has no column '{missing[0]}' (found: {listed})", f"columns {columns}")
        for name in columns[len(COLUMNS) - 1 :]:
            kind = file.schema_arrow.field(name).type
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
                raise InputError(str(path), f"column '{name}' holds {kind}", "numbers", "copy the file again")
        for batch in file.iter_batches(ROWS_PER_BATCH, columns=columns):
            yield batch.to_pandas()


def _positions(values: pd.Series, names: pd.Index, known: dict[object, int]) -> np.ndarray:
    """Return the position of each value among the names, -1 = none; `known` caches the positions found."""
    codes, distinct = pd.factorize(values)
    fresh = [value for value in distinct if value not in known]
    known.update(
        zip(fresh, names.get_indexer(pd.Index([plain_text(value) for value in fresh], dtype=object)), strict=True)
    )
    found = np.array([*(known[value] for value in distinct), -1], dtype=np.int64)
    return found[codes]
