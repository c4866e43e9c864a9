"""The measurements of a dataset, in the order of its spots."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.io.count_matrix import numbered, stored_blocks
from spatialweave.io.joined_counts import SectionSize, read_joined_counts, read_stored_counts
from spatialweave.io.stage_checks import check_same_spots
from spatialweave.io.tissue_image import TissueImage, images_of
from spatialweave.modalities import MODALITIES
from spatialweave.results.spots import DatasetSpots
from spatialweave.results.values import LOG_COUNTS, FeatureTable, change_to, log_normalise, unit_of

if TYPE_CHECKING:
    import mudata


def read_counts(
    path: Path | None, spots: DatasetSpots
) -> tuple[list[SectionSize], list[FeatureTable], dict[str, TissueImage]]:
    """Read the sections before joining: normalised counts of all spots by modality, and images by section.

    All are empty if no file is given.

    Raises
    ------
    InputError
        When the file holds other spots than the latents.
    """
    if path is None:
        return [], [], {}
    data, sections = read_joined_counts(path)
    check_same_spots(path, data.obs_names, spots.obs.index, "preprocess again")
    tables = [_feature_table(name, data, spots) for name in MODALITIES if name in data.mod]
    return sections, tables, images_of(str(path), data.uns)


def _feature_table(modality: str, data: mudata.MuData, spots: DatasetSpots) -> FeatureTable:
    """Return the normalised counts of one modality in the order of the spots; empty rows for unmeasured spots.

    They are removed from `data`.
    """
    from scipy import sparse

    part = data.mod[modality]
    rows = spots.obs.index.get_indexer(part.obs_names)
    present = np.zeros(len(spots), dtype=bool)
    present[rows] = True
    names = [str(name) for name in part.var_names]
    values = sparse.csr_matrix(part.X)
    part.X = None
    # Copy only if it differs: with many spots a copy takes gigabytes.
    if not np.array_equal(rows, np.arange(len(spots))):
        ones = np.ones(len(rows), dtype=np.float32)
        values = sparse.csr_matrix((ones, (rows, np.arange(len(rows)))), shape=(len(spots), len(rows))) @ values
    unit = unit_of(modality, values, part.uns)
    # Normalise in place: with many spots a copy takes gigabytes.
    changed = log_normalise(values, copy=False) if unit == LOG_COUNTS else change_to(unit, values)(values)
    return FeatureTable(modality, names, changed, present, unit)


def read_features(
    path: Path | None, spots: DatasetSpots, wanted: Collection[tuple[str, str]]
) -> tuple[list[SectionSize], dict[tuple[str, str], np.ndarray]]:
    """Read the sections before joining, and the values of some features at all spots, NaN if not measured.

    The values are those of :func:`read_counts`, but only a block of spots is in memory at a time. Both are empty if no
    file is given.

    Parameters
    ----------
    wanted
        Modality and name of features; unmeasured ones are left out.

    Raises
    ------
    InputError
        When the file holds other spots than the latents.
    """
    if path is None:
        return [], {}
    data, counts, sections = read_stored_counts(path)
    check_same_spots(path, data.obs_names, spots.obs.index, "preprocess again")
    found: dict[tuple[str, str], np.ndarray] = {}
    for modality, part in data.mod.items():
        names = [name for name in dict.fromkeys(wanted) if name[0] == modality and name[1] in part.var_names]
        if names:
            change = change_to(unit_of(modality, counts[modality], part.uns), counts[modality])
            columns = part.var_names.get_indexer([name for _, name in names])
            values = np.full((len(spots), len(names)), np.nan, dtype=np.float32)
            rows = spots.obs.index.get_indexer(part.obs_names)
            for start, block in numbered(stored_blocks(counts[modality])):
                values[rows[start : start + block.shape[0]]] = change(block)[:, columns].toarray()
            found |= dict(zip(names, values.T, strict=True))
    return sections, found
