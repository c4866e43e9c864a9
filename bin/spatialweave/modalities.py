"""The modalities: their names, and what others call them in files and 10x feature types."""

from __future__ import annotations

import re

MODALITIES = ("rna", "adt", "atac", "histone", "metabolite")
"""Modality names, in the order in which every method takes them."""

_ALIASES = {
    "rna": ("rna", "gex", "geneexpression", "genes", "transcriptomics", "transcriptome", "mrna"),
    "adt": ("adt", "antibodycapture", "proteinexpression", "protein", "proteins", "prot", "antibody", "ab", "cite"),
    "atac": ("atac", "peaks", "peak", "chromatinaccessibility"),
    "histone": ("histone", "histones", "cutandtag", "cuttag", "h3k27ac", "h3k27me3", "h3k4me3", "h3k36me3", "h3k9me3"),
    "metabolite": ("metabolite", "metabolites", "metabolomics", "metabolome", "msi"),
}
_MODALITY_BY_ALIAS = {alias: modality for modality, aliases in _ALIASES.items() for alias in aliases}


def modality_of(name: str) -> str | None:
    """The modality that `name` (a modality's name in a file, or a 10x feature type) stands for, or None."""
    return _MODALITY_BY_ALIAS.get(re.sub(r"[^a-z0-9]", "", str(name).lower()))


def fits(found: str, wanted: str) -> bool:
    """Whether features called `found` may be given as `wanted`: peaks may be called on histone marks as well."""
    return found == wanted or (found == "atac" and wanted == "histone")


def known_names() -> str:
    """The modalities' names, for messages."""
    return ", ".join(MODALITIES)
