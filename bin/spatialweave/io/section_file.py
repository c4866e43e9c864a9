"""Reading of section files, which INGEST and QC write, with every check that the stages rely on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.contract import PRECOMPUTED, is_intensities, read_without_counts
from spatialweave.io.count_matrix import find_problem, to_csr
from spatialweave.io.measurement import reading
from spatialweave.io.stage_checks import AGAIN, check_table
from spatialweave.io.stored_counts import StoredCounts
from spatialweave.io.tissue_image import IMAGE, TissueImage
from spatialweave.modalities import MODALITIES
from spatialweave.platforms import platform

if TYPE_CHECKING:
    import anndata
    import h5py
    import mudata

COUNTS_EXPECTED = "raw counts, spots x features"


@dataclass
class SectionFile:
    """Content of a section file: `data` without counts, and the counts of each modality on disk."""

    data: mudata.MuData
    counts: dict[str, StoredCounts]


def read_section_file(path: Path) -> SectionFile:
    """Read a section file and check everything that the stages rely on; counts are checked whenever they are read.

    Raises
    ------
    InputError
        When a check fails; names the file, the modality and the slot.
    """
    data = read_without_counts(path, "section")
    platform(str(data.uns["spatialweave"]["platform"]), f"{path}, platform")
    if not data.mod:
        raise InputError(str(path), "holds no modality", "at least one of " + ", ".join(MODALITIES))
    if "section" not in data.obs:
        raise InputError(f"{path}, obs", "has no column 'section'", fix="run INGEST again")
    if data.obs["section"].nunique() != 1:
        raise InputError(f"{path}, obs['section']", "names several sections", "one section per file")
    _check_coordinates(f"{path}, obsm['spatial']", data.obsm.get("spatial"), data.n_obs)
    counts = stored_counts(path, data)
    if IMAGE in data.uns:
        TissueImage.of_uns(f"{path}, uns['{IMAGE}']", data.uns[IMAGE])
    return SectionFile(data, counts)


def stored_counts(path: Path, data: mudata.MuData) -> dict[str, StoredCounts]:
    """Return the counts of every modality of an .h5mu file, which are read as blocks of spots in canonical CSR.

    Unknown modalities and values that are not raw counts are refused. Modalities declared as precomputed may hold any
    values of 0 or more, and latents.

    Parameters
    ----------
    data
        The file without its counts (:func:`~spatialweave.io.contract.read_without_counts`).
    """
    counts = {}
    for name, part in data.mod.items():
        _check_modality(path, name, part)
        counts[name] = _stored_counts(path, name, part)
    return counts


def check_modalities(path: Path, data: mudata.MuData) -> None:
    """Check modalities in memory like :func:`stored_counts`; their counts become canonical CSR in place."""
    for name, part in data.mod.items():
        _check_modality(path, name, part)
        if part.X is None:
            raise InputError(f"{path}, modality {name}", "has no X", "raw counts in X")
        try:
            counts = to_csr(part.X)
        except ValueError as error:
            raise InputError(f"{path}, modality {name}, X", str(error), COUNTS_EXPECTED) from error
        _check_values(path, name, part, counts)
        part.X = counts


def _check_modality(path: Path, name: str, part: anndata.AnnData) -> None:
    """Refuse a modality that is unknown, or whose spots, features or latents cannot be used."""
    if name not in MODALITIES:
        raise InputError(str(path), f"unknown modality '{name}'", "one of " + ", ".join(MODALITIES))
    where = f"{path}, modality {name}"
    if part.n_obs == 0 or part.n_vars == 0:
        raise InputError(where, f"is empty ({part.n_obs} spots x {part.n_vars} features)")
    for axis, names in (("obs_names", part.obs_names), ("var_names", part.var_names)):
        if not names.is_unique:
            raise InputError(f"{where}, {axis}", f"'{names[names.duplicated()][0]}' occurs twice", "unique names")
    if PRECOMPUTED in part.obsm:
        latents = f"{where}, obsm['{PRECOMPUTED}']"
        part.obsm[PRECOMPUTED] = check_table(latents, part.obsm[PRECOMPUTED], part.n_obs, "spot")


def _stored_counts(path: Path, name: str, part: anndata.AnnData) -> StoredCounts:
    import h5py

    where = f"{path}, modality {name}"

    @contextmanager
    def element() -> Iterator[h5py.Group | h5py.Dataset]:
        with h5py.File(path, "r") as file:
            matrix = file[f"mod/{name}"].get("X")
            if matrix is None or matrix.attrs.get("encoding-type") == "null":
                raise InputError(where, "has no X", "raw counts in X")
            yield matrix

    @contextmanager
    def guard() -> Iterator[None]:
        with reading(f"{where}, X", "matrix", AGAIN):
            try:
                yield
            except ValueError as error:
                raise InputError(f"{where}, X", str(error), COUNTS_EXPECTED) from error

    counts = StoredCounts(element, guard, partial(_check_values, path, name, part))
    if counts.shape != part.shape:
        raise InputError(f"{where}, X", f"has the shape {counts.shape}", f"{part.shape}, as obs and var have", AGAIN)
    return counts


def _check_values(path: Path, name: str, part: anndata.AnnData, counts: sparse.csr_matrix, first: int = 0) -> None:
    """Refuse a block of values that are not counts; `first` is the number of its first spot."""
    fractions = is_intensities(name, part.uns) or PRECOMPUTED in part.uns
    problem = find_problem(counts, fractions)
    if problem is not None:
        cell = f"row '{part.obs_names[first + problem.row]}', column '{part.var_names[problem.column]}'"
        expected = "intensities of 0 or more" if fractions else "raw counts: whole numbers of 0 or more"
        raise InputError(f"{path}, modality {name}, X, {cell}", problem.text, expected)


def _check_coordinates(where: str, spatial: Any, n_spots: int) -> None:
    if spatial is None:
        raise InputError(where, "is missing", "coordinates, spots x 2")
    shape = np.shape(spatial)
    if shape != (n_spots, 2):
        raise InputError(where, f"has the shape {shape}", f"({n_spots}, 2)")
    check_table(where, spatial, n_spots, "spot", "a finite x and y for every spot")
