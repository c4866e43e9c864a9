"""Selection of the modalities of a file, and the check of their raw counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.choices import Choices
from spatialweave.io.contract import MEASURED, PRECOMPUTED
from spatialweave.io.count_matrix import Counts, stored_blocks
from spatialweave.io.counts import FoundCounts, find_counts, slot_name
from spatialweave.io.declared import Declared
from spatialweave.io.measurement import Coordinates, Measurement, reading
from spatialweave.io.readers import read
from spatialweave.io.stage_checks import check_table
from spatialweave.modalities import MODALITY_KINDS

if TYPE_CHECKING:
    import anndata

    from spatialweave.io.tissue_image import TissueImage


@dataclass
class ModalityPart:
    """One modality of the section: its counts, and what its file holds about its spots.

    Attributes
    ----------
    where, slot
        The file, and the matrix in it.
    data, counts
        Spots and features, and their counts; counts in memory are also X of `data`.
    coordinates, libraries, platform, image
        As in :class:`~spatialweave.io.measurement.Measurement`.
    """

    where: str
    slot: str
    data: anndata.AnnData
    counts: Counts
    coordinates: Coordinates | None
    libraries: tuple[str, ...]
    platform: str | None
    image: Callable[[str], TissueImage | None] | None = None


def read_file(path: Path, wanted: str | None, choices: Choices) -> list[Measurement]:
    """Read the matrices of one file: all, or those of the modality that is `wanted`."""
    measurements = read(path, choices)
    if wanted and len(measurements) > 1:
        named = [m for m in measurements if m.modality == wanted]
        if not named:
            held = ", ".join(sorted({str(m.modality or m.where) for m in measurements}))
            unnamed = any(m.modality is None for m in measurements)
            fix = f"call its table '{wanted}' in the file, or give it a file of its own" if unnamed else ""
            raise InputError(str(path), f"holds no {wanted} (it holds {held})", f"a file with {wanted}", fix)
        return named
    return measurements


def modality_parts(measurement: Measurement, wanted: str | None, declared: Declared) -> dict[str, ModalityPart]:
    """Return the modalities of one matrix: all that it names, or the one that is `wanted`."""
    parts: dict[str, ModalityPart] = {}
    declared = declared.on(measurement.platform)
    for modality, counts in find_counts(measurement, wanted, declared).items():
        layer = declared.layers.get(modality)
        if layer and counts.slot != slot_name(layer):
            raise InputError(
                f"{measurement.where}, {counts.slot}",
                f"{modality} would be read from here and not from its layer '{layer}', as declared",
                "that layer in this file",
                "name one layer for the whole row, or give each modality a file of its own",
            )
        data = _anndata(measurement, counts)
        measured = declared.measures(modality)
        if measured != MODALITY_KINDS[modality].values:
            data.uns[MEASURED] = measured
        if modality in declared.precomputed:
            _add_precomputed(data, measurement, declared.precomputed[modality])
        parts[modality] = ModalityPart(
            measurement.where,
            counts.slot,
            data,
            counts.counts,
            measurement.coordinates,
            measurement.libraries,
            measurement.platform,
            measurement.image,
        )
    return parts


def add_parts(parts: dict[str, ModalityPart], more: Mapping[str, ModalityPart]) -> None:
    """Add modalities to those of a section; refuse one that is present, or that has the same matrix as another."""
    for modality, part in more.items():
        if modality in parts:
            before = parts[modality].where
            again = f"which {before} gives as well" if before != part.where else "twice"
            raise InputError(part.where, f"holds {modality}, {again}", "each modality once")
        for other, present in parts.items():
            if _same_matrix(present, part):
                raise InputError(
                    part.where,
                    f"{modality} is the same matrix as {other}, given by {present.where}",
                    "a matrix for each modality",
                    "say which features are which in var['feature_types'] ('Gene Expression', 'Antibody Capture' ...), "
                    "or write one file for each",
                )
        parts[modality] = part


def _same_matrix(one: ModalityPart, other: ModalityPart) -> bool:
    """Return whether two modalities hold the same values of the same features in the same spots."""
    if not one.data.obs_names.equals(other.data.obs_names) or not one.data.var_names.equals(other.data.var_names):
        return False
    return _digests(one.counts) == _digests(other.counts)


def _digests(counts: Counts) -> list[bytes]:
    """Return digests of the entries per spot, the features and the values, which do not depend on the blocks."""
    digests = [blake2b(), blake2b(), blake2b()]
    for block in stored_blocks(counts):
        arrays = np.diff(block.indptr).astype(np.int64), block.indices.astype(np.int64), block.data
        for digest, array in zip(digests, arrays, strict=True):
            digest.update(array.tobytes())
    return [digest.digest() for digest in digests]


def _add_precomputed(data: anndata.AnnData, measurement: Measurement, key: str) -> None:
    """Mark a modality's values as precomputed, and add the latents of that obsm key ("" = none)."""
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


def _anndata(measurement: Measurement, found: FoundCounts) -> anndata.AnnData:
    import anndata

    in_memory = found.counts if isinstance(found.counts, sparse.csr_matrix) else None
    return anndata.AnnData(in_memory, obs=measurement.obs.copy(), var=found.features)
