"""What a method sees: the spots of a dataset, the latents of each modality, and graphs over the spots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.contract import check_kind, read_h5ad, readable
from spatialweave.io.stage_checks import AGAIN, check_places, check_spots, check_table
from spatialweave.modalities import MODALITIES

if TYPE_CHECKING:
    import h5py
    import pandas as pd
    from scipy import sparse


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
    coordinates
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
    coordinates: np.ndarray
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

    def spatial_graph(self) -> sparse.csr_matrix:
        """The undirected spatial graph."""
        return self._graph("spatial_connectivities", "spatial")

    def spatial_distances(self) -> sparse.csr_matrix:
        """The directed spatial graph, with its distances."""
        return self._graph("spatial_distances", "spatial")

    def feature_graph(self, modality: str) -> sparse.csr_matrix:
        """The undirected feature graph of a modality."""
        return self._graph(f"{modality}_connectivities", "tissue")

    def feature_distances(self, modality: str) -> sparse.csr_matrix:
        """The directed feature graph of a modality, with its distances."""
        return self._graph(f"{modality}_distances", "tissue")

    def _graph(self, key: str, recipe: str) -> sparse.csr_matrix:
        if key not in self.graphs:
            raise InputError("graph", f"has no obsp['{key}']", fix=f"build it with the recipe '{recipe}'")
        return self.graphs[key]


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
        coordinates = check_places(latents, read_elem(file["obsm/spatial"]), len(obs))
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
        coordinates=coordinates,
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

    with readable(path, ".h5mu"), h5py.File(path, "r") as file:
        check_kind(path, read_elem(file["uns"]) if "uns" in file else {}, "latents")
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
