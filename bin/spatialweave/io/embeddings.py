"""Embedding files, and the record of a training in them and beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.io.contract import read_h5ad, stamp, write
from spatialweave.io.files import atomic_path, write_text
from spatialweave.io.stage_checks import check_same_spots

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

DOMAIN = "domain"
"""The obs column of domains, where a run has some: categories "1" to "K"."""

TRAIN_AGAIN = "train again on these latents"
"""How to fix an embedding of other spots."""

DENOISED, DENOISED_LATENT = "denoised_", "denoised_latent_"
"""Prefixes of the obsm keys of reconstructed features and latents; the modality follows."""


def read_embedding(
    path: Path, spots: pd.Index | None = None, keys: Collection[str] | None = None, spots_of: str = "the latents"
) -> anndata.AnnData:
    """Read an embedding file.

    Parameters
    ----------
    spots
        Names of the spots that it must have (:func:`~spatialweave.io.stage_checks.check_same_spots`).
    keys
        Keys of the obsm that are read; by default all.

    Raises
    ------
    InputError
        When the file cannot be used, or its spots are others.
    """
    data = read_h5ad(path, "embedding", keys)
    if spots is not None:
        check_same_spots(path, data.obs_names, spots, TRAIN_AGAIN, spots_of)
    return data


def write_embedding(
    path: Path,
    dataset: Dataset,
    embedding: np.ndarray,
    training: dict[str, Any],
    extras: Mapping[str, np.ndarray | pd.DataFrame] | None = None,
    domains: pd.Series | None = None,
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
    domains
        Domain of every spot, where they are known when the embedding is: stored in obs.
    """
    import anndata

    data = anndata.AnnData(
        X=np.ascontiguousarray(embedding, dtype=np.float32),
        obs=dataset.obs if domains is None else dataset.obs.assign(**{DOMAIN: as_categories(domains)}),
        obsm={"spatial": dataset.coordinates, **(extras or {})},
        uns={
            "spatialweave": stamp("embedding", dataset=dataset.name, layout=dataset.layout, recipe=dataset.recipe),
            "training": json.dumps(training, sort_keys=True),
        },
    )
    write(data, path)


def write_with_domains(source: Path, target: Path, domains: pd.Series) -> None:
    """Write an embedding file again, with the domain of every spot in obs.

    The arrays are copied as they are stored: an embedding with all it reconstructs may be large.
    """
    import h5py
    from anndata.io import write_elem

    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
        with h5py.File(temporary, "r+") as file:
            obs = file["obs"]
            write_elem(obs, DOMAIN, as_categories(domains))
            obs.attrs["column-order"] = [*(name for name in obs.attrs["column-order"] if name != DOMAIN), DOMAIN]


def as_categories(domains: pd.Series) -> pd.Categorical:
    """Return domains, which are numbers, as categories in numerical order."""
    import pandas as pd

    numbers = domains.to_numpy()
    found = np.unique(numbers)
    return pd.Categorical.from_codes(np.searchsorted(found, numbers), pd.Index(found.astype(str)))


def write_training_record(path: Path, dataset: str, training: dict[str, Any]) -> None:
    """Write the record of a training as JSON, with the name of its dataset."""
    write_text(path, json.dumps({"dataset": dataset, **training}, sort_keys=True))


def training_record(embedding: anndata.AnnData) -> dict[str, Any]:
    """Return the uns['training'] record of an embedding, as written by :func:`write_embedding`."""
    return dict(json.loads(str(embedding.uns["training"])))
