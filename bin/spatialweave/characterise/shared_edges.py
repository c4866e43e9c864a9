"""Edges that the neighbour graphs of the modalities, of the embedding and of the tissue have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from spatialweave.characterise.rounding import short
from spatialweave.characterise.sources import Characterised, CharacterisedRun
from spatialweave.graphs.matrices import edges
from spatialweave.io.result_tables import GRAPHS_JOINED
from spatialweave.metrics.neighbours import nearest_others
from spatialweave.sampling import random_subset

NEAREST = 10
"""Neighbours of a spot in the graphs of modalities and embedding, as in Du et al., Nat Commun 17:2876 (2026)."""

ANCHORS = 5000
"""Spots whose edges are compared; a random subset if there are more. Their neighbours are searched among all spots."""

EMBEDDING, SPATIAL = "embedding", "spatial"


def shared_edges(graphs: dict[str, np.ndarray]) -> dict[tuple[str, ...], int]:
    """Count the edges that are in exactly these graphs, for every combination that occurs, most frequent first.

    Parameters
    ----------
    graphs
        Name -> edges of a graph as numbers (int64), equal for equal edges.
    """
    names = list(graphs)
    every = np.unique(np.concatenate(list(graphs.values())))
    members = np.zeros(len(every), dtype=np.int64)
    for bit, name in enumerate(names):
        members[np.searchsorted(every, np.unique(graphs[name]))] |= 1 << bit
    kinds, counts = np.unique(members, return_counts=True)
    order = np.lexsort((kinds, -counts))
    return {
        tuple(name for bit, name in enumerate(names) if kinds[at] >> bit & 1): int(counts[at]) for at in order.tolist()
    }


def edge_rows(sources: Characterised, run: CharacterisedRun, seed: int) -> Iterator[dict[str, Any]]:
    """Yield rows of table SHARED_EDGES for the spots at which all modalities were measured.

    An edge leads from a spot to one of its :data:`NEAREST` nearest spots in the embedding or the latents of a modality,
    or to a neighbour in the spatial graph.
    """
    if run.embedding is None:
        return
    measured = np.flatnonzero(np.all([one.present for one in sources.dataset.modalities], axis=0))
    if len(measured) <= NEAREST + 1:
        return
    anchors = random_subset(len(measured), ANCHORS, seed)
    values = {one.name: one.latent for one in sources.dataset.modalities} | {EMBEDDING: run.embedding}
    graphs = {name: _nearest(own[measured], anchors) for name, own in values.items()}
    graphs[SPATIAL] = _spatial(sources.graph, measured, anchors)
    found = shared_edges(graphs)
    total = sum(found.values())
    for names, count in found.items():
        yield {
            "run": run.id,
            "graphs": GRAPHS_JOINED.join(names),
            "edges": count,
            "fraction": short(count / total),
            "spots": len(anchors),
        }


def _nearest(values: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    found, _ = nearest_others(values, anchors, NEAREST)
    return np.asarray((anchors[:, None] * len(values) + found).ravel())


def _spatial(graph: sparse.csr_matrix, measured: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    i, j = edges(graph[measured[anchors]][:, measured].tocsr())
    return np.asarray(anchors[i] * len(measured) + j)
