"""The data contract between stages: what a file must hold, checked at the door of every stage.

Three kinds of file pass between stages (docs/design.md has the tables):

section (.h5mu)   one AnnData per modality with raw counts in X, coordinates, and labels where known
latents (.h5mu)   a whole dataset after preprocessing: obsm['X_latent'] and varm['loadings'] per modality
graph (.h5ad)     obsp['spatial_connectivities'], obsp['spatial_distances'], feature graphs
embedding (.h5ad) X = spots x dimensions, uns['training'] = how it came about, obsm = what else the method says
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_hdf5
from spatialweave.io.files import atomic_path
from spatialweave.io.measurement import reading
from spatialweave.io.stage_checks import (
    AGAIN,
    check_embedding,
    check_facts,
    check_graph,
    check_places,
    check_record,
    check_spots,
    check_table,
)

if TYPE_CHECKING:
    import anndata
    import h5py
    import mudata
    import pandas as pd
    from scipy import sparse

MODALITIES = ("rna", "adt", "atac", "histone", "metabolite")
"""Modality names, in the order in which every method takes them."""

CONTRACT_VERSION = 1

TRUE_PLACE = "spatial_true"
"""The obsm key of positions known from elsewhere (simulated sections), used only to score alignments."""

OWN_SECTION = "own_section"
"""The obsm key of an embedding's values before sections exchanged what they say of a spot."""

FACTS = {
    "section": ("dataset", "section"),
    "latents": ("dataset", "layout"),
    "graph": ("dataset",),
    "embedding": ("dataset",),
}
"""What the stamp of each kind says at least."""

CONTAINERS = {".h5mu": "MuData", ".h5ad": "anndata"}
"""What the root of such a file calls itself."""


@dataclass
class Modality:
    """One modality of a dataset, aligned with the dataset's spots.

    Attributes
    ----------
    name
        One of :data:`MODALITIES`.
    latent
        float32, all spots x dimensions; rows of spots where the modality was not measured are zero.
    present
        bool, one per spot: where the modality was measured.
    """

    name: str
    latent: np.ndarray
    present: np.ndarray


@dataclass
class Dataset:
    """What a method sees: spots, coordinates, the latents of each modality, and graphs over the spots.

    Attributes
    ----------
    obs
        One row per spot; index = unique spot names, columns `barcode`, `section` and, where known, `label`.
    spatial
        float64, spots x 2, platform units. Comparable within a section only.
    modalities
        In the order of :data:`MODALITIES`.
    graphs
        Square CSR matrices over all spots by obsp key, e.g. ``spatial_connectivities``.
    layout
        ``hexagonal``, ``square`` or ``cells``.
    recipe
        The preprocessing recipe behind the latents.
    aligned
        float64, spots x 2: coordinates in one frame for all sections; None where the sections were not aligned.
    """

    name: str
    obs: pd.DataFrame
    spatial: np.ndarray
    modalities: list[Modality]
    graphs: dict[str, sparse.csr_matrix] = field(default_factory=dict)
    layout: str = "cells"
    recipe: str = ""
    aligned: np.ndarray | None = None

    @property
    def n_spots(self) -> int:
        """Number of spots over all sections."""
        return len(self.obs)

    @property
    def sections(self) -> list[str]:
        """Names of the sections, in the order of the stack."""
        return list(dict.fromkeys(self.obs["section"].astype(str)))

    def section_rows(self) -> dict[str, np.ndarray]:
        """Section -> the rows of its spots (int64, ascending), in the order of the stack."""
        names = self.obs["section"].to_numpy().astype(str)
        return {name: np.flatnonzero(names == name) for name in self.sections}


def read_h5mu(path: Path, kind: str) -> mudata.MuData:
    """Read a section or latents file and check that it is one of `kind` ("section" or "latents")."""
    import mudata

    mudata.set_options(pull_on_update=False)
    with _readable(path, ".h5mu"):
        data = mudata.read_h5mu(path)
        _check_kind(path, data.uns, kind)
        if kind == "latents":
            check_spots(path, data.obs)
            check_places(path, data.obsm["spatial"], data.n_obs)
            for name, part in data.mod.items():
                check_table(f"{path}, modality {name}, obsm['X_latent']", part.obsm["X_latent"], part.n_obs)
    return data


def read_h5ad(path: Path, kind: str) -> anndata.AnnData:
    """Read a graph or embedding file and check that it is one of `kind` ("graph" or "embedding")."""
    import anndata

    with _readable(path, ".h5ad"):
        data = anndata.read_h5ad(path)
        _check_kind(path, data.uns, kind)
        (check_graph if kind == "graph" else check_embedding)(path, data)
    return data


@contextmanager
def _readable(path: Path, suffix: str) -> Iterator[None]:
    """Refuse a file that is not HDF5, is no MuData (.h5mu) or AnnData (.h5ad), or breaks while it is read."""
    import h5py

    with reading(path, f"{suffix} file", AGAIN):
        with h5py.File(path, "r") as file:
            found = file.attrs.get("encoding-type")
            if found != CONTAINERS[suffix]:
                raise ValueError(f"its encoding-type is {found}, not {CONTAINERS[suffix]}")
            check_hdf5(path, file)
        yield


def _check_kind(path: Path, uns: Any, kind: str) -> None:
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


def write(data: anndata.AnnData | mudata.MuData, path: Path) -> None:
    """Write a contract file, gzip-compressed, whole or not at all."""
    with atomic_path(Path(path)) as temporary:
        data.write(temporary, compression="gzip")


def read_dataset(latents: Path, graph: Path | None = None, aligned: Path | None = None) -> Dataset:
    """Join a latents file and, where given, a graph file and a table of aligned coordinates into what a method sees.

    Raises
    ------
    InputError
        When a file is of another kind, or they do not hold the same spots (latents and graph: in the same order).
    """
    from anndata.io import read_elem

    from spatialweave.io.aligned import read_aligned

    with open_latents(latents) as file:
        facts = read_elem(file["uns/spatialweave"])
        obs = read_elem(file["obs"])
        check_spots(latents, obs)
        names = obs.index
        spatial = check_places(latents, read_elem(file["obsm/spatial"]), len(obs))
        modalities = [_modality(latents, name, file["mod"][name], names) for name in MODALITIES if name in file["mod"]]
    graphs: dict[str, sparse.csr_matrix] = {}
    if graph is not None:
        graph_data = read_h5ad(graph, "graph")
        if not graph_data.obs_names.equals(names):
            raise InputError(
                str(graph), f"its spots are not those of {latents}", fix="rebuild the graph from that file"
            )
        graphs = {key: value.tocsr() for key, value in graph_data.obsp.items()}
    return Dataset(
        name=str(facts["dataset"]),
        obs=obs,
        spatial=spatial,
        modalities=modalities,
        graphs=graphs,
        layout=str(facts["layout"]),
        recipe=str(facts.get("recipe", "")),
        aligned=None if aligned is None else read_aligned(aligned, obs),
    )


@contextmanager
def open_latents(path: Path) -> Iterator[h5py.File]:
    """A latents file, checked and open for reading: methods need its latents but not what leads back to features."""
    import h5py
    from anndata.io import read_elem

    with _readable(path, ".h5mu"), h5py.File(path, "r") as file:
        _check_kind(path, read_elem(file["uns"]) if "uns" in file else {}, "latents")
        yield file


def _modality(path: Path, name: str, group: h5py.Group, spots: pd.Index) -> Modality:
    """One modality of an open latents file, on all spots."""
    from anndata.io import read_elem

    rows = spots.get_indexer(read_elem(group["obs"]).index)
    if (rows < 0).any() or len(np.unique(rows)) < len(rows):
        raise InputError(f"{path}, modality {name}", "has spots twice or that the dataset lacks", "its spots", AGAIN)
    latent = check_table(f"{path}, modality {name}, obsm['X_latent']", read_elem(group["obsm/X_latent"]), len(rows))
    full = np.zeros((len(spots), latent.shape[1]), dtype=np.float32)
    full[rows] = latent
    present = np.zeros(len(spots), dtype=bool)
    present[rows] = True
    return Modality(name, full, present)


def write_embedding(
    path: Path,
    dataset: Dataset,
    embedding: np.ndarray,
    training: dict[str, Any],
    extras: Mapping[str, np.ndarray | pd.DataFrame] | None = None,
) -> None:
    """Write an embedding file.

    Parameters
    ----------
    embedding
        float32, spots x dimensions, in the order of `dataset.obs`.
    training
        How it came about: method, config, seed, losses, epochs, seconds, memory, versions. Stored as JSON text in
        uns['training'], since HDF5 has no lists of mixed or missing values.
    extras
        Further arrays and tables per spot, stored in obsm by key: what `training.outputs` makes of a method's extras.
    """
    import anndata

    data = anndata.AnnData(
        X=np.ascontiguousarray(embedding, dtype=np.float32),
        obs=dataset.obs.copy(),
        obsm={"spatial": dataset.spatial, **(extras or {})},
        uns={
            "spatialweave": stamp("embedding", dataset=dataset.name, layout=dataset.layout, recipe=dataset.recipe),
            "training": json.dumps(training, sort_keys=True),
        },
    )
    write(data, path)


def training_record(embedding: anndata.AnnData) -> dict[str, Any]:
    """The uns['training'] record of an embedding, as written by :func:`write_embedding`."""
    return dict(json.loads(str(embedding.uns["training"])))


def read_training_record(path: Path) -> dict[str, Any]:
    """The uns['training'] record of an embedding file with its dataset's name, without reading the embedding itself."""
    import anndata

    with _readable(path, ".h5ad"):
        data = anndata.read_h5ad(path, backed="r")
    try:
        _check_kind(path, data.uns, "embedding")
        check_record(path, data.uns)
        return {"dataset": str(data.uns["spatialweave"]["dataset"]), **training_record(data)}
    finally:
        data.file.close()
