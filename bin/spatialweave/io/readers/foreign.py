"""Well-known files without a matrix of counts, or with one that cannot be read here, and the messages about them."""

from __future__ import annotations

from pathlib import Path

from spatialweave.errors import InputError
from spatialweave.io.readers.folder import find

KINDS = {
    (".rds", ".rdata", ".h5seurat", ".qs"): (
        "an object of R",
        "write it from R as .h5ad (e.g. anndataR, sceasy) or as a 10x matrix folder (DropletUtils::write10xCounts)",
    ),
    (".cloupe", ".loupe"): ("a file of Loupe Browser", "give the outs folder from which it was made"),
    (".bam", ".fastq", ".fastq.gz", ".fq.gz"): ("sequencing reads", "count them first, e.g. by Space Ranger"),
    (".xlsx", ".xls"): ("a spreadsheet", "save it as CSV"),
    (".zip", ".tar", ".tar.gz", ".tgz", ".7z"): ("an archive", "unpack it, and give the file or folder that it holds"),
    (".h5ad.gz", ".h5mu.gz", ".h5.gz", ".gef.gz", ".imzml.gz"): ("a compressed file", "unpack it (gunzip)"),
    (".loom",): ("a loom file", "write it as .h5ad (anndata.io.read_loom, then write_h5ad)"),
    (".parquet", ".feather"): ("a table in columns", "write it as CSV"),
}
"""Kind of file by the ending of its name, and how to get a matrix of counts."""


def explain_name(path: Path) -> InputError | None:
    """Return the error for a file whose ending is known but which no reader opens; None for any other file."""
    name = path.name.lower()
    for endings, (kind, fix) in KINDS.items():
        if name.endswith(endings):
            return InputError(str(path), f"is {kind}", "a matrix of counts, spots x features", fix)
    return None


def explain_folder(path: Path) -> InputError | None:
    """Return the error for a folder of a known program that no reader opens; None for any other folder."""
    if find(path, "MoleculesPerMatchedBead.mtx") is None:
        named = next((file for file in sorted(path.iterdir()) if file.name.endswith((".mtx", ".mtx.gz"))), None)
        if named is None:
            return None
        return InputError(
            str(path),
            f"holds {named.name}, but no matrix.mtx",
            "a 10x matrix folder",
            f"call {named.name} matrix.mtx, and the names beside it barcodes.tsv and features.tsv, without headers",
        )
    return InputError(
        str(path),
        "is a folder of Curio Seeker",
        "a matrix of counts, spots x features",
        "give its *_anndata.h5ad; or copy *_MoleculesPerMatchedBead.mtx, *_barcodes.tsv and *_genes.tsv to a folder as "
        "matrix.mtx, barcodes.tsv and genes.tsv, and give *_MatchedBeadLocation.csv in the column spatial",
    )
