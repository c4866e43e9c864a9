"""Assignment of the spots of a run to domains, from its files to domains.csv and clustering.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialweave.domains.cluster import cluster
from spatialweave.domains.labels import check_embedding, number_by_size, refine
from spatialweave.io.embeddings import read_embedding
from spatialweave.io.graph_file import read_spatial_graph
from spatialweave.io.spot_tables import domains_table


def assign_domains(
    embedding_file: Path,
    graph_file: Path,
    clustering: str,
    n_domains: int,
    rounds: int,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Cluster an embedding and refine the domains on its spatial graph.

    Parameters
    ----------
    rounds
        Rounds of the refinement.

    Returns
    -------
    The table with barcode, section and domain in the order of the embedding, by the mixture also the posterior
    probability of the domain (after the refinement that of the domain it gave), and the record for ``clustering.json``.

    Raises
    ------
    InputError
        When a file cannot be used, the files have different spots, or the embedding cannot be clustered.
    """
    embedding = read_embedding(embedding_file, keys=())
    graph = read_spatial_graph(graph_file, embedding.obs_names, spots_of=str(embedding_file))

    values = check_embedding(np.asarray(embedding.X), n_domains, str(embedding_file))
    record: dict[str, Any] = {
        "dataset": str(embedding.uns["spatialweave"]["dataset"]),
        "clustering": clustering,
        "seed": seed,
        "n_domains_asked": n_domains,
    }
    clustered = cluster(values, n_domains, clustering, seed)
    refined = refine(clustered.labels, graph, rounds)
    labels = number_by_size(refined)
    record |= clustered.record | {
        "n_domains_clustered": clustered.n_domains,
        "n_domains": int(labels.max()),
        "refine_rounds": rounds,
        "refined_spots": int((refined != clustered.labels).sum()),
        "sizes": np.bincount(labels)[1:].tolist(),
    }
    table = domains_table(embedding.obs, labels)
    if clustered.probabilities is not None:
        table["probability"] = np.round(clustered.probabilities[np.arange(len(refined)), refined - 1], 4)
    return table, record
