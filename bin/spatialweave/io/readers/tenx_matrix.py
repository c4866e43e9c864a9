"""10x Genomics matrix folders: matrix.mtx, barcodes.tsv and features.tsv (version 3) or genes.tsv (version 2).

Cell Ranger ATAC writes peaks.bed instead of features.tsv.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_array
from spatialweave.io.measurement import Measurement, reading
from spatialweave.io.notices import warn
from spatialweave.io.tables import open_binary, open_text

if TYPE_CHECKING:
    from scipy import sparse


PREFIXED = re.compile(r"^.*[_.-](?=(matrix|barcodes|features|genes|peaks)\.(mtx|tsv|bed)(\.gz)?$)")
"""Prefix before the names of 10x Genomics, e.g. "GSM1_A1_" in GSM1_A1_matrix.mtx.gz."""

OTHER_MARKS = re.compile(r'"[^"]*"([ ,]"[^"]*")+|[^ ,]+(,[^ ,]+)+')
"""A line of features whose cells are separated by blanks or commas, as other programs write them."""

NUMBERED_WIDTH = {"barcodes.tsv": 2, "genes.tsv": 3, "features.tsv": 4}
"""Number of columns of files in which R has written numbers of rows before the names."""

QUOTED = re.compile(r'".*"')
"""A cell in quotation marks."""

ENTRY_BYTES = 16
"""Memory of an entry of a matrix in bytes."""


def is_matrix_folder(path: Path) -> bool:
    """Return whether a folder holds a matrix.mtx or matrix.mtx.gz."""
    return _find(path, "matrix.mtx") is not None


def matrices(path: Path) -> list[Path]:
    """Return all files of a folder that are a matrix.mtx by their names, with any prefix."""
    files = (file for file in sorted(path.iterdir()) if file.is_file())
    return [file for file in files if PREFIXED.sub("", file.name).removesuffix(".gz") == "matrix.mtx"]


def _find(folder: Path, *names: str) -> Path | None:
    """Return the file with the first of `names`, gzipped or not; else the only file with one of them after a prefix."""
    spelled = [f"{name}{suffix}" for name in names for suffix in ("", ".gz")]
    exact = next((folder / name for name in spelled if (folder / name).is_file()), None)
    if exact is not None or not folder.is_dir():
        return exact
    prefixed = [file for file in folder.iterdir() if file.is_file() and PREFIXED.sub("", file.name) in spelled]
    return prefixed[0] if len(prefixed) == 1 else None


def read(path: Path) -> list[Measurement]:
    """Read the matrix of a folder of either version, each file gzipped or not (scanpy needs version 3 gzipped)."""
    barcodes = _lines(path, "barcodes.tsv")
    rows = _lines(path, "features.tsv", "genes.tsv", "peaks.bed")
    if _find(path, "features.tsv", "genes.tsv") is None:
        rows = [[name, name, "Peaks"] for name in (f"{row[0]}:{'-'.join(row[1:3])}" for row in rows)]
    # Space Ranger for Visium HD and some exports write only one column of names; genes without a symbol have an ID.
    features = pd.DataFrame(
        {"gene_ids": [row[0] for row in rows]}, index=[row[1] if len(row) > 1 and row[1] else row[0] for row in rows]
    )
    if rows and all(len(row) > 2 for row in rows):
        features["feature_types"] = [row[2] for row in rows]

    def load() -> tuple[sparse.spmatrix, pd.DataFrame]:
        from scipy.io import mminfo, mmread
        from scipy.sparse import csr_matrix

        file = _find(path, "matrix.mtx") or path / "matrix.mtx"
        with reading(file, "matrix.mtx file"):
            # Scipy would tell gzipped files by their names, which downloads may have changed.
            with open_binary(file) as stream:
                _refuse_fractions_of_reads(file, stream.readline())
            with open_binary(file) as stream:
                n_rows, n_columns, n_entries, *_ = mminfo(stream)
            # This is checked before the matrix is read, which takes as much memory as its header declares.
            barcodes_first = (n_rows, n_columns) == (len(barcodes), len(rows)) != (n_columns, n_rows)
            if barcodes_first:
                warn(str(file), f"its {n_rows} rows are the barcodes and its {n_columns} columns the features")
            elif (n_columns, n_rows) != (len(barcodes), len(rows)):
                surplus = [lines[0][0] for lines, n in ((rows, n_rows), (barcodes, n_columns)) if len(lines) == n + 1]
                raise InputError(
                    str(file),
                    f"has {n_rows} rows and {n_columns} columns",
                    f"{len(rows)} features and {len(barcodes)} barcodes, as in the files beside it",
                    f"remove the first line of the file that begins with '{surplus[0]}', if it is a header"
                    if surplus
                    else "",
                )
            check_array(f"{file}, header", (n_entries,), ENTRY_BYTES, file.stat().st_size)
            with open_binary(file) as stream:
                stored = mmread(stream)
                matrix = csr_matrix(stored if barcodes_first else stored.T)
        return matrix, features

    return [Measurement(str(path), pd.DataFrame(index=[row[0] for row in barcodes]), {"matrix": load})]


def _refuse_fractions_of_reads(file: Path, first_line: bytes) -> None:
    """Refuse a matrix in which STARsolo counts a read for several genes, whose first line no library accepts."""
    if first_line.lower().split()[:4] == [b"%%matrixmarket", b"matrix", b"coordinate", b"float"]:
        raise InputError(
            f"{file}, line 1",
            "values are of the type float, as STARsolo writes reads that it divides among several genes",
            "whole numbers",
            "give the matrix.mtx of the same folder, which counts unique reads",
        )


def _lines(folder: Path, *names: str) -> list[list[str]]:
    file = _find(folder, *names)
    if file is None:
        raise InputError(str(folder), f"has no {' or '.join(names)}", "it beside matrix.mtx (each may be .gz)")
    with reading(file, "table of a 10x matrix folder"), open_text(file) as stream:
        # Names may hold quotation marks (3' and 5' ends), which do not quote text here.
        cells = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = [[cell.strip() for cell in row] for row in cells if row]
    name = PREFIXED.sub("", file.name).removesuffix(".gz")
    if name != "barcodes.tsv" and rows and all(len(row) == 1 and OTHER_MARKS.fullmatch(row[0]) for row in rows):
        raise InputError(f"{file}, line 1", f"'{rows[0][0]}' is one cell", "cells separated by tabs")
    return _without_numbers(_unquoted(rows), NUMBERED_WIDTH.get(name, 0))


def _without_numbers(rows: list[list[str]], width: int) -> list[list[str]]:
    """Return rows of this width without the numbers that R writes before them, others as they are."""
    numbered = all(len(row) == width and row[0] == str(i) for i, row in enumerate(rows, start=1))
    return [row[1:] for row in rows] if numbered else rows


def _unquoted(rows: list[list[str]]) -> list[list[str]]:
    """Return rows without the quotation marks that R puts around every cell of a column of text."""
    width = min(map(len, rows), default=0)
    quoted = [i for i in range(width) if all(QUOTED.fullmatch(row[i]) for row in rows)]
    return [[cell[1:-1] if i in quoted else cell for i, cell in enumerate(row)] for row in rows] if quoted else rows
