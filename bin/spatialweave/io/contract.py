"""The data contract between stages: required content of each file, checked wherever a stage reads it.

Six kinds of file pass between stages (docs/design.md describes each):

section (.h5mu)   one AnnData per modality with raw counts in X, coordinates, and labels where known
counts (.h5mu)    a whole dataset: the raw counts of its sections, joined
latents (.h5mu)   a whole dataset after preprocessing: obsm['X_latent'] and varm['loadings'] per modality
graph (.h5ad)     obsp['spatial_connectivities'], obsp['spatial_distances'], feature graphs
embedding (.h5ad) X = spots x dimensions, uns['training'] = the training record, obsm = further output per spot
integrated (.h5mu) a whole dataset with all of these: counts, latents, embeddings, domains (io/integrated.py)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_hdf5
from spatialweave.io.count_matrix import SpotBlocks
from spatialweave.io.files import atomic_path
from spatialweave.io.measurement import reading
from spatialweave.io.stage_checks import (
    AGAIN,
    check_coordinates,
    check_embedding,
    check_facts,
    check_graph,
    check_spots,
    check_table,
)
from spatialweave.io.stored_counts import StoredCounts
from spatialweave.modalities import INTENSITIES, MODALITIES, MODALITY_KINDS

if TYPE_CHECKING:
    import anndata
    import h5py
    import mudata
    import numpy as np
    import pandas as pd

CONTRACT_VERSION = 1

CARRIED = "meta_"
"""Prefix of obs columns copied from the user's own samplesheet columns, e.g. meta_donor; no method uses them."""

DONOR, CONDITION = f"{CARRIED}donor", f"{CARRIED}condition"
"""Those of the columns that say which sections are of one donor, and what COHORT compares."""

TRUE_SPATIAL = "spatial_true"
"""The obsm key of true coordinates in the tissue (of simulated sections), used only to score alignments."""

PRECOMPUTED = "precomputed"
"""Key in uns of a modality whose values are declared not to be raw counts: holds the obsm key of latents in its file,
or "values". In its obsm, the key of these latents."""

MEASURED = "measured"
"""Key in a modality's uns: `counts` or `intensities`, where this differs from the default of the modality."""

MICROMETRES = "micrometres"
"""Key in the stamp of a section: micrometres per coordinate unit, where known."""

FACTS = {
    "section": ("dataset", "section", "platform", "layout"),
    "counts": ("dataset", "platform", "layout"),
    "latents": ("dataset", "layout"),
    "graph": ("dataset",),
    "embedding": ("dataset",),
    "integrated": ("dataset",),
}
"""Facts that the stamp of each kind must hold."""

OF_MATRICES: dict[str, Any] = {"compression": "gzip", "compression_opts": 2, "shuffle": True}
"""Compression of matrices. With the shuffle filter, a sparse matrix takes 0.7 of the space and 0.55 of the time of gzip
alone; higher levels take a third longer for 5% less space."""

CHUNK_VALUES = 32_768
"""Values per chunk of a matrix that is written by blocks: close to the choice of HDF5 for a matrix of 30 to 200 million
values that is written in one piece."""

PARTS = ("obs", "var", "obsm", "varm", "obsp", "varp", "uns")
"""Parts of a modality besides matrices."""

CONTAINERS = {".h5mu": "MuData", ".h5ad": "anndata"}
"""Encoding type of the root of such a file."""


def read_h5mu(path: Path, kind: str) -> mudata.MuData:
    """Read a MuData file and check that it is one of `kind` ("section", "counts", "latents" or "integrated")."""
    import mudata

    mudata.set_options(pull_on_update=False)
    with readable(path, ".h5mu"):
        data = mudata.read_h5mu(path)
        check_kind(path, data.uns, kind)
        if kind != "section":
            check_spots(path, data.obs)
            check_coordinates(path, data.obsm["spatial"], data.n_obs)
        if kind == "latents":
            for name, part in data.mod.items():
                check_table(f"{path}, modality {name}, obsm['X_latent']", part.obsm["X_latent"], part.n_obs)
    return data


def read_h5ad(path: Path, kind: str, keys: Collection[str] | None = None) -> anndata.AnnData:
    """Read a graph or embedding file and check that it is one of `kind` ("graph" or "embedding").

    Only those `keys` of its obsp or obsm are read; by default all.
    """
    import anndata
    import h5py
    from anndata.io import read_elem

    with readable(path, ".h5ad"), h5py.File(path, "r") as file:
        parts = {key: read_elem(file[key]) for key in ("obs", "var", "uns") if key in file}
        check_kind(path, parts.get("uns", {}), kind)
        if "X" in file:
            parts["X"] = read_elem(file["X"])
        for part in ("obsm", "obsp"):
            parts[part] = {
                key: read_elem(value) for key, value in file.get(part, {}).items() if keys is None or key in keys
            }
        data = anndata.AnnData(**parts)
        (check_graph if kind == "graph" else check_embedding)(path, data)
    return data


def read_without_counts(path: Path, kind: str) -> mudata.MuData:
    """Read a MuData file of `kind` as :func:`read_h5mu` does, but without the X of its modalities."""
    import anndata
    import h5py
    import mudata
    from anndata.io import read_elem

    mudata.set_options(pull_on_update=False)
    with readable(path, ".h5mu"), h5py.File(path, "r") as file:
        order = [name for name in file["mod"].attrs.get("mod-order", ()) if name in file["mod"]]
        parts = {
            name: anndata.AnnData(**{key: read_elem(value) for key, value in file["mod"][name].items() if key in PARTS})
            for name in order or file["mod"]
        }
        data = mudata.MuData(parts, **{key: read_elem(value) for key, value in file.items() if key != "mod"})
        check_kind(path, data.uns, kind)
        if kind != "section":
            check_spots(path, data.obs)
            check_coordinates(path, data.obsm["spatial"], data.n_obs)
    return data


@contextmanager
def readable(path: Path, suffix: str) -> Iterator[None]:
    """Refuse a file that is not HDF5, is not MuData (.h5mu) or AnnData (.h5ad), or fails while it is read."""
    import h5py

    with reading(path, f"{suffix} file", AGAIN):
        with h5py.File(path, "r") as file:
            found = file.attrs.get("encoding-type")
            if found != CONTAINERS[suffix]:
                raise ValueError(f"its encoding-type is {found}, not {CONTAINERS[suffix]}")
            check_hdf5(path, file)
        yield


def check_kind(path: Path, uns: Any, kind: str) -> None:
    """Refuse a file whose stamp (uns['spatialweave']) is not one of `kind` and of this version of the contract."""
    stamp = uns.get("spatialweave", {})
    if not isinstance(stamp, Mapping):
        stamp = {}
    if str(stamp.get("kind")) != kind or str(stamp.get("contract")) != str(CONTRACT_VERSION):
        found = f"of kind {stamp['kind']} of contract {stamp.get('contract')}" if "kind" in stamp else "another file"
        raise InputError(
            str(path),
            f"is {found}",
            f"a {kind} file of contract {CONTRACT_VERSION}",
            "pass the output of the stage before this one, made by the same version",
        )
    check_facts(path, stamp, FACTS[kind])


def stamp(kind: str, **facts: str | int | float | bool) -> dict[str, Any]:
    """Return the uns['spatialweave'] entry of a contract file: its kind and facts (dataset, section, layout...)."""
    return {"kind": kind, "contract": CONTRACT_VERSION, **facts}


def join_modalities(
    parts: Mapping[str, anndata.AnnData], obs: pd.DataFrame, coordinates: np.ndarray, uns: Mapping[str, Any]
) -> mudata.MuData:
    """Join modalities into a MuData whose spots are those of `obs`, in that order; a modality may lack some.

    Parameters
    ----------
    coordinates
        float64, spots x 2, in the order of `obs`.
    """
    import mudata

    mudata.set_options(pull_on_update=False)
    data = mudata.MuData({name: parts[name] for name in MODALITIES if name in parts}, obs=obs)
    data.obsm["spatial"] = coordinates
    data.uns.update(uns)
    return data


def is_intensities(modality: str, uns: Mapping[str, Any]) -> bool:
    """Return whether the values of a modality are intensities and not counts."""
    return str(uns.get(MEASURED, MODALITY_KINDS[modality].values)) == INTENSITIES


def write(
    data: anndata.AnnData | mudata.MuData,
    path: Path,
    links: Mapping[str, str] | None = None,
    counts: Mapping[str, SpotBlocks] | None = None,
) -> None:
    """Write a contract file, compressed, whole or not at all.

    Parameters
    ----------
    links
        Further names of elements in the file, each with the first name of the element, e.g. layers/counts: X.
    counts
        X, read some spots at a time, of the modalities (by name) that have none in memory; the name of an AnnData is
        "".
    """
    import h5py
    from anndata.io import write_elem

    parts = {f"mod/{name}": part for name, part in data.mod.items()} if hasattr(data, "mod") else {"/": data}
    matrices = {group: part.X for group, part in parts.items() if part.X is not None and not part.is_view}
    with atomic_path(Path(path)) as temporary:
        try:
            # X is written separately: both libraries also pass filters to scalar strings, which allow only compression.
            for group in matrices:
                parts[group].X = None
            data.write(temporary, compression="gzip")
        finally:
            for group, matrix in matrices.items():
                parts[group].X = matrix
        with h5py.File(temporary, "r+") as file:
            for group, matrix in matrices.items():
                write_elem(file[group], "X", matrix, dataset_kwargs=OF_MATRICES)
            for name, blocks in (counts or {}).items():
                _write_blocks(file[f"mod/{name}" if name else "/"], blocks)
            for name, first in (links or {}).items():
                file[name] = file[first]


def _write_blocks(group: h5py.Group, counts: SpotBlocks) -> None:
    """Write X some spots at a time, or copy it without decompression where a file holds exactly these values."""
    import numpy as np
    from anndata.io import sparse_dataset, write_elem

    # AnnData without X writes an element of type "null".
    group.pop("X", None)
    if isinstance(counts, StoredCounts) and counts.is_canonical:
        with counts.source() as element:
            element.file.copy(element, group, "X")
        return
    stored = None
    for block in counts.blocks():
        if stored is not None:
            stored.append(block)
            continue
        if counts.nnz > np.iinfo(np.int32).max:
            # All appended blocks take the type of the first block's bounds.
            block = block.copy()
            block.indptr = block.indptr.astype(np.int64)
        # The size of the first of several blocks does not give the total size.
        chunks = {} if block.shape == counts.shape else {"chunks": (CHUNK_VALUES,)}
        write_elem(group, "X", block, dataset_kwargs={**OF_MATRICES, **chunks})
        stored = sparse_dataset(group["X"])
