"""Embedding files: what a training leaves behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.io.contract import check_kind, readable, stamp, write
from spatialweave.io.files import atomic_path
from spatialweave.io.stage_checks import check_record

if TYPE_CHECKING:
    import anndata
    import pandas as pd

    from spatialweave.io.dataset import Dataset

OWN_SECTION = "own_section"
"""The obsm key of an embedding's values before sections exchanged what they say of a spot."""


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
        How it came about: method, config, seed, losses, epochs, seconds, memory, versions. Stored as JSON text in
        uns['training'], since HDF5 has no lists of mixed or missing values.
    extras
        Further arrays and tables per spot, stored in obsm by key: what `training.outputs` makes of a method's extras.
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
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"dataset": dataset, **training}, sort_keys=True), encoding="utf-8")


def training_record(embedding: anndata.AnnData) -> dict[str, Any]:
    """The uns['training'] record of an embedding, as written by :func:`write_embedding`."""
    return dict(json.loads(str(embedding.uns["training"])))


def read_training_record(path: Path) -> dict[str, Any]:
    """The uns['training'] record of an embedding file with its dataset's name, without reading the embedding itself."""
    import anndata

    with readable(path, ".h5ad"):
        data = anndata.read_h5ad(path, backed="r")
    try:
        check_kind(path, data.uns, "embedding")
        check_record(path, data.uns)
        return {"dataset": str(data.uns["spatialweave"]["dataset"]), **training_record(data)}
    finally:
        data.file.close()
