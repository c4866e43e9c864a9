"""Section files: read, check, build; and join the sections of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.contract import TRUE_PLACE, read_h5mu
from spatialweave.io.counts import find_problem, to_csr
from spatialweave.io.measurement import plain_column
from spatialweave.io.stage_checks import check_table
from spatialweave.modalities import MODALITIES
from spatialweave.platforms import Platform, platform
from spatialweave.preprocess.common_features import common_features

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd

FACTS = ("dataset", "section", "platform", "layout")


@dataclass
class Counts:
    """Raw counts of one modality: spots x features, with the names of both and the section of each spot."""

    spots: pd.Index
    features: pd.Index
    matrix: sparse.csr_matrix
    sections: np.ndarray


@dataclass
class Sections:
    """All sections of a dataset, joined.

    Attributes
    ----------
    obs
        One row per spot: index = unique spot names, columns `barcode`, `section` and, where known, `label`.
    coordinates
        float64, spots x 2, in the order of `obs`.
    spatial_true
        Where simulated spots truly lie, alike, if all sections say so; else None.
    counts
        Per modality the spots where it was measured; its features are those that all sections with it share.
    """

    dataset: str
    platform: Platform
    layout: str
    n_sections: int
    obs: pd.DataFrame
    coordinates: np.ndarray
    spatial_true: np.ndarray | None
    counts: dict[str, Counts]


def read_section(path: Path) -> mudata.MuData:
    """Read a section file and check all that the stages rely on; counts come out as canonical CSR.

    Raises
    ------
    InputError
        Naming the file, the modality and the slot.
    """
    data = read_h5mu(path, "section")
    missing = [fact for fact in FACTS if fact not in data.uns["spatialweave"]]
    if missing:
        raise InputError(f"{path}, uns['spatialweave']", f"lacks {', '.join(missing)}", fix="run INGEST again")
    platform(str(data.uns["spatialweave"]["platform"]), f"{path}, platform")
    if not data.mod:
        raise InputError(str(path), "holds no modality", "at least one of " + ", ".join(MODALITIES))
    if "section" not in data.obs:
        raise InputError(f"{path}, obs", "has no column 'section'", fix="run INGEST again")
    if data.obs["section"].nunique() != 1:
        raise InputError(f"{path}, obs['section']", "names several sections", "one section per file")
    _check_coordinates(f"{path}, obsm['spatial']", data.obsm.get("spatial"), data.n_obs)
    for name, part in data.mod.items():
        if name not in MODALITIES:
            raise InputError(str(path), f"unknown modality '{name}'", "one of " + ", ".join(MODALITIES))
        part.X = _checked_counts(f"{path}, modality {name}", name, part)
    return data


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
    fractions = modality == "metabolite"
    problem = find_problem(counts, fractions)
    if problem is not None:
        cell = f"row '{part.obs_names[problem.row]}', column '{part.var_names[problem.column]}'"
        expected = "intensities of 0 or more" if fractions else "raw counts: whole numbers of 0 or more"
        raise InputError(f"{where}, X, {cell}", problem.text, expected)
    return counts


def build(
    parts: dict[str, anndata.AnnData], obs: pd.DataFrame, spatial: np.ndarray, uns: dict[str, Any]
) -> mudata.MuData:
    """Join modalities into a MuData whose spots are those of `obs`, in that order (modalities may lack some)."""
    import mudata

    mudata.set_options(pull_on_update=False)
    data = mudata.MuData({name: parts[name] for name in MODALITIES if name in parts}, obs=obs)
    data.obsm["spatial"] = spatial
    data.uns.update(uns)
    return data


def read_sections(paths: Sequence[Path]) -> Sections:
    """Read the sections of one dataset and join them.

    One section keeps its barcodes as spot names; with several they become ``<section>:<barcode>``. Sections
    come in the order of `paths`. Each modality is restricted to the features that all the sections which have it share
    (:mod:`spatialweave.preprocess.common_features`), in the order of the first.

    Raises
    ------
    InputError
        When a file is no section, the files belong to several datasets or platforms, a section comes twice, or the
        sections share no feature of a modality.
    """
    files = [read_section(path) for path in paths]
    facts = [file.uns["spatialweave"] for file in files]
    for fact in ("dataset", "platform", "layout"):
        found = list(dict.fromkeys(str(f[fact]) for f in facts))
        if len(found) > 1:
            raise InputError("--section", f"sections differ in {fact}: {', '.join(found)}", f"one {fact} per dataset")
    names = [str(f["section"]) for f in facts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("--section", f"section '{twice[0]}' is given twice", "each section once")
    obs = _join_obs(files, names)
    return Sections(
        dataset=str(facts[0]["dataset"]),
        platform=platform(str(facts[0]["platform"])),
        layout=str(facts[0]["layout"]),
        n_sections=len(files),
        obs=obs,
        coordinates=np.concatenate([np.asarray(file.obsm["spatial"], dtype=np.float64) for file in files]),
        spatial_true=_true_positions(files),
        counts=_join_counts(files, names),
    )


def _spot_names(barcodes: pd.Index, section: str, n_sections: int) -> pd.Index:
    return barcodes if n_sections == 1 else section + ":" + barcodes


def _join_obs(files: list[mudata.MuData], names: list[str]) -> pd.DataFrame:
    """The obs table of the dataset; labels are "" where a section has none, and absent when no section has any."""
    import pandas as pd

    parts = []
    for file, section in zip(files, names, strict=True):
        part = pd.DataFrame({"barcode": file.obs_names.astype(str), "section": section})
        part.index = _spot_names(file.obs_names, section, len(files))
        if "label" in file.obs:
            part["label"] = plain_column(file.obs["label"])
        parts.append(part)
    obs = pd.concat(parts)
    if "label" in obs:
        obs["label"] = plain_column(obs["label"])
    if not obs.index.is_unique:
        name = obs.index[obs.index.duplicated()][0]
        raise InputError("--section", f"two spots are named '{name}'", "unique <section>:<barcode>")
    obs.index.name = None
    return obs


def _true_positions(files: list[mudata.MuData]) -> np.ndarray | None:
    """True positions of all spots (float64, spots x 2), where every section has them, finite; else None."""
    parts = [np.asarray(file.obsm[TRUE_PLACE], dtype=np.float64) for file in files if TRUE_PLACE in file.obsm]
    usable = [part for part in parts if part.ndim == 2 and part.shape[1] == 2 and np.isfinite(part).all()]
    return np.concatenate(usable) if len(usable) == len(files) else None


def _join_counts(files: list[mudata.MuData], names: list[str]) -> dict[str, Counts]:
    """Each modality's counts over all sections, on the features that they share."""
    import pandas as pd

    joined = {}
    for modality in MODALITIES:
        having = [
            (file.mod[modality], section) for file, section in zip(files, names, strict=True) if modality in file.mod
        ]
        if not having:
            continue
        common = common_features(modality, [part.var_names for part, _ in having], [section for _, section in having])
        spots = [_spot_names(part.obs_names, section, len(files)) for part, section in having]
        matrices = [common.counts(part.X, place) for place, (part, _) in enumerate(having)]
        joined[modality] = Counts(
            spots[0] if len(spots) == 1 else pd.Index(np.concatenate(spots)),
            common.names,
            matrices[0] if len(matrices) == 1 else to_csr(sparse.vstack(matrices, format="csr")),
            np.repeat([section for _, section in having], [part.n_obs for part, _ in having]),
        )
    return joined
