"""A made-up dataset as the stages before the report would leave it, at any size, with any names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
from PIL import Image

from spatialweave.io import contract
from spatialweave.io.dataset import Dataset
from spatialweave.io.result_tables import (
    GRAPH_STATISTICS,
    QC_SUMMARY,
    UNDERSTOOD,
)
from spatialweave.io.tissue_image import TissueImage, images_uns
from spatialweave.io.understood import Understood
from spatialweave.report.dataset_results import DatasetSources

from .alignment_files import turned, write_alignment
from .recipe import Recipe, section_of, simulate
from .run_files import write_run

RED, CYAN, GREY = (255, 0, 0), (0, 255, 255), (128, 128, 128)


def write_counts(
    path: Path,
    dataset: Dataset,
    sections: dict[str, dict[str, anndata.AnnData]],
    platform: str = "dbit",
    images: dict[str, TissueImage] | None = None,
) -> None:
    """Write the joined counts of sections (by name, then by modality), which all have the same features."""
    several = len(sections) > 1
    facts = [
        {
            "name": name,
            "platform": platform,
            "spots": {modality: part.n_obs for modality, part in parts.items()},
            "features": {modality: part.n_vars for modality, part in parts.items()},
            "micrometres": 0.5 if images else None,
        }
        for name, parts in sections.items()
    ]
    joined = {}
    for modality in dict.fromkeys(name for parts in sections.values() for name in parts):
        own = [(name, parts[modality].copy()) for name, parts in sections.items() if modality in parts]
        for name, part in own:
            if several:
                part.obs_names = [f"{name}:{barcode}" for barcode in part.obs_names]
        joined[modality] = anndata.concat([part for _, part in own])
    data = mudata.MuData(joined, obs=dataset.obs)
    data.obsm["spatial"] = dataset.coordinates
    data.uns["spatialweave"] = contract.stamp("counts", dataset=dataset.name, platform=platform, layout=dataset.layout)
    data.uns["sections"] = json.dumps(facts)
    data.uns.update(images_uns(images or {}))
    contract.write(data, path)


def write_qc(folder: Path, section: str, n_spots: int, modalities: list[str]) -> None:
    import matplotlib.pyplot as plt

    rows: list[tuple[Any, ...]] = [
        (section, name, "spots", "rna_min_counts", 1.0, n_spots + 3, 3, round(300 / (n_spots + 3), 4), n_spots)
        for name in modalities
    ]
    rows.append((section, "all", "spots", "no_modality_left", None, n_spots + 3, 3, 1.0, n_spots))
    found = Understood(section)
    found.add("spots", n_spots)
    for name in modalities:
        found.add("spots", n_spots, modality=name)
        found.add("features", 3, f"X of {name}.h5ad", name)
    found.add("shared spots", n_spots)
    found.add("platform", "square", "by the coordinates")
    UNDERSTOOD.write(folder / f"{section}.ingest.csv", found.table())
    QC_SUMMARY.write(folder / f"{section}.qc_summary.csv", QC_SUMMARY.frame(rows))
    pd.DataFrame({"barcode": ["a"]}).to_csv(folder / f"{section}.qc_spots.csv", index=False)
    for kind in ("maps", "violins"):
        figure = plt.figure(figsize=(3, 2))
        figure.savefig(folder / f"{section}.qc_{kind}.png")
        plt.close(figure)


PCA_STEPS = ({"step": "log1p"}, {"step": "pca", "components": 3})


def write_latents(
    path: Path,
    recipe: Recipe,
    obs: pd.DataFrame,
    spatial: np.ndarray,
    preprocess: str = "smart",
    steps: Sequence[dict[str, Any]] = PCA_STEPS,
) -> Dataset:
    """Write latents made by a recipe for preprocessing with these steps, and return what a method would see."""
    parts = {
        name: anndata.AnnData(
            obs=pd.DataFrame(index=obs.index),
            obsm={"X_latent": np.zeros((len(obs), 3), np.float32)},
            uns={"preprocess": json.dumps({"steps": steps})},
        )
        for name in recipe.modalities
    }
    data = mudata.MuData(parts)
    data.obs = obs
    data.obsm["spatial"] = spatial
    facts = {"dataset": recipe.dataset, "platform": "dbit", "layout": recipe.layout, "recipe": preprocess}
    data.uns["spatialweave"] = contract.stamp("latents", **facts)
    contract.write(data, path)
    return Dataset(recipe.dataset, obs, spatial, [], layout=recipe.layout)


def write_dataset(folder: Path, recipe: Recipe) -> DatasetSources:
    """Write all files of a made-up dataset."""
    rng = np.random.default_rng(7)
    for name in ("files", "presets"):
        (folder / name).mkdir(parents=True)
    tissues = [simulate(recipe, rng) for _ in recipe.sections]
    if recipe.alignment:
        aligned = [tissue.spatial for tissue in tissues]
        write_alignment(folder / "files", recipe, aligned, [tissue.truth for tissue in tissues])
        for k, tissue in enumerate(tissues):
            tissue.spatial = turned(tissue.spatial, k)
    parts = {name: section_of(recipe, name, tissue) for name, tissue in zip(recipe.sections, tissues, strict=True)}
    obs = pd.concat([table.assign(barcode=table.index) for table, _ in parts.values()])
    if len(parts) > 1:
        obs.index = pd.Index(obs["section"] + ":" + obs["barcode"])
    dataset = write_latents(
        folder / "latents.h5mu", recipe, obs, np.concatenate([tissue.spatial for tissue in tissues])
    )
    images = {name: picture(recipe, tissue) for name, tissue in zip(recipe.sections, tissues, strict=True)}
    counts = {name: counts for name, (_, counts) in parts.items()}
    write_counts(folder / "counts.h5mu", dataset, counts, images=images if recipe.image else None)
    for name, (table, counts) in parts.items():
        write_qc(folder / "files", name, len(table), list(counts))
    truth = np.concatenate([tissue.truth for tissue in tissues])
    for method in recipe.methods:
        for seed in recipe.seeds:
            write_run(folder, recipe, dataset, truth, method, seed)
    write_rest(folder, recipe)
    return DatasetSources(
        dataset=recipe.dataset,
        latents=[folder / "latents.h5mu"],
        counts=folder / "counts.h5mu",
        graph_stats=[folder / "smart.spatial.graph.csv"],
        files=folder / "files",
        presets=folder / "presets",
        failures=folder / "failures.json",
        params=folder / "params.json",
    )


def picture(recipe: Recipe, tissue: SimpleNamespace) -> TissueImage:
    """Five pixels per spot, 10 units apart; red in even regions, cyan in odd ones, and grey two spots around."""
    truth = np.pad(tissue.truth.reshape(recipe.rows, recipe.columns), 2, constant_values=-1)
    colours = np.array([RED, CYAN, GREY], dtype=np.uint8)
    pixels = colours[np.where(truth < 0, 2, truth % 2)].repeat(5, axis=0).repeat(5, axis=1)
    # The first spot is in the middle of the third square.
    return TissueImage.of_pixels(Image.fromarray(pixels), 0.5, (12.5, 12.5))


def write_rest(folder: Path, recipe: Recipe) -> None:
    """Write presets, graph statistics, failures and parameters."""
    (folder / "presets" / "smart.yml").write_text(
        "title: SMART\nsummary: A graph network fuses the modalities\ncitation: Du et al. SMART. 2026.\n"
        "doi: 10.1000/example.1\npreprocess: smart\ngraph: spatial\nconfig: {epochs: 50}\n"
    )
    rows = [("spatial", "edges", 264), ("spatial", "degree_mean", 3.667), ("rna", "edges", 1000)]
    GRAPH_STATISTICS.write(folder / "smart.spatial.graph.csv", GRAPH_STATISTICS.frame(rows))
    failure = {
        "process": "TRAIN",
        "dataset": recipe.dataset,
        "method": "smart",
        "seed": 9,
        "exit": 1,
        "reason": f"{recipe.prefix}loss is NaN at step 3",
        "log": "/tmp/w/.command.err",
    }
    (folder / "failures.json").write_text(json.dumps([failure, {**failure, "dataset": "another"}]))
    (folder / "params.json").write_text(json.dumps({"clustering": "mclust", "seeds": 2, "qc_rna_min_counts": 1}))
