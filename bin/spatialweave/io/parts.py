"""The modalities that one file holds, selected and with their raw counts checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.contract import PRECOMPUTED
from spatialweave.io.counts import find_counts
from spatialweave.io.measurement import Coordinates, Measurement, plain_frame, plain_names, reading
from spatialweave.io.notices import warn
from spatialweave.io.readers import read
from spatialweave.io.stage_checks import check_table
from spatialweave.modalities import MODALITIES, MODALITY_KINDS, fits, known_names, modality_of

if TYPE_CHECKING:
    import anndata
    from scipy import sparse


@dataclass
class ModalityPart:
    """One modality of the section: its counts, and its coordinates and platform where its own file has them."""

    where: str
    data: anndata.AnnData
    coordinates: Coordinates | None
    platform: str | None


def read_parts(path: Path, wanted: str | None, precomputed: Mapping[str, str]) -> dict[str, ModalityPart]:
    """The modalities of one file: all that it names, or the one that is `wanted`.

    `precomputed` has the modalities whose values are not raw counts, each with the obsm key of its latents or "".
    """
    measurements = read(path)
    if wanted and len(measurements) > 1:
        named = [m for m in measurements if m.modality == wanted]
        if not named:
            held = ", ".join(sorted({str(m.modality or m.where) for m in measurements}))
            raise InputError(str(path), f"holds no {wanted} (it holds {held})", f"a file with {wanted}")
        measurements = named
    parts: dict[str, ModalityPart] = {}
    for measurement in measurements:
        names = plain_names(measurement.obs.index, measurement.where, "spot")
        twice = np.flatnonzero(names.duplicated())
        if len(twice):
            first = int((names == names[twice[0]]).argmax())
            raise InputError(
                measurement.where,
                f"barcode '{names[twice[0]]}' names row {first + 1} and row {twice[0] + 1}",
                "each barcode once",
            )
        obs = plain_frame(measurement.obs, names)
        names_given = [name for name in (wanted, measurement.modality) if name]
        fractions = any(MODALITY_KINDS[name].has_fractions or name in precomputed for name in names_given)
        counts, features = find_counts(measurement, fractions)
        for modality, columns in _groups(measurement, features, wanted).items():
            if modality in parts:
                raise InputError(str(path), f"holds {modality} twice ({measurement.where})", "each modality once")
            if not counts[:, columns].nnz:
                raise InputError(measurement.where, f"its {modality} matrix holds no counts", "counts above 0")
            data = _anndata(counts, columns, obs, features)
            if modality in precomputed:
                _add_precomputed(data, measurement, precomputed[modality])
            parts[modality] = ModalityPart(measurement.where, data, measurement.coordinates, measurement.platform)
    return parts


def _add_precomputed(data: anndata.AnnData, measurement: Measurement, key: str) -> None:
    """Mark a modality's values as no raw counts, and give it the latents of that obsm key ("" = none)."""
    data.uns[PRECOMPUTED] = key or "values"
    if not key:
        return
    where = f"{measurement.where}, obsm['{key}']"
    if measurement.tables is None:
        raise InputError(where, "cannot be in a file of this kind", ".h5ad, .h5mu or .zarr")
    with reading(measurement.where, f"table in obsm['{key}']"):
        table = measurement.tables(key)
    if measurement.rows is not None:
        table = table[measurement.rows]
    try:
        data.obsm[PRECOMPUTED] = check_table(where, table, data.n_obs, "spot").astype(np.float32)
    except InputError as error:
        raise InputError(error.where, error.found, error.expected) from None


def _anndata(
    counts: sparse.csr_matrix, columns: np.ndarray, obs: pd.DataFrame, features: pd.DataFrame
) -> anndata.AnnData:
    import anndata

    whole = len(columns) == counts.shape[1]
    matrix = counts if whole else counts[:, columns]
    matrix.sort_indices()
    return anndata.AnnData(matrix, obs=obs.copy(), var=features.iloc[columns].copy())


def _groups(measurement: Measurement, features: pd.DataFrame, wanted: str | None) -> dict[str, np.ndarray]:
    """Which columns belong to which modality, from the option, the file's own name for it, or the feature types."""
    where = measurement.where
    everything = np.arange(len(features))
    if measurement.modality and (wanted is None or fits(measurement.modality, wanted)):
        return {wanted or measurement.modality: everything}
    if measurement.modality:
        raise InputError(where, f"holds {measurement.modality}", f"{wanted}, as which it is given")
    if "feature_types" not in features.columns:
        if wanted:
            return {wanted: everything}
        raise InputError(
            where,
            "does not say which modality it holds (no var column 'feature_types')",
            fix="give it as --rna or another modality",
        )
    types = features["feature_types"].to_numpy(dtype=object)
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
        )
    rest = [kind for kind in meaning if kind not in chosen]
    if rest:
        warn(
            where, f"features of the types {', '.join(rest)} are left out ({int(np.isin(types, rest).sum())} features)"
        )
    modalities = np.array([chosen.get(kind, "") for kind in types], dtype=object)
    return {name: np.flatnonzero(modalities == name) for name in MODALITIES if (modalities == name).any()}
