"""What CLUSTER does between reading its files and writing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialweave.domains.cluster import cluster
from spatialweave.domains.labels import check_embedding, number_by_size
from spatialweave.domains.number import choose_n_domains
from spatialweave.domains.refine import refine
from spatialweave.errors import InputError
from spatialweave.io.contract import read_h5ad


def number_asked(text: str) -> int | None:
    """The number of domains that an option's text asks for; None for ``auto``."""
    if text == "auto":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise InputError("--n-domains", f"value '{text}'", "a whole number of 1 or more, or auto")
    return int(text)


def assign_domains(
    embedding_file: Path,
    graph_file: Path,
    clustering: str,
    n_domains: int | None,
    max_domains: int,
    rounds: int,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read an embedding and its graph, cluster, refine.

    Returns
    -------
    The table barcode, section, domain in the order of the embedding, and the account for ``clustering.json``.
    """
    embedding = read_h5ad(embedding_file, "embedding")
    graph = read_h5ad(graph_file, "graph")
    for column in ("barcode", "section"):
        if column not in embedding.obs:
            raise InputError(str(embedding_file), f"obs has no column '{column}'", fix="train again")
    if not graph.obs_names.equals(embedding.obs_names):
        raise InputError(
            str(graph_file), f"its spots are not those of {embedding_file}", fix="pass the graph that it was trained on"
        )
    if "spatial_connectivities" not in graph.obsp:
        raise InputError(str(graph_file), "obsp has no 'spatial_connectivities'", fix="build the graph again")

    values = check_embedding(np.asarray(embedding.X), n_domains or 1, str(embedding_file))
    account: dict[str, Any] = {
        "dataset": str(embedding.uns["spatialweave"]["dataset"]),
        "clustering": clustering,
        "seed": seed,
        "n_domains_asked": n_domains or "auto",
    }
    if n_domains is None:
        n_domains, account["candidates"] = choose_n_domains(values, max_domains, seed)
    found = cluster(values, n_domains, clustering, seed)
    refined = refine(found.labels, graph.obsp["spatial_connectivities"].tocsr(), rounds)
    labels = number_by_size(refined)
    account |= found.facts | {
        "n_domains_clustered": found.n_domains,
        "n_domains": int(labels.max()),
        "refine_rounds": rounds,
        "refined_spots": int((refined != found.labels).sum()),
        "sizes": np.bincount(labels)[1:].tolist(),
    }
    table = pd.DataFrame(
        {
            "barcode": embedding.obs["barcode"].astype(str).to_numpy(),
            "section": embedding.obs["section"].astype(str).to_numpy(),
            "domain": labels.astype(str),
        }
    )
    return table, account
