"""Per-spot results of a method beyond its embedding, checked and laid out for the embedding file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.embeddings import DENOISED, DENOISED_LATENT, OWN_SECTION
from spatialweave.io.files import atomic_path
from spatialweave.io.loadings import Loadings, column_name, read_loadings
from spatialweave.io.measurement import UNWRITABLE
from spatialweave.method import Fitted

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset

N_FEATURES = 24
"""Number of denoised features written per modality."""

FRACTIONS = ("modality_weights", "view_weights", "cluster_probabilities", "attention")
"""Extras whose values are fractions, 0 to 1. Rows sum to 1, except for views, which are weighed per modality."""


def per_spot(fitted: Fitted, dataset: Dataset, latents: Path) -> dict[str, np.ndarray | pd.DataFrame]:
    """Return the obsm entries of an embedding file (docs/design.md): extras, denoised latents, a few denoised features.

    Parameters
    ----------
    latents
        Latents file of `dataset`; read only if the method rebuilds latents.

    Raises
    ------
    RuntimeError
        When the method returns another shape or order, or impossible values.
    """
    entries: dict[str, np.ndarray | pd.DataFrame] = {}
    for key, table in fitted.extras.items():
        check_extra(key, table, dataset)
        # Keep spot numbers whole: float32 cannot hold those above 2^24.
        whole = all(np.issubdtype(kind, np.integer) for kind in table.dtypes)
        entries[key] = table if whole else table.astype(np.float32)
    if fitted.own is not None:
        if fitted.own.shape != fitted.embedding.shape or not np.isfinite(fitted.own).all():
            raise _defect("embedding by own sections", f"is not finite or has the shape {fitted.own.shape}")
        entries[OWN_SECTION] = fitted.own.astype(np.float32)
    if not fitted.denoised:
        return entries
    loadings = read_loadings(latents)
    for name, latent in fitted.denoised.items():
        check_denoised(name, latent, dataset)
        entries[DENOISED_LATENT + name] = latent.astype(np.float32)
        if name in loadings:
            entries[DENOISED + name] = denoised_features(latent, loadings[name], dataset.obs.index)
    return entries


def check_extra(key: str, table: pd.DataFrame, dataset: Dataset) -> None:
    """Refuse a table of extras that does not fit the spots, or whose values are impossible for its key."""
    if not isinstance(table, pd.DataFrame) or not table.index.equals(dataset.obs.index):
        raise _defect(key, "is not a table with one row per spot, named and ordered as the dataset's")
    if not len(table.columns) or not table.columns.is_unique or not all(map(usable, table.columns)):
        raise _defect(key, f"has columns without names, with the same one or with unusable ones: {list(table.columns)}")
    values = table.to_numpy()
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise _defect(key, "holds values that are not finite numbers")
    if key not in FRACTIONS:
        return
    if values.min() < -1e-6 or values.max() > 1 + 1e-4:
        raise _defect(key, f"holds {values.min():.4g} to {values.max():.4g} instead of fractions, 0 to 1")
    sums = values.sum(axis=1)
    if key != "view_weights" and not np.allclose(sums, 1, atol=1e-3):
        raise _defect(key, f"has rows that sum to {sums.min():.4g} to {sums.max():.4g} instead of 1")


def check_denoised(name: str, latent: np.ndarray, dataset: Dataset) -> None:
    """Refuse denoised latents of a modality that the dataset lacks, of another shape, or with non-finite values."""
    shapes = {modality.name: modality.latent.shape for modality in dataset.modalities}
    key = f"denoised['{name}']"
    if name not in shapes:
        raise _defect(key, "is of a modality that the dataset does not have: " + ", ".join(shapes))
    if np.shape(latent) != shapes[name]:
        raise _defect(key, f"has the shape {np.shape(latent)} instead of {shapes[name]}")
    if not np.isfinite(latent).all():
        raise _defect(key, "holds values that are not finite")


def _defect(what: str, problem: str) -> RuntimeError:
    return RuntimeError(f"the method's {what} {problem}")


def denoised_features(latent: np.ndarray, loadings: Loadings, spots: pd.Index) -> pd.DataFrame:
    """Return the :data:`N_FEATURES` features with the largest variance in the denoised latents, on the log scale.

    Variances are those of the prepared values, so scaled features compete by the fraction of their variance that the
    method explains, and strongly expressed ones have no advantage.

    Returns
    -------
    float32, spots x features, by falling variance; a slash in a name, which HDF5 reserves, becomes "_".
    """
    columns: dict[str, int] = {}
    for feature in np.argsort(-loadings.variance(latent), kind="stable"):
        name = column_name(str(loadings.features[feature]))
        if usable(name):
            columns.setdefault(name, int(feature))
        if len(columns) == N_FEATURES:
            break
    values = loadings.log_values(latent, np.array(list(columns.values()), dtype=int))
    return pd.DataFrame(values, index=spots, columns=list(columns))


def usable(name: object) -> bool:
    """Return whether HDF5 and anndata can hold a column of that name."""
    return isinstance(name, str) and name not in UNWRITABLE and "/" not in name


def write_state(path: Path, method: str, fitted: Fitted) -> None:
    """Write the state of a fit, completely or not at all.

    Raises
    ------
    InputError
        If the method keeps none.
    """
    from safetensors.numpy import save_file

    if not fitted.state:
        found = "cannot embed spots that it was not trained on"
        raise InputError(f"method '{method}'", found, "a method whose preset says inductive: true")
    with atomic_path(path) as temporary:
        save_file({name: np.asarray(value, order="C") for name, value in fitted.state.items()}, temporary)
