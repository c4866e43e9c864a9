"""Everything of one dataset in one MuData, for whoever goes on with it in a notebook."""

from __future__ import annotations

from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.contract import MODALITIES, read_h5ad, read_h5mu, stamp, training_record


def assemble(files: Path) -> mudata.MuData:
    """Join the stages' files of one dataset.

    Parameters
    ----------
    files
        Folder with `*.section.h5mu` (counts), `*.latents.h5mu` (one per recipe), `<method>.seed<k>.h5ad`
        (embeddings) and `<method>.seed<k>.domains.csv`.

    Returns
    -------
    Raw counts in each modality's X, latents in its `obsm['X_latent_<recipe>']`, embeddings in
    `obsm['X_<method>_<seed>']`, domains in `obs['<method>_<seed>']` ("" where a spot has none). Spots are named as in
    the latents.
    """
    latents = {path.name.removesuffix(".latents.h5mu"): path for path in sorted(files.glob("*.latents.h5mu"))}
    if not latents:
        raise InputError(str(files), "holds no *.latents.h5mu file", fix="pass the folder of a dataset's files")
    prepared = {recipe: read_h5mu(path, "latents") for recipe, path in latents.items()}
    spots = next(iter(prepared.values()))
    modalities = {}
    sections = [read_h5mu(path, "section") for path in sorted(files.glob("*.section.h5mu"))]
    for name in MODALITIES:
        parts = [_counts(section, name, len(sections) > 1) for section in sections if name in section.mod]
        if not parts:
            continue
        counts = anndata.concat(parts, join="inner") if len(parts) > 1 else parts[0]
        for recipe, data in prepared.items():
            _add_latent(counts, data, name, recipe)
        modalities[name] = counts
    integrated = mudata.MuData(modalities)
    order = integrated.obs_names
    integrated.obs = spots.obs.reindex(order)
    integrated.obsm["spatial"] = np.asarray(spots.obsm["spatial"])[spots.obs_names.get_indexer(order)]
    for path in sorted(files.glob("*.seed*.h5ad")):
        embedding = read_h5ad(path, "embedding")
        record = training_record(embedding)
        rows = embedding.obs_names.get_indexer(order)
        integrated.obsm[f"X_{record['method']}_{record['seed']}"] = np.asarray(embedding.X)[rows]
    for path in sorted(files.glob("*.domains.csv")):
        method, seed = path.name.removesuffix(".domains.csv").rsplit(".seed", 1)
        integrated.obs[f"{method}_{seed}"] = _domains(path, integrated.obs)
    integrated.uns["spatialweave"] = stamp("integrated", dataset=str(spots.uns["spatialweave"]["dataset"]))
    return integrated


def _counts(section: mudata.MuData, name: str, several: bool) -> anndata.AnnData:
    """A section's modality with the spot names that the whole dataset uses."""
    counts = section.mod[name]
    if several:
        counts.obs_names = [f"{section.uns['spatialweave']['section']}:{barcode}" for barcode in counts.obs_names]
    return counts


def _add_latent(counts: anndata.AnnData, latents: mudata.MuData, name: str, recipe: str) -> None:
    part = latents.mod[name]
    counts.obsm[f"X_latent_{recipe}"] = np.asarray(part.obsm["X_latent"])[part.obs_names.get_indexer(counts.obs_names)]


def _domains(path: Path, obs: pd.DataFrame) -> np.ndarray:
    """Domains of a CSV in the order of `obs`, matched by section and barcode."""
    table = pd.read_csv(path, dtype=str).set_index(["section", "barcode"])["domain"]
    keys = pd.MultiIndex.from_frame(obs[["section", "barcode"]].astype(str))
    return table.reindex(keys).fillna("").to_numpy(dtype=object)
