"""Well-known files that hold no matrix of counts, or one that no reader here opens: told for what they are."""

from __future__ import annotations

from pathlib import Path

from spatialweave.errors import InputError

KINDS = {
    (".rds", ".rdata", ".h5seurat", ".qs"): (
        "an object of R",
        "write it from R as .h5ad (e.g. anndataR, sceasy) or as a 10x matrix folder (DropletUtils::write10xCounts)",
    ),
    (".cloupe", ".loupe"): ("a file of Loupe Browser", "give the outs folder that it was made with"),
    (".bam", ".fastq", ".fastq.gz", ".fq.gz"): ("sequencing reads", "count them first, e.g. by Space Ranger"),
    (".xlsx", ".xls"): ("a spreadsheet", "save it as CSV"),
}
"""Endings of names -> what such a file is, and how to get a matrix of counts."""


def explain_name(path: Path) -> InputError | None:
    """What a file is by the ending of its name, where that is known and no reader opens it."""
    name = path.name.lower()
    for endings, (kind, fix) in KINDS.items():
        if name.endswith(endings):
            return InputError(str(path), f"is {kind}", "a matrix of counts, spots x features", fix)
    return None
