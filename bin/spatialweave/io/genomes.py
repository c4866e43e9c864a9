"""Genomes of features: those of a sample of several species are told apart, and one can be selected."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from spatialweave.errors import InputError

GENOME = "genome"
"""The var column with the genome of each feature, as 10x Genomics calls it."""

PREFIX = re.compile(r"(GRC[a-z]+\d+|(?:hg|mm|rn|dm|danRer)\d+)_+(?=[^_])")
"""Beginning of names by which Cell Ranger tells genes of several genomes apart: "GRCh38_GAPDH", "mm10___Gapdh"."""


def genomes_of(features: pd.DataFrame) -> np.ndarray:
    """Return the genome of each feature (text; "" = unknown), from the column of genomes, else from the names."""
    if GENOME in features.columns:
        named = features[GENOME].astype(object)
        return np.array(["" if pd.isna(genome) else str(genome).strip() for genome in named], dtype=object)
    found = (PREFIX.match(str(name)) for name in features.index)
    return np.array([match[1] if match else "" for match in found], dtype=object)


def select_genome(where: str, genomes: np.ndarray, wanted: str | None) -> tuple[np.ndarray, str]:
    """Return which features (bool) to use, and a text on what is left out or used together ("" = nothing).

    Features of unknown genome, such as antibodies, are always used, and so are all if no genome is `wanted`, or if all
    are of one: other files of the section may be of several.

    Raises
    ------
    InputError
        When the file names several genomes, and `wanted` is none of them.
    """
    names, counts = np.unique(genomes[genomes != ""].astype(str), return_counts=True)
    listed = ", ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=True))
    if wanted is None or len(names) < 2:
        several = (
            f"holds features of several genomes ({listed}), which are used together; the column genome selects one"
        )
        return np.ones(len(genomes), dtype=bool), several if len(names) > 1 else ""
    if wanted not in names:
        raise InputError(where, f"has no features of the genome '{wanted}'", "one of " + ", ".join(names))
    used = (genomes == wanted) | (genomes == "")
    lost = int((~used).sum())
    return used, f"{lost} features of other genomes than {wanted} are left out ({listed})" if lost else ""


def named_without_genome(features: pd.DataFrame, genome: str) -> pd.DataFrame:
    """Return features with `genome` as their column, under names without its prefix."""
    names = [PREFIX.sub("", str(name), count=1) if _begins(str(name), genome) else str(name) for name in features.index]
    return features.set_axis(pd.Index(names, dtype=object)).assign(**{GENOME: genomes_of(features)})


def _begins(name: str, genome: str) -> bool:
    match = PREFIX.match(name)
    return match is not None and match[1] == genome
