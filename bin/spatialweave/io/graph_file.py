"""Graph files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from spatialweave.errors import InputError
from spatialweave.io.contract import read_h5ad
from spatialweave.io.stage_checks import check_same_spots

if TYPE_CHECKING:
    import anndata
    import pandas as pd
    from scipy import sparse

SPATIAL_GRAPH, SPATIAL_DISTANCES = "spatial_connectivities", "spatial_distances"
"""The obsp keys of the spatial graph, as in squidpy: undirected, and directed with its distances."""

SPATIAL_KEYS = (SPATIAL_GRAPH, SPATIAL_DISTANCES)
"""Both of them."""


def read_graph(
    path: Path, spots: pd.Index | None = None, keys: Collection[str] | None = None, spots_of: str = "the latents"
) -> anndata.AnnData:
    """Read a graph file.

    Parameters
    ----------
    spots
        Names of the spots that it must have (:func:`~spatialweave.io.stage_checks.check_same_spots`).
    keys
        Keys of the obsp that are read; by default all. Feature graphs may be much larger than the spatial one.

    Raises
    ------
    InputError
        When the file cannot be used or lacks a key, or its spots are others.
    """
    data = read_h5ad(path, "graph", keys)
    if spots is not None:
        check_same_spots(path, data.obs_names, spots, "pass the graph that was built from the same latents", spots_of)
    for key in keys or ():
        if key not in data.obsp:
            raise InputError(str(path), f"obsp has no '{key}'", fix="build the graph again")
    return data


def read_spatial_graph(path: Path, spots: pd.Index, spots_of: str = "the latents") -> sparse.csr_matrix:
    """Read the undirected spatial graph of a graph file; see :func:`read_graph`."""
    return read_graph(path, spots, [SPATIAL_GRAPH], spots_of).obsp[SPATIAL_GRAPH].tocsr()
