"""Everything of one dataset in one MuData, for whoever goes on with it in a notebook."""

from __future__ import annotations

from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.aligned import read_aligned
from spatialweave.io.contract import read_h5ad, read_h5mu, stamp
from spatialweave.io.embeddings import training_record
from spatialweave.modalities import MODALITIES
from spatialweave.preprocess.common_features import shared_counts


def assemble(files: Path) -> mudata.MuData:
    """Join the stages' files of one dataset.

    Parameters
    ----------
    files
        Folder with `*.section.h5mu` (counts), `*.latents.h5mu` (one per recipe), `<method>.seed<k>.h5ad`
        (embeddings), `<method>.seed<k>.domains.csv` and, where sections were aligned, `coordinates.csv`.

    Returns
    -------
    Raw counts in each modality's X, latents in its `obsm['X_latent_<recipe>']`, what methods rebuild of them in its
    `obsm['X_denoised_<recipe>_<method>_<seed>']`, the way back to features in its `varm['loadings_<recipe>']`,
    `var['mean_<recipe>']` and `var['scale_<recipe>']` (NaN for features that the recipe left out), embeddings in
    `obsm['X_<method>_<seed>']`, the methods' other tables in `obsm['<table>_<method>_<seed>']`, domains in
    `obs['<method>_<seed>']` ("" where a spot has none), aligned coordinates in `obsm['spatial_aligned']`. Spots are
    named as in the latents.
    """
    latents = {path.name.removesuffix(".latents.h5mu"): path for path in sorted(files.glob("*.latents.h5mu"))}
    if not latents:
        raise InputError(str(files), "holds no *.latents.h5mu file", fix="pass the folder of a dataset's files")
    prepared = {recipe: read_h5mu(path, "latents") for recipe, path in latents.items()}
    spots = next(iter(prepared.values()))
    modalities = {}
    order = list(dict.fromkeys(spots.obs["section"].astype(str)))
    sections = [read_h5mu(path, "section") for path in sorted(files.glob("*.section.h5mu"))]
    # In the order of the latents, since common features take the names of the first section.
    sections.sort(key=lambda section: order.index(str(section.uns["spatialweave"]["section"])))
    for name in MODALITIES:
        parts = [_counts(section, name, len(sections) > 1) for section in sections if name in section.mod]
        if not parts:
            continue
        counts = _joined(name, parts) if len(parts) > 1 else parts[0]
        for recipe, data in prepared.items():
            if name in data.mod:
                _add_latent(counts, data.mod[name], recipe)
        modalities[name] = counts
    integrated = mudata.MuData(modalities)
    names = integrated.obs_names
    integrated.obs = spots.obs.reindex(names)
    integrated.obsm["spatial"] = np.asarray(spots.obsm["spatial"])[spots.obs_names.get_indexer(names)]
    if (files / "coordinates.csv").exists():
        integrated.obsm["spatial_aligned"] = read_aligned(files / "coordinates.csv", integrated.obs)
    for path in sorted(files.glob("*.seed*.h5ad")):
        _add_run(integrated, read_h5ad(path, "embedding"))
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


def _joined(name: str, parts: list[anndata.AnnData]) -> anndata.AnnData:
    """The counts of several sections on the features that they share, as preprocessing took them."""
    names, counts = shared_counts(name, [part.var_names for part in parts], [part.X for part in parts])
    obs = pd.concat([part.obs for part in parts], join="inner")
    return anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=names))


def _add_latent(counts: anndata.AnnData, latents: anndata.AnnData, recipe: str) -> None:
    """One modality's latents of a recipe, and what leads from them back to its features."""
    rows = latents.obs_names.get_indexer(counts.obs_names)
    counts.obsm[f"X_latent_{recipe}"] = np.asarray(latents.obsm["X_latent"])[rows]
    if "loadings" not in latents.varm:
        return
    var = latents.var.reindex(counts.var_names)
    loadings = pd.DataFrame(latents.varm["loadings"], index=latents.var_names).reindex(counts.var_names)
    counts.varm[f"loadings_{recipe}"] = loadings.to_numpy(dtype=np.float32)
    for column in ("mean", "scale"):
        counts.var[f"{column}_{recipe}"] = var[column].to_numpy()


def _add_run(integrated: mudata.MuData, embedding: anndata.AnnData) -> None:
    """The embedding of one run, and what else the method said about the spots."""
    record = training_record(embedding)
    run = f"{record['method']}_{record['seed']}"
    recipe = embedding.uns["spatialweave"].get("recipe", "")
    rows = embedding.obs_names.get_indexer(integrated.obs_names)
    integrated.obsm[f"X_{run}"] = np.asarray(embedding.X)[rows]
    for key, value in embedding.obsm.items():
        if key.startswith("denoised_latent_"):
            counts = integrated.mod[key.removeprefix("denoised_latent_")]
            measured = embedding.obs_names.get_indexer(counts.obs_names)
            counts.obsm[f"X_denoised_{recipe}_{run}"] = np.asarray(value)[measured]
        elif isinstance(value, pd.DataFrame) and not key.startswith("denoised_"):
            integrated.obsm[f"{key}_{run}"] = value.iloc[rows]


def _domains(path: Path, obs: pd.DataFrame) -> np.ndarray:
    """Domains of a CSV in the order of `obs`, matched by section and barcode."""
    table = pd.read_csv(path, dtype=str).set_index(["section", "barcode"])["domain"]
    keys = pd.MultiIndex.from_frame(obs[["section", "barcode"]].astype(str))
    return table.reindex(keys).fillna("").to_numpy(dtype=object)
