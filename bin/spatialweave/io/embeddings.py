"""Embedding files, and the record of a training in them and beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.io.contract import stamp, write
from spatialweave.io.files import write_text

if TYPE_CHECKING:
    import anndata
    import pandas as pd

    from spatialweave.io.dataset import Dataset

OWN_SECTION = "own_section"
"""The obsm key of the embedding before averaging over matched spots of other sections."""

LONG_RANGE = "long_range"
"""The obsm key of long-range neighbours of each spot: a table of row numbers from 0, -1 = none."""

MATCHED_RUNS = "matched_runs"
"""The obsm key of the domains of all runs under the consensus's numbers: a table, one column per run, 0 = none."""

DENOISED, DENOISED_LATENT = "denoised_", "denoised_latent_"
"""Prefixes of the obsm keys of reconstructed features and latents; the modality follows."""


def write_embedding(
    path: Path,
    dataset: Dataset,
    embedding: np.ndarray,
    training: dict[str, Any],
    extras: Mapping[str, np.ndarray | pd.DataFrame] | None = None,
) -> None:
    """Write an embedding file.

    Parameters
    ----------
    embedding
        float32, spots x dimensions, in the order of `dataset.obs`.
    training
        Record of the training: method, config, seed, losses, epochs, seconds, memory, versions. Stored as JSON text in
        uns['training'], since HDF5 has no lists of mixed or missing values.
    extras
        Further arrays and tables per spot, stored in obsm by key: made by `training.outputs` from a method's extras.
    """
    import anndata

    data = anndata.AnnData(
        X=np.ascontiguousarray(embedding, dtype=np.float32),
        obs=dataset.obs.copy(),
        obsm={"spatial": dataset.coordinates, **(extras or {})},
        uns={
            "spatialweave": stamp("embedding", dataset=dataset.name, layout=dataset.layout, recipe=dataset.recipe),
            "training": json.dumps(training, sort_keys=True),
        },
    )
    write(data, path)


def write_training_record(path: Path, dataset: str, training: dict[str, Any]) -> None:
    """Write the record of a training as JSON, with the name of its dataset."""
    write_text(path, json.dumps({"dataset": dataset, **training}, sort_keys=True))


def training_record(embedding: anndata.AnnData) -> dict[str, Any]:
    """Return the uns['training'] record of an embedding, as written by :func:`write_embedding`."""
    return dict(json.loads(str(embedding.uns["training"])))
