"""A tissue of twelve spots in every text format, as bytes that a test may damage before they are written."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from .harness import text

SPOTS = [f"b{i}" for i in range(12)]
GENES = ("A", "B", "C")


def lines(separator: str, *rows: tuple[object, ...]) -> bytes:
    return "".join(separator.join(map(str, row)) + "\n" for row in rows).encode()


def counts(separator: str) -> bytes:
    return lines(separator, ("barcode", *GENES), *((spot, i, i + 1, 3 * i) for i, spot in enumerate(SPOTS)))


def coordinates(separator: str) -> bytes:
    return lines(separator, ("barcode", "x", "y"), *((spot, i % 4, i // 4) for i, spot in enumerate(SPOTS)))


LABELS = lines(",", ("barcode", "label"), *((spot, "ab"[i % 2]) for i, spot in enumerate(SPOTS)))
POSITIONS = lines(",", *((spot, 1, i // 4, i % 4, 10 * (i // 4), 10 * (i % 4)) for i, spot in enumerate(SPOTS)))
POSITIONS_HEADER = b"barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n"
FOLDER = {
    "matrix.mtx": b"%%MatrixMarket matrix coordinate integer general\n3 12 12\n"
    + lines(" ", *((i % 3 + 1, i + 1, i + 1) for i in range(12))),
    "features.tsv": lines("\t", *((f"id{name}", name, "Gene Expression") for name in GENES)),
    "barcodes.tsv": "\n".join(SPOTS).encode() + b"\n",
}


def beside(folder: Path) -> list[str]:
    return ["--spatial", str(text(folder / "xy.csv", coordinates(",")))]


def matrix_folder(folder: Path, **changed: bytes) -> Path:
    """A 10x matrix folder; a file's content can be given under its name without its ending."""
    for name, content in FOLDER.items():
        text(folder / name, changed.get(name.split(".")[0], content))
    return folder


def outs(folder: Path, name: str, content: bytes) -> list[str]:
    matrix_folder(folder / "outs" / "filtered_feature_bc_matrix")
    text(folder / "outs" / "spatial" / name, content)
    return ["--multi", str(folder / "outs")]


def matrix_with(name: str) -> Callable[[Path, bytes], list[str]]:
    def build(folder: Path, content: bytes) -> list[str]:
        return ["--rna", str(matrix_folder(folder / "mtx", **{name: content})), *beside(folder)]

    return build


def counts_in(name: str) -> Callable[[Path, bytes], list[str]]:
    return lambda folder, content: ["--rna", str(text(folder / name, content)), *beside(folder)]


def coordinates_in(name: str) -> Callable[[Path, bytes], list[str]]:
    def build(folder: Path, content: bytes) -> list[str]:
        return ["--rna", str(text(folder / "rna.csv", counts(","))), "--spatial", str(text(folder / name, content))]

    return build


def labels_in(name: str) -> Callable[[Path, bytes], list[str]]:
    def build(folder: Path, content: bytes) -> list[str]:
        rna = text(folder / "rna.csv", counts(","))
        return ["--rna", str(rna), *beside(folder), "--labels", str(text(folder / name, content))]

    return build


FRAGMENTS = lines("\t", *(("chr1", 100 * i, 100 * i + 50, SPOTS[i % 12], 1) for i in range(60)))
PEAKS = lines("\t", ("chr1", 0, 2000), ("chr1", 3000, 5000), ("chr2", 1, 9))
GEM = lines(
    "\t", ("geneID", "x", "y", "MIDCount"), *((GENES[i % 3], i % 7 * 10, i // 7 * 10, 1 + i % 4) for i in range(60))
)
FIELDS = lines(",", ("fov", "cell_ID", *GENES), *((1 + i // 6, 1 + i % 6, i, i + 1, 3 * i) for i in range(12)))
CELLS_OF_FIELDS = lines(
    ",",
    ("fov", "cell_ID", "CenterX_global_px", "CenterY_global_px"),
    *((1 + i // 6, 1 + i % 6, 10 * (i % 4), 10 * (i // 4)) for i in range(12)),
)
CELLS = lines(",", ("EntityID", "center_x", "center_y"), *((spot, i % 4, i // 4) for i, spot in enumerate(SPOTS)))
BEADS = lines(",", ("barcodes", "xcoord", "ycoord"), *((spot, i % 4, i // 4) for i, spot in enumerate(SPOTS)))
EXPRESSION = lines("\t", ("GENE", *SPOTS), *((gene, *(i + k for i in range(12))) for k, gene in enumerate(GENES)))


def fragments_in(name: str) -> Callable[[Path, bytes], list[str]]:
    return lambda folder, content: ["--atac", str(text(folder / name, content)), *beside(folder)]


def peaks_in(folder: Path, content: bytes) -> list[str]:
    listed = text(folder / "fragments.tsv", FRAGMENTS)
    return ["--atac", str(listed), *beside(folder), "--peaks", str(text(folder / "peaks.bed", content))]


def machine(files: dict[str, bytes], name: str) -> Callable[[Path, bytes], list[str]]:
    """A machine's folder with other content in one of its files."""

    def build(folder: Path, content: bytes) -> list[str]:
        for other, good in files.items():
            text(folder / "machine" / other, content if other == name else good)
        return ["--rna", str(folder / "machine")]

    return build


COSMX = {"exprMat_file.csv": FIELDS, "metadata_file.csv": CELLS_OF_FIELDS}
MERSCOPE = {"cell_by_gene.csv": counts(","), "cell_metadata.csv": CELLS}
SLIDE_SEQ = {"P.digital_expression.txt": EXPRESSION, "P_bead_locations.csv": BEADS}

# name: the good content, and how a case's files are made with other content; a refusal names the first word.
TEXTS: dict[str, tuple[bytes, Callable[[Path, bytes], list[str]]]] = {
    "bad.csv": (counts(","), counts_in("bad.csv")),
    "bad.tsv": (counts("\t"), counts_in("bad.tsv")),
    "bad.csv.gz": (gzip.compress(counts(","), mtime=0), counts_in("bad.csv.gz")),
    "bad.txt": (counts("\t"), counts_in("bad.txt")),
    "coordinates.csv": (coordinates(","), coordinates_in("coordinates.csv")),
    "coordinates.tsv.gz": (gzip.compress(coordinates("\t"), mtime=0), coordinates_in("coordinates.tsv.gz")),
    "labels.csv": (LABELS, labels_in("labels.csv")),
    "labels.txt": (b"".join(b"region %d\n" % (i % 2) for i in range(12)), labels_in("labels.txt")),
    "tissue_positions.csv": (
        POSITIONS_HEADER + POSITIONS,
        lambda folder, content: outs(folder, "tissue_positions.csv", content),
    ),
    "tissue_positions_list.csv": (
        POSITIONS,
        lambda folder, content: outs(folder, "tissue_positions_list.csv", content),
    ),
    "matrix.mtx": (FOLDER["matrix.mtx"], matrix_with("matrix")),
    "features.tsv": (FOLDER["features.tsv"], matrix_with("features")),
    "barcodes.tsv": (FOLDER["barcodes.tsv"], matrix_with("barcodes")),
    "fragments.tsv": (FRAGMENTS, fragments_in("fragments.tsv")),
    "fragments.tsv.gz": (gzip.compress(FRAGMENTS, mtime=0), fragments_in("fragments.tsv.gz")),
    "peaks.bed": (PEAKS, peaks_in),
    "bad.gem": (GEM, lambda folder, content: ["--rna", str(text(folder / "bad.gem", content)), "--bin", "10"]),
    **{name: (good, machine(files, name)) for files in (COSMX, MERSCOPE, SLIDE_SEQ) for name, good in files.items()},
}
