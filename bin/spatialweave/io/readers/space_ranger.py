"""Space Ranger `outs` folders (Visium, and chosen bins of Visium HD), and folders of spatial ATAC.

The latter have peaks or fragments beside `tissue_positions_list.csv`, as in DBiT-seq data from AtlasXomics.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io import table_cells, tables
from spatialweave.io.choices import Choices
from spatialweave.io.measurement import Coordinates, Measurement
from spatialweave.io.notices import warn
from spatialweave.io.readers import fragments, library_image, segmented_cells, tenx_h5, tenx_matrix
from spatialweave.io.readers.folder import find
from spatialweave.io.readers.spelling import Spelling
from spatialweave.io.spot_selection import is_outside

COLUMNS = ("barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres")
BIN = re.compile(r"s_\d+um_\d+_\d+")
"""Names of the bins of Visium HD by Space Ranger."""

POSITION_FILES = (
    "tissue_positions.csv",
    "tissue_positions_list.csv",
    "tissue_positions.parquet",
    "tissue_positions_list.txt",
)
"""Files of positions in the order in which they are searched; each also .gz, and after any prefix of a download."""

AGGREGATED = "aggr_tissue_positions"
"""Part of the names of files with positions of several sections."""

MATRICES = ("filtered_feature_bc_matrix", "raw_feature_bc_matrix", "filtered_peak_bc_matrix", "raw_peak_bc_matrix")
"""Matrices in the order in which they are searched; of a raw matrix, only the spots in the tissue are read."""

FRAGMENTS = "fragments.tsv"

BINNED, SEGMENTED = "binned_outputs", "segmented_outputs"
BIN_FOLDER = re.compile(r"square_0*([1-9]\d*)um")
"""Names of the folders of the bins of Visium HD."""

BIN_WIDTH = 8
"""Default width of the bins in micrometres, as recommended by 10x."""

CELL = "cell"


def is_outs(path: Path) -> bool:
    """Return whether a folder holds a matrix, tissue positions, bins or cells written by Space Ranger."""
    folders = (path / BINNED).is_dir() or (path / SEGMENTED).is_dir() or segmented_cells.is_segmented(path)
    return (
        folders or bool(_matrices(path)) or any((path / "spatial").glob("*tissue_positions*")) or _is_spatial_atac(path)
    )


def is_flat(path: Path) -> bool:
    """Return whether a 10x matrix folder also holds tissue positions, as downloads from GEO do."""
    return tenx_matrix.is_matrix_folder(path) and bool(_position_files(path))


def outs_around(matrix: str) -> Path | None:
    """Return the outs folder with a matrix that was given alone, if the folder also holds tissue positions."""
    # Tasks of the pipeline have links to the files.
    path = Path(matrix).resolve()
    try:
        return path.parent if path in _matrices(path.parent) and _position_files(path.parent) else None
    except PermissionError:
        return None


def _is_spatial_atac(path: Path) -> bool:
    return find(path, FRAGMENTS) is not None and bool(_position_files(path))


def read(path: Path, choices: Choices) -> list[Measurement]:
    """Read the matrix of an outs folder with pixel coordinates, restricted to spots in the tissue."""
    if (path / BINNED).is_dir() or (path / SEGMENTED).is_dir():
        path = _bin_folder(path, choices)
    if segmented_cells.is_segmented(path):
        return segmented_cells.read(path)
    positions_file = _only(_position_files(path), "files of tissue positions")
    if positions_file is None:
        packed = next(iter(sorted(path.glob("*spatial.tar*"))), None)
        raise InputError(
            str(path),
            "no coordinates (it has no spatial/tissue_positions file)",
            " or ".join(POSITION_FILES),
            f"unpack {packed.name}" if packed else "",
        )
    if AGGREGATED in positions_file.name:
        raise InputError(
            str(positions_file),
            "holds the positions of several sections, joined by spaceranger aggr",
            "one section",
            "give the outs folder of each section, as spaceranger count wrote it, in a row of its own",
        )
    positions = read_positions(positions_file)
    measurement = _matrix(path, positions, choices)
    barcodes = pd.Index(measurement.obs.index.astype(str))
    rows = Spelling(positions.index, measurement.where).rows(barcodes)
    if (rows < 0).any():
        spot = barcodes[int((rows < 0).argmax())]
        raise InputError(
            str(positions_file), f"{int((rows < 0).sum())} spots of the matrix are not in it (first: '{spot}')"
        )
    measurement.where = str(path)
    placed = positions.iloc[rows].set_axis(barcodes)
    inside = np.flatnonzero(placed["in_tissue"].to_numpy() == 1)
    if len(inside) < len(barcodes):
        warn(str(path), f"{len(barcodes) - len(inside)} of {len(barcodes)} spots are outside the tissue, left out")
    if not len(inside):
        raise InputError(str(positions_file), "no spot of the matrix is in the tissue", "in_tissue = 1 for some spots")
    columns = [name for name in ("array_row", "array_col") if name not in measurement.obs.columns]
    measurement.obs = pd.concat([measurement.obs.set_axis(barcodes), placed[columns]], axis=1)
    measurement.keep(inside)
    measurement.coordinates = Coordinates(barcodes[inside], pixels(placed)[inside], str(positions_file), "pixel")
    is_bin = positions_file.suffix == ".parquet" or BIN.match(barcodes[0])
    measurement.platform = measurement.platform or ("visium_hd" if is_bin else "visium")
    measurement.image = lambda _section: library_image.in_folder(positions_file.parent)
    return [measurement]


def _bin_folder(path: Path, choices: Choices) -> Path:
    """Return the folder of the chosen bins, or of the cells, of Visium HD."""
    widths = {}
    if (path / BINNED).is_dir():
        named = {entry: BIN_FOLDER.fullmatch(entry.name) for entry in sorted((path / BINNED).iterdir())}
        widths = {int(match[1]): entry for entry, match in named.items() if match and entry.is_dir()}
    held = [str(width) for width in widths] + ([CELL] if (path / SEGMENTED).is_dir() else [])
    if not held:
        raise InputError(f"{path}, {BINNED}", "holds no bins", "a folder such as square_008um")
    if choices.bin == CELL or (choices.bin is None and not widths):
        choices.take_bin()
        if (path / SEGMENTED).is_dir():
            return path / SEGMENTED
        raise InputError(str(path), f"has no cells (no folder {SEGMENTED})", f"one of {', '.join(held)} as bin")
    width, default = choices.take_number(BIN_WIDTH)
    if width not in widths:
        raise InputError(f"{path}, {BINNED}", f"has no bins of {width} micrometres", f"one of {', '.join(held)} as bin")
    if default:
        warn(str(path), f"bins of {width} micrometres are read (set the column bin for others: {', '.join(held)})")
    return widths[width]


def _position_files(path: Path) -> list[Path]:
    """Return the files with the first name of :data:`POSITION_FILES` that is present."""
    folders = [folder for folder in (path / "spatial", path) if folder.is_dir()]
    files = [file for folder in folders for file in sorted(folder.iterdir())]
    named = ([file for file in files if file.name.removesuffix(".gz").endswith(name)] for name in POSITION_FILES)
    return next(filter(None, named), [])


def _only(paths: list[Path], what: str) -> Path | None:
    """Return the file that was found, None if there is none; several are refused as ambiguous."""
    if len(paths) > 1:
        names = ", ".join(file.name for file in paths)
        raise InputError(str(paths[0].parent), f"holds several {what} ({names})", "one", "make a folder for each")
    return paths[0] if paths else None


def _matrices(path: Path) -> list[Path]:
    """Return the .h5 files, or else folders, with the first name of :data:`MATRICES` that is present.

    Without any, the matrix may be in the folder itself.
    """
    for name in MATRICES:
        files = sorted(path.glob(f"*{name}.h5"))
        folders = [folder for folder in sorted(path.glob(f"*{name}")) if tenx_matrix.is_matrix_folder(folder)]
        if files or folders:
            return files or folders
    return [path] if tenx_matrix.is_matrix_folder(path) else []


def _matrix(path: Path, positions: pd.DataFrame, choices: Choices) -> Measurement:
    matrix = _only(_matrices(path), "matrices")
    listed = find(path, FRAGMENTS)
    # Peaks that the user gives are counted, even if there is a matrix of other peaks.
    if listed is not None and (matrix is None or choices.peaks is not None):
        in_tissue = positions.index[positions["in_tissue"].to_numpy() == 1]
        measurement = fragments.read(listed, replace(choices, known=in_tissue))[0]
    elif matrix is not None:
        measurement = (tenx_matrix if matrix.is_dir() else tenx_h5).read(matrix)[0]
    else:
        raise InputError(str(path), "has no filtered_feature_bc_matrix.h5 or folder", "the outs of Space Ranger")
    if matrix is None or "peak_bc" in matrix.name:
        measurement.platform = "dbit"
    return measurement


def read_positions(path: Path) -> pd.DataFrame:
    """Read tissue positions, with a header (Space Ranger 2 and later), without (before), or parquet (Visium HD).

    Returns
    -------
    One row per spot, index = barcodes; columns in_tissue, array_row, array_col (integers) and the pixel of the spot's
    centre in the full image, pxl_row_in_fullres (y) and pxl_col_in_fullres (x).
    """
    tables.check_file(path, "Space Ranger's tissue positions")
    has_header = not tables.is_text_table(path) or "barcode" in [cell.lower() for cell in tables.read_header(path)]
    table = tables.read_strings(path) if has_header else tables.read_headless(path, COLUMNS)
    columns = {name: str(tables.find_column(path, table, (name,))) for name in COLUMNS}
    names = table_cells.unique_barcodes(path, table, columns["barcode"])
    numeric = {name: table_cells.numbers(path, table, columns[name]) for name in COLUMNS[2:]}
    flags = table[columns["in_tissue"]]
    inside = ~is_outside(flags, lambda row: f"{path}, {tables.place(table, row)}, column 'in_tissue'")
    frame = pd.DataFrame({"in_tissue": inside, **numeric}, index=names)
    return frame.astype(dict.fromkeys(COLUMNS[1:4], np.int64))


def is_positions(path: Path) -> bool:
    """Return whether a table holds tissue positions: by its columns, or its six cells if it has no header."""
    if not tables.is_text_table(path):
        return path.name.lower().endswith(POSITION_FILES)
    cells = tables.read_header(path)
    if set(COLUMNS) <= {cell.lower() for cell in cells}:
        return True
    numbers = [table_cells.to_number(cell) for cell in cells[1:]]
    return len(cells) == len(COLUMNS) and numbers[0] in (0, 1) and None not in numbers


def pixels(positions: pd.DataFrame) -> np.ndarray:
    """Return x (pixel column) and y (pixel row) of positions, float64, spots x 2."""
    return positions[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(dtype=np.float64)
