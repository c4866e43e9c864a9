"""Section files: what INGEST and QC write, read with every check that the stages rely on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.contract import PRECOMPUTED, is_intensities, read_h5mu
from spatialweave.io.count_matrix import find_problem, to_csr
from spatialweave.io.stage_checks import check_table
from spatialweave.io.tissue_image import IMAGE, TissueImage
from spatialweave.modalities import MODALITIES
from spatialweave.platforms import platform

if TYPE_CHECKING:
    import anndata
    import mudata


def read_section_file(path: Path) -> mudata.MuData:
    """Read a section file and check all that the stages rely on; counts come out as canonical CSR.

    Raises
    ------
    InputError
        Naming the file, the modality and the slot.
    """
    data = read_h5mu(path, "section")
    platform(str(data.uns["spatialweave"]["platform"]), f"{path}, platform")
    if not data.mod:
        raise InputError(str(path), "holds no modality", "at least one of " + ", ".join(MODALITIES))
    if "section" not in data.obs:
        raise InputError(f"{path}, obs", "has no column 'section'", fix="run INGEST again")
    if data.obs["section"].nunique() != 1:
        raise InputError(f"{path}, obs['section']", "names several sections", "one section per file")
    _check_coordinates(f"{path}, obsm['spatial']", data.obsm.get("spatial"), data.n_obs)
    check_modalities(path, data)
    if IMAGE in data.uns:
        TissueImage.of_uns(f"{path}, uns['{IMAGE}']", data.uns[IMAGE])
    return data


def check_modalities(path: Path, data: mudata.MuData) -> None:
    """Refuse modalities that are not known or hold anything but raw counts; counts become canonical CSR in place.

    Those that the user has declared as precomputed may hold other values of 0 or more, and latents.
    """
    for name, part in data.mod.items():
        if name not in MODALITIES:
            raise InputError(str(path), f"unknown modality '{name}'", "one of " + ", ".join(MODALITIES))
        part.X = _checked_counts(f"{path}, modality {name}", name, part)
        if PRECOMPUTED in part.obsm:
            where = f"{path}, modality {name}, obsm['{PRECOMPUTED}']"
            part.obsm[PRECOMPUTED] = check_table(where, part.obsm[PRECOMPUTED], part.n_obs, "spot")


def _check_coordinates(where: str, spatial: Any, n_spots: int) -> None:
    if spatial is None:
        raise InputError(where, "is missing", "coordinates, spots x 2")
    shape = np.shape(spatial)
    if shape != (n_spots, 2):
        raise InputError(where, f"has the shape {shape}", f"({n_spots}, 2)")
    check_table(where, spatial, n_spots, "spot", "a finite x and y for every spot")


def _checked_counts(where: str, modality: str, part: anndata.AnnData) -> sparse.csr_matrix:
    """The raw counts of a modality, after all checks."""
    if part.n_obs == 0 or part.n_vars == 0:
        raise InputError(where, f"is empty ({part.n_obs} spots x {part.n_vars} features)")
    if part.X is None:
        raise InputError(where, "has no X", "raw counts in X")
    for axis, names in (("obs_names", part.obs_names), ("var_names", part.var_names)):
        if not names.is_unique:
            raise InputError(f"{where}, {axis}", f"'{names[names.duplicated()][0]}' occurs twice", "unique names")
    try:
        counts = to_csr(part.X)
    except ValueError as error:
        raise InputError(f"{where}, X", str(error), "raw counts, spots x features") from error
    fractions = is_intensities(modality, part.uns) or PRECOMPUTED in part.uns
    problem = find_problem(counts, fractions)
    if problem is not None:
        cell = f"row '{part.obs_names[problem.row]}', column '{part.var_names[problem.column]}'"
        expected = "intensities of 0 or more" if fractions else "raw counts: whole numbers of 0 or more"
        raise InputError(f"{where}, X, {cell}", problem.text, expected)
    return counts
