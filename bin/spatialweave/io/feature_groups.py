"""The modality of each column of a matrix, and columns that are not features."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.column_names import CONTROL, facts_among
from spatialweave.io.genomes import genomes_of, select_genome
from spatialweave.io.measurement import Measurement
from spatialweave.io.table_cells import listed
from spatialweave.modalities import MODALITIES, MODALITY_KINDS, fits, known_names, modality_of

HASHTAG = re.compile(r".*hash[-_ ]?tag.*|(?:hto|cmo)[-_. ]?\d.*|hto", re.IGNORECASE)
"""Names of antibodies and oligonucleotides that label samples; 10x Genomics counts hashtags as antibodies."""

TYPE_COLUMNS = ("feature_types", "feature_type", "Type", "type", "modality")
"""Columns of var with the type of each feature; those after the first are used only if all values are known types."""


@dataclass
class FeatureGroups:
    """Columns of each modality (positions, ascending), and a text on each group of columns that is left out."""

    columns: dict[str, np.ndarray]
    left_out: list[str] = field(default_factory=list)


def feature_groups(
    measurement: Measurement, features: pd.DataFrame, wanted: str | None, genome: str | None = None
) -> FeatureGroups:
    """Assign columns to modalities: by the option, the file's own name of the modality, or the feature types.

    Coordinates and well-known facts about spots, as in matrices made from tables of cells, belong to no modality, and
    neither do hashtags and the features of other genomes than the one that is given.
    """
    names = [str(name) for name in features.index]
    groups = FeatureGroups(_by_modality(measurement, features, wanted))
    used, on_genomes = select_genome(measurement.where, genomes_of(features), genome)
    groups.left_out += [on_genomes] if on_genomes else []
    taken = ~used
    for modality, columns in list(groups.columns.items()):
        if not wanted and not used[columns].any():
            # All of it is of other genomes.
            del groups.columns[modality]
            continue
        kept = np.setdiff1d(columns[used[columns]], np.array(facts_among(names, modality), dtype=int))
        groups.columns[modality] = kept
        taken[kept] = True
    facts = [i for i in facts_among(names) if not taken[i]]
    genes = groups.columns.get("rna", np.empty(0, dtype=int))
    controls = [i for i in genes if CONTROL.fullmatch(names[i])]
    if controls:
        groups.columns["rna"] = np.setdiff1d(genes, controls)
        groups.left_out.append(
            f"{listed([names[i] for i in controls])} are negative controls, not genes, and are left out"
        )
    proteins = groups.columns.get("adt", np.empty(0, dtype=int))
    hashtags = [i for i in proteins if HASHTAG.fullmatch(names[i])]
    if hashtags:
        groups.columns["adt"] = np.setdiff1d(proteins, hashtags)
        if not wanted and len(groups.columns) > 1 and not len(groups.columns["adt"]):
            del groups.columns["adt"]
        named = ", ".join(f"'{names[i]}'" for i in hashtags)
        groups.left_out.append(f"{named} are hashtags, which label samples, and are left out")
    if facts:
        named = ", ".join(f"'{names[i]}'" for i in facts)
        groups.left_out.append(f"{named} are coordinates or facts about spots, not features, and are left out")
    types = _types(features)
    if types is not None and not measurement.modality:
        taken[facts] = True
        rest = types[~taken]
        if len(rest):
            named = ", ".join(str(kind) for kind in pd.unique(rest))
            groups.left_out.append(f"features of the types {named} are left out ({len(rest)} features)")
    return groups


def _types(features: pd.DataFrame) -> np.ndarray | None:
    """Return the type of each feature as named in the file; None if the file does not name it."""
    for column in TYPE_COLUMNS:
        if column in features.columns:
            types = features[column].to_numpy(dtype=object)
            if column == TYPE_COLUMNS[0] or all(modality_of(str(kind)) for kind in pd.unique(types)):
                return types
    return None


def _by_modality(measurement: Measurement, features: pd.DataFrame, wanted: str | None) -> dict[str, np.ndarray]:
    where = measurement.where
    everything = np.arange(len(features))
    if measurement.modality and (wanted is None or fits(measurement.modality, wanted)):
        return {wanted or measurement.modality: everything}
    if measurement.modality:
        raise InputError(where, f"holds {measurement.modality}", f"{wanted}, as which it is given")
    types = _types(features)
    if types is None:
        if wanted:
            return {wanted: everything}
        raise InputError(
            where,
            "does not name the modality that it holds (no var column 'feature_types')",
            fix="give it as --rna or another modality",
        )
    meaning = {kind: modality_of(kind) for kind in pd.unique(types)}
    known = {modality for modality in meaning.values() if modality}
    if wanted and not known:
        return {wanted: everything}
    chosen = {kind: wanted or name for kind, name in meaning.items() if name and (not wanted or fits(name, wanted))}
    if not chosen:
        raise InputError(
            where,
            "its features are of the types " + ", ".join(f"'{kind}'" for kind in meaning),
            wanted or f"types of {known_names()}",
            _way_out(wanted, list(meaning)),
        )
    modalities = np.array([chosen.get(kind, "") for kind in types], dtype=object)
    return {name: np.flatnonzero(modalities == name) for name in MODALITIES if (modalities == name).any()}


def _way_out(wanted: str | None, types: list[str]) -> str:
    """Return the fix where all features are called genes, as some programs call all features; else ""."""
    if not wanted or types != [MODALITY_KINDS["rna"].feature_type]:
        return ""
    kind = MODALITY_KINDS[wanted].feature_type
    return f"write their type if they are {wanted}, as DropletUtils::write10xCounts does with gene.type = '{kind}'"
