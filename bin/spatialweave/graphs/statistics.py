"""Statistics that show whether a graph is sound: size, degrees, isolated spots, components, edge lengths."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from spatialweave.graphs.matrices import edges, is_mutual
from spatialweave.io.result_tables import GRAPH_STATISTICS


def graph_statistics(data: anndata.AnnData) -> pd.DataFrame:
    """Return a tidy table (graph, statistic, value) with one row per statistic of every graph in a graph file.

    Degrees, isolated spots and components are those of the undirected graph; `one_way_share` is the fraction of
    directed edges without their reverse; `median_edge_length` is in platform units (feature graphs: the metric's).
    """
    rows = []
    for key in data.obsp:
        if key.endswith("_distances"):
            name = key.removesuffix("_distances")
            statistics = statistics_of(data.obsp[key], data.obsp[f"{name}_connectivities"])
            rows += [(name, statistic, value) for statistic, value in statistics.items()]
    # Of type object, so that counts stay integers in the table.
    return pd.DataFrame(rows, columns=GRAPH_STATISTICS.columns, dtype=object)


def statistics_of(distances: sparse.csr_matrix, connectivities: sparse.csr_matrix) -> dict[str, float]:
    """Return the statistics of one graph by name; those of edges are left out if there is no edge."""
    degree = np.diff(connectivities.indptr)
    n_components, component = connected_components(connectivities, directed=False)
    statistics: dict[str, float] = {
        "spots": distances.shape[0],
        "directed_edges": distances.nnz,
        "edges": connectivities.nnz // 2,
        "degree_min": int(degree.min()),
        "degree_median": float(np.median(degree)),
        "degree_mean": float(degree.mean()),
        "degree_max": int(degree.max()),
        "isolated_spots": int((degree == 0).sum()),
        "components": int(n_components),
        "largest_component_share": float(np.bincount(component).max() / len(degree)),
    }
    if distances.nnz:
        i, j = edges(distances)
        statistics["one_way_share"] = float(1.0 - is_mutual(i, j, distances.shape[0]).mean())
        statistics["median_edge_length"] = float(np.median(distances.data))
    return statistics
