"""The files of one run of a made-up dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialweave.io.dataset import Dataset
from spatialweave.io.embeddings import write_embedding
from spatialweave.io.loadings import column_name
from spatialweave.io.result_tables import (
    DOMAINS,
    METRICS,
)

from .recipe import Recipe


def per_spot(recipe: Recipe, dataset: Dataset, truth: np.ndarray) -> dict[str, pd.DataFrame]:
    """The per-spot outputs of SMART on this made-up dataset, all of them known from the spot's region."""
    names, spots = list(recipe.modalities), dataset.obs.index
    weight = (truth + 1) / (recipe.n_domains + 1)
    entries = {
        "modality_weights": pd.DataFrame({name: weight if k else 1 - weight for k, name in enumerate(names)}, spots)
    }
    view = f"{column_name(recipe.prefix)}rna spatial"
    entries["view_weights"] = pd.DataFrame({view: np.arange(len(truth)) / len(truth)}, spots)
    clusters = [str(k + 1) for k in range(recipe.n_domains)]
    entries["cluster_probabilities"] = pd.DataFrame(np.eye(recipe.n_domains)[truth], spots, clusters)
    for name in names:
        columns = [column_name(f"{recipe.prefix}{name}{index}") for index in range(8)]
        raised = truth[:, None] == np.arange(8) % recipe.n_domains
        entries[f"denoised_{name}"] = pd.DataFrame(np.where(raised, 2.0, -0.5), spots, columns)
    return entries


def write_run(folder: Path, recipe: Recipe, dataset: Dataset, truth: np.ndarray, method: str, seed: int) -> None:
    """Write one run: domains are the truth, numbered anew, with some spots wrong; SMART has per-spot outputs."""
    rng = np.random.default_rng([seed, len(method)])
    wrong = rng.random(len(truth)) < (0.05 if method == "smart" else 0.2)
    domains = np.where(wrong, rng.integers(0, recipe.n_domains, len(truth)), truth)
    numbers = rng.permutation(recipe.n_domains) + 1
    embedding = np.eye(recipe.n_domains)[domains] * 4 + rng.normal(size=(len(truth), recipe.n_domains))
    epochs = 50 if method == "smart" else 1
    training: dict[str, Any] = {
        "method": method,
        "config": {"dimensions": 8, "learning_rate": 0.001},
        "seed": seed,
        "device": "cpu",
        "losses": {term: (np.exp(-np.arange(epochs) / 9) + k).tolist() for k, term in enumerate(["total", "rna"])}
        if method == "smart"
        else {},
        "epochs": epochs,
        "stopped_by": "patience",
        "seconds": 12.5 * seed,
        "peak_rss_mb": 512.0,
        "peak_gpu_mb": 0.0,
        "versions": {},
    }
    name = f"{method}.seed{seed}"
    extras = per_spot(recipe, dataset, truth) if method == "smart" else None
    write_embedding(folder / "files" / f"{name}.h5ad", dataset, embedding, training, extras)
    table = dataset.obs[["barcode", "section"]].assign(domain=numbers[domains].astype(str))
    DOMAINS.write(folder / "files" / f"{name}.domains.csv", table)
    (folder / "files" / f"{name}.clustering.json").write_text(
        json.dumps({"clustering": "mclust", "n_domains": recipe.n_domains})
    )
    score = 1 - wrong.mean()
    values = {"silhouette": score / 2, "morans_i": score, "pas": 1 - score, "knn_overlap_rna": score / 3}
    if recipe.labels:
        values["ari"] = score
    rows = [(recipe.dataset, method, seed, "mclust", recipe.n_domains, metric, v) for metric, v in values.items()]
    METRICS.write(folder / "files" / f"{name}.metrics.csv", METRICS.frame(rows))
