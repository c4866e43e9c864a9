"""Assembly of all results of one dataset in one MuData, for further analysis."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd

from spatialweave.assemble.classes import add_classes, add_names, add_pseudotime
from spatialweave.assemble.umap import add_umaps
from spatialweave.errors import InputError
from spatialweave.io.contract import join_modalities, read_h5mu, stamp
from spatialweave.io.embeddings import DENOISED, DENOISED_LATENT, MATCHED_RUNS, read_embedding
from spatialweave.io.graph_file import SPATIAL_KEYS, read_graph
from spatialweave.io.integrated import PARAMETERS, RUNS, VERSIONS, IntegratedRun, runs_text
from spatialweave.io.joined_counts import read_stored_counts
from spatialweave.io.result_tables import NAMES
from spatialweave.io.spot_tables import read_aligned_coordinates, read_domains, read_pseudotime
from spatialweave.io.stored_counts import StoredCounts
from spatialweave.io.tissue_image import IMAGES
from spatialweave.results.records import read_params, read_versions
from spatialweave.results.runs import MethodRun, read_methods, read_metrics, run_files


def assemble(
    files: Path, params: Path | None = None, versions: Path | None = None
) -> tuple[mudata.MuData, dict[str, StoredCounts]]:
    """Join the stages' files of one dataset.

    Parameters
    ----------
    files
        Folder with these files:

        - `*.counts.h5mu`: the raw counts of all sections; equal for every recipe, so the first is used;
        - `*.latents.h5mu`: one per recipe;
        - `<method>.seed<k>.h5ad` (embeddings) and `<method>.seed<k>.domains.csv`;
        - optionally `<method>.seed<k>.metrics.csv` and `methods.json` (without labels, colours follow the run shown
          first), `graph.h5ad` (only its spatial graph is used), `coordinates.csv`, `names.csv` and `pseudotime.csv`.
    params, versions
        The parameters of the run (JSON) and the versions of its software (YAML).

    Returns
    -------
    The content of the integrated file without X, and the raw counts that become each modality's X. Each modality has:

    - latents in `obsm['X_latent_<recipe>']`, and latents that methods reconstruct in
      `obsm['X_denoised_<recipe>_<method>_<seed>']`;
    - the map back to features in `varm['loadings_<recipe>']`, `var['mean_<recipe>']` and `var['scale_<recipe>']` (NaN
      for features that the recipe left out).

    The dataset has:

    - embeddings in `obsm['X_<method>_<seed>']`, their UMAPs in `obsm['X_umap_<method>_<seed>']`, and the methods' other
      tables in `obsm['<table>_<method>_<seed>']`;
    - domains in `obs['<method>_<seed>']` (categorical, with the report's colours in `uns['<method>_<seed>_colors']`),
      their names, if any, in `obs['<method>_<seed>_name']`, and pseudotime in `obs['<method>_<seed>_pseudotime']`;
    - aligned coordinates in `obsm['spatial_aligned']`, the spatial graph in obsp, and images of the tissue by section
      in `uns['images']`.

    Sections, labels, domains, their names and colours, pseudotime, coordinates and UMAPs are also in each modality.
    Spots are named as in the latents.

    Raises
    ------
    InputError
        When the folder lacks counts or latents, or a file holds other spots.
    """
    latents = {path: read_h5mu(path, "latents") for path in _found(files, "*.latents.h5mu")}
    counts, stored, _ = read_stored_counts(_found(files, "*.counts.h5mu")[0])
    for path, prepared in latents.items():
        for name, part in prepared.mod.items():
            if name in counts.mod:
                _add_latent(counts.mod[name], part, path)
    first = next(iter(latents.values()))
    dataset = str(first.uns["spatialweave"]["dataset"])
    # Spots keep the order of the latents, since long-range neighbours are row numbers.
    uns = {"spatialweave": stamp("integrated", dataset=dataset)}
    integrated = join_modalities(counts.mod, first.obs, np.asarray(first.obsm["spatial"]), uns)
    if (files / "coordinates.csv").exists():
        integrated.obsm["spatial_aligned"] = read_aligned_coordinates(files / "coordinates.csv", integrated.obs)
    if (files / "graph.h5ad").exists():
        _add_graph(integrated, files / "graph.h5ad")
    runs = _add_runs(integrated, files)
    add_classes(integrated, runs, read_metrics(files, dataset), read_methods(files))
    named = [IntegratedRun(run.method, run.seed) for run in runs]
    add_names(integrated, named, NAMES.read_all(path for path in [files / "names.csv"] if path.exists()))
    if (files / "pseudotime.csv").exists():
        times = read_pseudotime(files / "pseudotime.csv", integrated.obs)
        add_pseudotime(integrated, named, {run: values for run, (_, values) in times.items()})
    add_umaps(integrated, named)
    _share(integrated, ["spatial", "spatial_aligned", *(run.umap_key for run in named)])
    if IMAGES in counts.uns:
        integrated.uns[IMAGES] = counts.uns[IMAGES]
    integrated.uns[RUNS] = runs_text(named)
    integrated.uns[PARAMETERS] = json.dumps(read_params(params), sort_keys=True)
    integrated.uns[VERSIONS] = json.dumps(read_versions(versions), sort_keys=True, default=str)
    return integrated, stored


def _found(files: Path, pattern: str) -> list[Path]:
    """Return the files of a folder that match, ordered by name; at least one must match."""
    paths = sorted(files.glob(pattern))
    if not paths:
        raise InputError(str(files), f"holds no {pattern} file", fix="pass the folder of a dataset's files")
    return paths


def _rows(path: Path, spots: pd.Index, wanted: pd.Index) -> np.ndarray:
    """Return the rows of the wanted spots in a file, which must hold all of them."""
    rows = spots.get_indexer(wanted)
    if (rows < 0).any():
        found = f"lacks {int((rows < 0).sum())} spots of the counts, the first is '{wanted[int(np.argmax(rows < 0))]}'"
        raise InputError(str(path), found, "all spots", "pass the files of one dataset, made from the same counts")
    return np.asarray(rows, dtype=np.int64)


def _add_latent(counts: anndata.AnnData, latents: anndata.AnnData, path: Path) -> None:
    """Add one modality's latents of the recipe that names the file, and the map from them back to its features."""
    recipe = path.name.removesuffix(".latents.h5mu")
    rows = _rows(path, latents.obs_names, counts.obs_names)
    counts.obsm[f"X_latent_{recipe}"] = np.asarray(latents.obsm["X_latent"])[rows]
    if "loadings" not in latents.varm:
        return
    var = latents.var.reindex(counts.var_names)
    loadings = pd.DataFrame(latents.varm["loadings"], index=latents.var_names).reindex(counts.var_names)
    counts.varm[f"loadings_{recipe}"] = loadings.to_numpy(dtype=np.float32)
    for column in ("mean", "scale"):
        counts.var[f"{column}_{recipe}"] = var[column].to_numpy()


def _share(integrated: mudata.MuData, keys: list[str]) -> None:
    """Copy the tables that can be plotted into each modality."""
    for part in integrated.mod.values():
        rows = integrated.obs_names.get_indexer(part.obs_names)
        for key in keys:
            if key in integrated.obsm:
                part.obsm[key] = integrated.obsm[key][rows]


def _add_graph(integrated: mudata.MuData, path: Path) -> None:
    """Add the spatial graph in the order of the spots."""
    graph = read_graph(path, keys=SPATIAL_KEYS)
    rows = _rows(path, graph.obs_names, integrated.obs_names)
    for key in SPATIAL_KEYS:
        integrated.obsp[key] = graph.obsp[key].tocsr()[rows][:, rows]


def _add_runs(integrated: mudata.MuData, files: Path) -> list[MethodRun]:
    """Add the embeddings of all runs; return the runs with their domains, by method and seed."""
    runs: dict[tuple[str, int], MethodRun] = {}
    for path, method, seed, kind in run_files(files):
        if kind == "h5ad":
            run = runs.setdefault((method, seed), MethodRun(method, seed))
            embedding = read_embedding(path)
            run.matched_runs = _add_embedding(integrated, embedding, IntegratedRun(method, seed), path)
        elif kind == "domains.csv":
            run = runs.setdefault((method, seed), MethodRun(method, seed))
            run.domains = read_domains(path, integrated.obs)
    return [runs[key] for key in sorted(runs)]


def _add_embedding(
    integrated: mudata.MuData, embedding: anndata.AnnData, run: IntegratedRun, path: Path
) -> pd.DataFrame | None:
    """Add the embedding of one run and its method's other results per spot; return the domains in a consensus."""
    recipe = embedding.uns["spatialweave"].get("recipe", "")
    rows = _rows(path, embedding.obs_names, integrated.obs_names)
    integrated.obsm[run.embedding_key] = np.asarray(embedding.X)[rows]
    for key, value in embedding.obsm.items():
        if key.startswith(DENOISED_LATENT):
            counts = integrated.mod[key.removeprefix(DENOISED_LATENT)]
            measured = _rows(path, embedding.obs_names, counts.obs_names)
            counts.obsm[f"X_denoised_{recipe}_{run.key}"] = np.asarray(value)[measured]
        elif isinstance(value, pd.DataFrame) and not key.startswith(DENOISED):
            integrated.obsm[f"{key}_{run.key}"] = value.iloc[rows]
    return embedding.obsm.get(MATCHED_RUNS)
