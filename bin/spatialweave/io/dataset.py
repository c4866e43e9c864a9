"""Input of a method: the spots of a dataset, the latents of each modality, and graphs over the spots."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.contract import TRUE_SPATIAL, check_kind, readable
from spatialweave.io.graph_file import SPATIAL_DISTANCES, SPATIAL_GRAPH, read_graph
from spatialweave.io.stage_checks import AGAIN, check_coordinates, check_spots, check_table
from spatialweave.modalities import MODALITIES

if TYPE_CHECKING:
    import h5py
    import pandas as pd
    from scipy import sparse


ALL_AT_ONCE = 100_000
"""Largest number of spots with which a method is trained on all spots at once, with the feature graphs of the graph
file. Larger datasets are split into tiles, and feature graphs are built in each part."""


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
    """Input of a method: spots, coordinates, the latents of each modality, and graphs over the spots.

    Attributes
    ----------
    obs
        One row per spot; index = unique spot names, columns `barcode`, `section` and, where known, `label`.
    coordinates
        float64, spots x 2, platform units. Comparable within a section only.
    modalities
        In the order of :data:`MODALITIES`.
    graphs
        Square CSR matrices over all spots by obsp key, e.g. ``spatial_connectivities``.
    layout
        ``hexagonal``, ``square`` or ``cells``.
    platform
        One of :data:`spatialweave.platforms.PLATFORMS`; the layout if no platform is named.
    recipe
        The preprocessing recipe behind the latents.
    aligned
        float64, spots x 2: aligned coordinates; None where the sections were not aligned.
    true_coordinates
        float64, spots x 2: true coordinates in the tissue, used to score alignments. Only :func:`read_spots` reads
        them, so that no method sees them; None where they are not known.
    graph_recipe
        Recipe of the graphs, as in a file of assets/graphs; empty if unknown.
    """

    name: str
    obs: pd.DataFrame
    coordinates: np.ndarray
    modalities: list[Modality]
    graphs: dict[str, sparse.csr_matrix] = field(default_factory=dict)
    layout: str = "cells"
    platform: str = ""
    recipe: str = ""
    aligned: np.ndarray | None = None
    true_coordinates: np.ndarray | None = None
    graph_recipe: dict[str, Any] = field(default_factory=dict)

    @property
    def n_spots(self) -> int:
        """Number of spots over all sections."""
        return len(self.obs)

    @cached_property
    def scratch(self) -> np.ndarray:
        """Table of -1 (int32, one per spot) in which functions number some spots; each leaves it as it was."""
        return np.full(self.n_spots, -1, dtype=np.int32)

    @property
    def sections(self) -> list[str]:
        """Names of the sections, in the order of the stack."""
        return list(dict.fromkeys(self.obs["section"].astype(str)))

    @property
    def section_of_spot(self) -> np.ndarray:
        """Name of each spot's section (str)."""
        return self.obs["section"].astype(str).to_numpy()

    def section_rows(self) -> dict[str, np.ndarray]:
        """Return the rows of the spots (int64, ascending) of each section, in the order of the stack."""
        names = self.obs["section"].to_numpy().astype(str)
        return {name: np.flatnonzero(names == name) for name in self.sections}

    def section_pairs(self) -> list[tuple[str, str]]:
        """Return the pairs of consecutive sections, in the order of the stack."""
        return list(pairwise(self.sections))

    def spatial_graph(self) -> sparse.csr_matrix:
        """Return the undirected spatial graph."""
        return self._graph(SPATIAL_GRAPH, "spatial")

    def spatial_distances(self) -> sparse.csr_matrix:
        """Return the directed spatial graph, with its distances."""
        return self._graph(SPATIAL_DISTANCES, "spatial")

    def feature_graph(self, modality: str) -> sparse.csr_matrix:
        """Return the undirected feature graph of a modality."""
        return self._graph(f"{modality}_connectivities", "tissue")

    def feature_distances(self, modality: str) -> sparse.csr_matrix:
        """Return the directed feature graph of a modality, with its distances."""
        return self._graph(f"{modality}_distances", "tissue")

    def _graph(self, key: str, recipe: str) -> sparse.csr_matrix:
        if key not in self.graphs:
            raise InputError("graph", f"has no obsp['{key}']", fix=f"build it with the recipe '{recipe}'")
        return self.graphs[key]


def read_dataset(
    latents: Path, graph: Path | None = None, aligned: Path | None = None, graphs: Collection[str] | None = None
) -> Dataset:
    """Read the input of a method from a latents file and, where given, a graph file and a table of aligned coordinates.

    Of the graphs only those named by `graphs` are read; by default all.

    Raises
    ------
    InputError
        When a file is of another kind, or they do not hold the same spots (latents and graph: in the same order).
    """
    with open_latents(latents) as file:
        dataset = _spots(latents, file, aligned)
        names = dataset.obs.index
        dataset.modalities = [
            _modality(latents, name, file["mod"][name], names) for name in MODALITIES if name in file["mod"]
        ]
    if graph is not None:
        graph_data = read_graph(graph, names, graphs, spots_of=str(latents))
        dataset.graphs = {key: value.tocsr() for key, value in graph_data.obsp.items()}
        dataset.graph_recipe = json.loads(str(graph_data.uns.get("recipe", "{}")))
    return dataset


def read_spots(latents: Path, aligned: Path | None = None) -> Dataset:
    """Read the spots of a latents file with their coordinates and true coordinates, without modalities and graphs.

    Raises
    ------
    InputError
        When a file is of another kind, or the table of aligned coordinates lacks a spot.
    """
    with open_latents(latents) as file:
        dataset = _spots(latents, file, aligned)
        if TRUE_SPATIAL in file["obsm"]:
            dataset.true_coordinates = np.asarray(file["obsm"][TRUE_SPATIAL], dtype=np.float64)
    return dataset


@contextmanager
def open_latents(path: Path) -> Iterator[h5py.File]:
    """Open a latents file for reading and check it; methods need its latents but not its loadings."""
    import h5py
    from anndata.io import read_elem

    with readable(path, ".h5mu"), h5py.File(path, "r") as file:
        check_kind(path, read_elem(file["uns"]) if "uns" in file else {}, "latents")
        yield file


def _spots(path: Path, file: h5py.File, aligned: Path | None) -> Dataset:
    """Return the dataset of an open latents file, without its modalities."""
    from anndata.io import read_elem

    from spatialweave.io.spot_tables import read_aligned_coordinates

    facts = read_elem(file["uns/spatialweave"])
    obs = read_elem(file["obs"])
    layout = str(facts["layout"])
    check_spots(path, obs)
    return Dataset(
        name=str(facts["dataset"]),
        obs=obs,
        coordinates=check_coordinates(path, read_elem(file["obsm/spatial"]), len(obs)),
        modalities=[],
        layout=layout,
        platform=str(facts.get("platform", layout)),
        recipe=str(facts.get("recipe", "")),
        aligned=None if aligned is None else read_aligned_coordinates(aligned, obs),
    )


def _modality(path: Path, name: str, group: h5py.Group, spots: pd.Index) -> Modality:
    """Return one modality of an open latents file, on all spots."""
    from anndata.io import read_elem

    rows = spots.get_indexer(read_elem(group["obs"]).index)
    if (rows < 0).any() or len(np.unique(rows)) < len(rows):
        found = "has a spot twice, or a spot that the dataset lacks"
        raise InputError(f"{path}, modality {name}", found, "its spots", AGAIN)
    latent = check_table(f"{path}, modality {name}, obsm['X_latent']", read_elem(group["obsm/X_latent"]), len(rows))
    full = np.zeros((len(spots), latent.shape[1]), dtype=np.float32)
    full[rows] = latent
    present = np.zeros(len(spots), dtype=bool)
    present[rows] = True
    return Modality(name, full, present)
