"""Metrics of one run of a method, from its files to the rows of metrics.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.domains.labels import check_embedding
from spatialweave.io.dataset import read_dataset
from spatialweave.io.embeddings import read_embedding, training_record
from spatialweave.io.graph_file import SPATIAL_GRAPH
from spatialweave.io.result_tables import METRICS, WEAVE
from spatialweave.io.spot_tables import read_domains
from spatialweave.metrics.evaluate import evaluate


def metrics_table(
    embedding_file: Path,
    domains_file: Path,
    latents_file: Path,
    graph_file: Path,
    clustering: str,
    coordinates_file: Path | None = None,
) -> pd.DataFrame:
    """Compute the metrics of one run of a method as a tidy table.

    A metric that is undefined (silhouette of a single domain, agreement without labels) has no row. `n_domains` is the
    number of domains with at least one spot. For the consensus, whose embedding is made from domains, only the metrics
    of domains are meaningful.

    Raises
    ------
    InputError
        When a file cannot be used, or the files have different spots.
    """
    dataset = read_dataset(latents_file, graph_file, coordinates_file, [SPATIAL_GRAPH])
    data = read_embedding(embedding_file, dataset.obs.index, keys=(), spots_of=str(latents_file))
    record = training_record(data)
    method, seed = str(record["method"]), int(record["seed"])
    embedding = None if method == WEAVE else check_embedding(np.asarray(data.X), 1, str(embedding_file))
    domains = read_domains(domains_file, dataset.obs)
    found = evaluate(dataset, embedding, domains, seed)
    facts = (dataset.name, method, seed, clustering, len(np.unique(domains)))
    return METRICS.frame((*facts, name, value) for name, value in found.items())
