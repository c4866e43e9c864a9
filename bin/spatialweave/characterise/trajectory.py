"""Transitions between domains in the embedding: PAGA and diffusion pseudotime on one graph as built by scanpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.csgraph import connected_components

from spatialweave.graphs.features import feature_knn, nearest_in
from spatialweave.graphs.fuzzy import fuzzy_connectivities
from spatialweave.graphs.matrices import edges
from spatialweave.io.notices import warn
from spatialweave.sampling import random_subset
from spatialweave.threads import one_thread

if TYPE_CHECKING:
    import anndata

GRAPH_SPOTS = 20_000
"""With more spots a random subset is used: an edge between domains does not need all of them."""

GRAPH_NEIGHBOURS = 15
"""Number of nearest spots in the embedding, scanpy's default."""

COMPONENTS = 10
"""Diffusion components that pseudotime uses, scanpy's default; the first one is not informative."""

FEWEST_SPOTS = 50
"""With fewer spots there is no pseudotime."""

SMALLEST_ROOT = 0.01
"""A domain that is chosen as the root has at least this fraction of the spots."""

LENDING = 5
"""A spot outside the subset gets the mean pseudotime of this many nearest spots of the subset, in the embedding."""

LENDERS = 5000
"""Spots of the subset used for that; with all of them the search takes four times as long, for the same values."""


@dataclass(frozen=True)
class EmbeddingGraph:
    """Graph of nearest spots in an embedding.

    Attributes
    ----------
    rows
        The spots in the graph, ascending: all, or a random subset.
    data
        Holds the graph of these spots as scanpy stores it, in `obsp`.
    """

    rows: np.ndarray
    data: anndata.AnnData
    seed: int


@dataclass(frozen=True)
class Pseudotime:
    """Diffusion pseudotime of every spot.

    Attributes
    ----------
    values
        float64, one per spot: 0 at the root, 1 at the spot furthest from it; NaN for spots not connected to the root.
    root
        The domain in which it begins, from 0.
    """

    values: np.ndarray
    root: int


def embedding_graph(embedding: np.ndarray, seed: int) -> EmbeddingGraph:
    """Build scanpy's graph of nearest spots in an embedding, for at most :data:`GRAPH_SPOTS` random spots."""
    import anndata

    rows = random_subset(len(embedding), GRAPH_SPOTS, seed)
    data = anndata.AnnData(np.ascontiguousarray(embedding[rows], dtype=np.float32))
    if len(rows) > 2:
        # scanpy counts a spot among its own neighbours.
        k = min(GRAPH_NEIGHBOURS, len(rows) - 1) - 1
        distances = feature_knn(data.X, k)
        data.obsp["distances"], data.obsp["connectivities"] = distances, fuzzy_connectivities(distances)
        data.uns["neighbors"] = {
            "connectivities_key": "connectivities",
            "distances_key": "distances",
            "params": {"n_neighbors": k + 1, "method": "umap", "metric": "euclidean", "use_rep": "X"},
        }
    return EmbeddingGraph(rows, data, seed)


def paga_connectivities(graph: EmbeddingGraph, codes: np.ndarray, n_domains: int) -> np.ndarray:
    """Compute PAGA's connectivities of the domains in the embedding (Wolf et al., Genome Biol 20:59, 2019) by scanpy.

    Parameters
    ----------
    codes
        Domain of every spot, from 0.

    Returns
    -------
    domains x domains, symmetric: edges between two domains in the graph of nearest spots over those expected in a
    random graph, at most 1.
    """
    import pandas as pd
    import scanpy

    own, data = codes[graph.rows], graph.data
    result = np.zeros((n_domains, n_domains))
    present = np.unique(own)
    if len(present) < 2 or "connectivities" not in data.obsp:
        return result
    i, j = edges(data.obsp["connectivities"].tocsr())
    if (own[i] == own[j]).all():
        # No edge joins two domains, which scanpy cannot handle.
        return result
    names = pd.Index([str(code) for code in present])
    data.obs["domain"] = pd.Categorical.from_codes(np.searchsorted(present, own), names)
    with one_thread():
        scanpy.tl.paga(data, groups="domain")
    result[np.ix_(present, present)] = data.uns["paga"]["connectivities"].toarray()
    return result


def pseudotime(
    graph: EmbeddingGraph, embedding: np.ndarray, codes: np.ndarray, root: int | None = None
) -> Pseudotime | None:
    """Compute diffusion pseudotime (Haghverdi et al., Nat Methods 13:845, 2016) from a domain, on scanpy's diffusion
    map.

    It is the diffusion distance to the root spot over the largest such distance. The root spot is the spot of the root
    domain that is furthest from the mean of all other domains' spots. scanpy's `dpt` gives the same if no eigenvalue is
    above 0.9994. It ignores the components of such eigenvalues, which dominate along a long trajectory. A spot outside
    the subset gets the mean of its :data:`LENDING` nearest among :data:`LENDERS` of the subset, and none if the nearest
    has none.

    Parameters
    ----------
    codes
        Domain of every spot, from 0.
    root
        The root domain. None: among the domains with at least 1% of the spots, the one whose mean is furthest from that
        of all other spots, an end of the embedding.

    Returns
    -------
    None if fewer than :data:`FEWEST_SPOTS` spots are connected, or all of these are in one domain.
    """
    if "connectivities" not in graph.data.obsp:
        return None
    own = codes[graph.rows]
    if root is not None and not (own == root).any():
        warn("--pseudotime_root", f"there is no domain {root + 1}; the root is chosen by the default rule instead")
        root = None
    # Only spots connected to the root have a pseudotime: the largest piece of the graph, or of the root domain.
    _, piece = connected_components(graph.data.obsp["connectivities"], directed=False)
    inside = np.flatnonzero(piece == np.bincount(piece if root is None else piece[own == root]).argmax())
    if len(inside) < FEWEST_SPOTS or len(np.unique(own[inside])) < 2:
        if root is not None:
            warn("--pseudotime_root", f"domain {root + 1} is not connected to another domain; there is no pseudotime")
        return None
    points = diffusion_coordinates(graph.data[inside].copy(), graph.seed)
    root, spot = _root(points, own[inside], root)
    away = np.linalg.norm(points - points[spot], axis=1)
    scaled = np.full(len(own), np.nan)
    scaled[inside] = away / away.max()
    return Pseudotime(_for_all(graph, embedding, scaled), root)


def diffusion_coordinates(data: anndata.AnnData, seed: int) -> np.ndarray:
    """Return coordinates (spots x components, float64) whose distances are diffusion distances of all path lengths.

    Each component of scanpy's diffusion map is weighted by eigenvalue / (1 - eigenvalue).
    """
    import scanpy

    with one_thread():
        scanpy.tl.diffmap(data, n_comps=COMPONENTS, random_state=seed)
    # The graph is connected, so only the first component is stationary: equal at all spots except for degrees.
    values = np.asarray(data.uns["diffmap_evals"], dtype=np.float64)[1:]
    weights = values / np.maximum(1.0 - values, 1e-6)
    return np.asarray(data.obsm["X_diffmap"][:, 1:] * weights, dtype=np.float64)


def _root(points: np.ndarray, codes: np.ndarray, domain: int | None) -> tuple[int, int]:
    """Return the root's domain and the row of the root spot."""
    sizes, total = np.bincount(codes), points.sum(axis=0)

    def others(one: int) -> np.ndarray:
        rest = len(codes) - sizes[one]
        return np.asarray((total - points[codes == one].sum(axis=0)) / max(rest, 1))

    if domain is None:
        large = np.flatnonzero(sizes >= max(SMALLEST_ROOT * len(codes), 1)).tolist()
        away = [np.linalg.norm(points[codes == one].mean(axis=0) - others(one)) for one in large]
        domain = int(large[int(np.argmax(away))])
    own = np.flatnonzero(codes == domain)
    return domain, int(own[int(np.argmax(np.linalg.norm(points[own] - others(domain), axis=1)))])


def _for_all(graph: EmbeddingGraph, embedding: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the pseudotime of every spot, from that of the spots in the graph."""
    values = np.full(len(embedding), np.nan)
    values[graph.rows] = found
    rest = np.setdiff1d(np.arange(len(embedding)), graph.rows, assume_unique=True)
    if len(rest):
        lenders = random_subset(len(found), LENDERS, graph.seed)
        nearest, _ = nearest_in(embedding[rest], embedding[graph.rows[lenders]], LENDING)
        lent = found[lenders][nearest]
        # The nearest spot decides whether a spot is connected to the root; the mean is over the connected ones.
        joined = np.isfinite(lent[:, 0])
        values[rest[joined]] = np.nanmean(lent[joined], axis=1)
    return values
