"""The data contract between stages: what a file must hold, checked wherever a stage reads it.

Six kinds of file pass between stages (docs/design.md describes each):

section (.h5mu)   one AnnData per modality with raw counts in X, coordinates, and labels where known
counts (.h5mu)    a whole dataset: the raw counts of its sections, joined
latents (.h5mu)   a whole dataset after preprocessing: obsm['X_latent'] and varm['loadings'] per modality
graph (.h5ad)     obsp['spatial_connectivities'], obsp['spatial_distances'], feature graphs
embedding (.h5ad) X = spots x dimensions, uns['training'] = the training record, obsm = further output per spot
integrated (.h5mu) a whole dataset with all of these: counts, latents, embeddings, domains (io/integrated.py)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
"""Columns of obs that begin so, e.g. meta_donor, are the user's own of the samplesheet: carried along, not used."""

TRUE_SPATIAL = "spatial_true"
"""The obsm key of coordinates in the tissue that are known from elsewhere (simulated sections), used only to score
alignments."""

PRECOMPUTED = "precomputed"
"""In a modality's uns, where the user says that its values are no raw counts: the obsm key of its file with latents, or
"values". In its obsm: these latents."""

MEASURED = "measured"
"""In a modality's uns, `counts` or `intensities`, where it is not what the modality usually is."""

MICROMETRES = "micrometres"
"""In the stamp of a section: micrometres per coordinate unit, where they are known."""

FACTS = {
    "section": ("dataset", "section", "platform", "layout"),
    "counts": ("dataset", "platform", "layout"),
    "latents": ("dataset", "layout"),
    "graph": ("dataset",),
    "embedding": ("dataset",),
    "integrated": ("dataset",),
}
"""What the stamp of each kind holds at least."""

OF_MATRICES: dict[str, Any] = {"compression": "gzip", "compression_opts": 2, "shuffle": True}
"""How matrices are compressed. With the bytes of the same place in their numbers side by side, a sparse matrix takes
0.7 of the space and 0.55 of the time of gzip alone; higher levels take a third longer for 5% less."""

CHUNK_VALUES = 32_768
"""How many values are compressed together where a matrix is written by blocks: near what HDF5 chooses for one of 30 to
200 million that is written in one piece."""

PARTS = ("obs", "var", "obsm", "varm", "obsp", "varp", "uns")
"""What a modality has besides matrices."""

CONTAINERS = {".h5mu": "MuData", ".h5ad": "anndata"}
"""What the root of such a file calls itself."""


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


def read_h5ad(path: Path, kind: str) -> anndata.AnnData:
    """Read a graph or embedding file and check that it is one of `kind` ("graph" or "embedding")."""
    import anndata

    with readable(path, ".h5ad"):
        data = anndata.read_h5ad(path)
        check_kind(path, data.uns, kind)
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
    """Refuse a file that is not HDF5, is no MuData (.h5mu) or AnnData (.h5ad), or breaks while it is read."""
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
    """The uns['spatialweave'] entry of a contract file: its kind and facts about it (dataset, section, layout...)."""
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
    """Whether the values of a modality are intensities and not counts."""
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
        Further names for something in the file, each with its first name, e.g. layers/counts: X.
    counts
        What becomes X, some spots at a time, of modalities (by name) that have none in memory; of an AnnData that of
        the name "".
    """
    import h5py
    from anndata.io import write_elem

    parts = {f"mod/{name}": part for name, part in data.mod.items()} if hasattr(data, "mod") else {"/": data}
    matrices = {group: part.X for group, part in parts.items() if part.X is not None and not part.is_view}
    with atomic_path(Path(path)) as temporary:
        try:
            # Apart, since both libraries pass filters on to single texts, too, which can have none but the compression.
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
    """Write X some spots at a time, or copy it compressed as it is where a file holds just that."""
    import numpy as np
    from anndata.io import sparse_dataset, write_elem

    # AnnData without X writes an element that says so.
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
            # The type of the first block's bounds is that of all that are appended to.
            block = block.copy()
            block.indptr = block.indptr.astype(np.int64)
        # Of several blocks the first says nothing of how much there is to come.
        chunks = {} if block.shape == counts.shape else {"chunks": (CHUNK_VALUES,)}
        write_elem(group, "X", block, dataset_kwargs={**OF_MATRICES, **chunks})
        stored = sparse_dataset(group["X"])
