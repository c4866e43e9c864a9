"""Well-known files that hold no matrix of counts, or one that no reader here opens: told for what they are."""

from __future__ import annotations

from pathlib import Path

from spatialweave.errors import InputError
from spatialweave.io import tables

KINDS = {
    (".gem", ".gem.gz"): (
        "a GEM table of Stereo-seq (one line per gene and place)",
        "bin it, e.g. by stereopy's read_gem(path, bin_size=50), and write it as .h5ad (st.io.stereo_to_anndata)",
    ),
    (".gef",): (
        "a GEF file of Stereo-seq",
        "bin it, e.g. by stereopy's read_gef(path, bin_size=50), and write it as .h5ad (st.io.stereo_to_anndata)",
    ),
    (".imzml", ".ibd"): ("imaging mass spectrometry", "pick peaks, and write spots x peaks as .csv or .h5ad"),
    (".rds", ".rdata", ".h5seurat", ".qs"): (
        "an object of R",
        "write it from R as .h5ad (e.g. anndataR, sceasy) or as a 10x matrix folder (DropletUtils::write10xCounts)",
    ),
    (".cloupe", ".loupe"): ("a file of Loupe Browser", "give the outs folder that it was made with"),
    (".bam", ".fastq", ".fastq.gz", ".fq.gz"): ("sequencing reads", "count them first, e.g. by Space Ranger"),
    (".xlsx", ".xls"): ("a spreadsheet", "save it as CSV"),
}
"""Endings of names -> what such a file is, and how to get a matrix of counts."""

FRAGMENTS = (
    "holds fragments (chromosome, start, end, barcode, count), no matrix of counts",
    "count them in peaks or tiles, e.g. by snapatac2 (pp.add_tile_matrix) or Signac (FeatureMatrix), and give that as "
    ".h5ad or 10x matrix",
)


def explain_name(path: Path) -> InputError | None:
    """What a file is by the ending of its name, where that is known and no reader opens it."""
    name = path.name.lower()
    for endings, (kind, fix) in KINDS.items():
        if name.endswith(endings):
            return InputError(str(path), f"is {kind}", "a matrix of counts, spots x features", fix)
    return None


def explain_table(path: Path, cells: list[str]) -> InputError | None:
    """What a text table is by its first line, where it is none of counts: fragments, or the places of transcripts."""
    lowered = {cell.lower() for cell in cells}
    interval = len(cells) in (4, 5) and all(cell.isdecimal() for cell in cells[1:3]) and int(cells[1]) < int(cells[2])
    # Names of features may be numbers, as masses are; fragments are separated by tabs.
    if interval and not cells[3].isdecimal() and tables.start(path).separator == "\t":
        return InputError(str(path), FRAGMENTS[0], "a matrix of counts, spots x features", FRAGMENTS[1])
    if "geneid" in lowered and {"x", "y"} <= lowered:
        kind, fix = KINDS[".gem", ".gem.gz"]
        return InputError(str(path), f"is {kind}", "a matrix of counts, spots x features", fix)
    return None
