"""A made-up dataset as the stages before the report would leave it, at any size, with any names."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import matplotlib
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.io import contract
from spatialweave.io.dataset import Dataset
from spatialweave.io.embeddings import write_embedding
from spatialweave.io.loadings import column_name
from spatialweave.io.result_tables import (
    ALIGNMENT,
    COORDINATES,
    DOMAINS,
    GRAPH_STATISTICS,
    METRICS,
    PAIRS,
    QC_SUMMARY,
    TRANSFORMS,
)
from spatialweave.report.dataset import DatasetSources

matplotlib.use("Agg")
mudata.set_options(pull_on_update=False)

METHODS = ("smart", "pca_smooth")


@dataclass
class Recipe:
    """What to make up."""

    dataset: str = "demo"
    rows: int = 12
    columns: int = 12
    n_domains: int = 4
    sections: tuple[str, ...] = ("s1",)
    modalities: dict[str, int] = field(default_factory=lambda: {"rna": 40, "adt": 12})
    labels: bool = True
    methods: tuple[str, ...] = METHODS
    seeds: tuple[int, ...] = (1, 2)
    layout: str = "square"
    alignment: bool = False
    """Whether the sections lie turned and apart, and alignment files say how they belong together."""
    prefix: str = ""
    """Stands before every name that a user may choose: barcodes, features, labels."""


def simulate(recipe: Recipe, rng: np.random.Generator) -> SimpleNamespace:
    """Spots on a grid in four-sided regions; every region raises its own features."""
    y, x = (axis.ravel() for axis in np.mgrid[: recipe.rows, : recipe.columns])
    side = int(np.ceil(np.sqrt(recipe.n_domains)))
    truth = np.minimum((y * side // recipe.rows) * side + x * side // recipe.columns, recipe.n_domains - 1)
    counts = {}
    for name, n_features in recipe.modalities.items():
        rate = np.ones((recipe.n_domains, n_features))
        for domain in range(recipe.n_domains):
            rate[domain, domain :: recipe.n_domains] = 5
        counts[name] = sparse.csr_matrix(rng.poisson(rate[truth] * 0.6).astype(np.float32))
    return SimpleNamespace(spatial=np.column_stack([x, y]).astype(float) * 10, truth=truth, counts=counts)


def section_of(recipe: Recipe, section: str, tissue: SimpleNamespace) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The obs of one filtered section, and its counts per modality."""
    barcodes = [f"{recipe.prefix}spot{index}" for index in range(len(tissue.truth))]
    obs = pd.DataFrame({"section": section}, index=barcodes)
    if recipe.labels:
        obs["label"] = [f"{recipe.prefix}region {'abcdefghijklmnopqrstuvwxyz'[domain]}" for domain in tissue.truth]
        obs.iloc[0, 1] = ""
    parts = {
        name: anndata.AnnData(
            counts,
            obs=pd.DataFrame(index=barcodes),
            var=pd.DataFrame(index=[f"{recipe.prefix}{name}{index}" for index in range(counts.shape[1])]),
        )
        for name, counts in tissue.counts.items()
    }
    return obs, parts


def write_counts(
    path: Path, dataset: Dataset, sections: dict[str, dict[str, anndata.AnnData]], platform: str = "dbit"
) -> None:
    """Write the joined counts of sections (by name, then by modality), which all have the same features."""
    several = len(sections) > 1
    facts = [
        {
            "name": name,
            "platform": platform,
            "spots": {modality: part.n_obs for modality, part in parts.items()},
            "features": {modality: part.n_vars for modality, part in parts.items()},
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
    contract.write(data, path)


def write_qc(folder: Path, section: str, n_spots: int, modalities: list[str]) -> None:
    import matplotlib.pyplot as plt

    rows = [
        (section, name, "spots", "rna_min_counts", 1.0, n_spots + 3, 3, round(300 / (n_spots + 3), 4), n_spots)
        for name in modalities
    ]
    rows.append((section, "all", "spots", "no_modality_left", None, n_spots + 3, 3, 1.0, n_spots))  # type: ignore[arg-type]
    QC_SUMMARY.write(folder / f"{section}.qc_summary.csv", QC_SUMMARY.frame(rows))
    pd.DataFrame({"barcode": ["a"]}).to_csv(folder / f"{section}.qc_spots.csv", index=False)
    for kind in ("maps", "violins"):
        figure = plt.figure(figsize=(3, 2))
        figure.savefig(folder / f"{section}.qc_{kind}.png")
        plt.close(figure)


def write_latents(folder: Path, recipe: Recipe, obs: pd.DataFrame, spatial: np.ndarray) -> Dataset:
    """Write the latents and return what a method would see."""
    parts = {
        name: anndata.AnnData(
            obs=pd.DataFrame(index=obs.index),
            obsm={"X_latent": np.zeros((len(obs), 3), np.float32)},
            uns={"preprocess": json.dumps({"steps": [{"step": "log1p"}, {"step": "pca", "components": 3}]})},
        )
        for name in recipe.modalities
    }
    data = mudata.MuData(parts)
    data.obs = obs
    data.obsm["spatial"] = spatial
    data.uns["spatialweave"] = contract.stamp("latents", dataset=recipe.dataset, platform="dbit", layout=recipe.layout)
    contract.write(data, folder / "latents.h5mu")
    return Dataset(recipe.dataset, obs, spatial, [], layout=recipe.layout)


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
        "variant": "tuned",
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


def write_dataset(folder: Path, recipe: Recipe) -> DatasetSources:
    """Write all files of a made-up dataset."""
    rng = np.random.default_rng(7)
    for name in ("files", "presets"):
        (folder / name).mkdir(parents=True)
    tissues = [simulate(recipe, rng) for _ in recipe.sections]
    if recipe.alignment:
        frames = [tissue.spatial for tissue in tissues]
        write_alignment(folder / "files", recipe, frames, [tissue.truth for tissue in tissues])
        for k, tissue in enumerate(tissues):
            tissue.spatial = turned(tissue.spatial, k)
    parts = {name: section_of(recipe, name, tissue) for name, tissue in zip(recipe.sections, tissues, strict=True)}
    obs = pd.concat([table.assign(barcode=table.index) for table, _ in parts.values()])
    if len(parts) > 1:
        obs.index = pd.Index(obs["section"] + ":" + obs["barcode"])
    dataset = write_latents(folder, recipe, obs, np.concatenate([tissue.spatial for tissue in tissues]))
    write_counts(folder / "counts.h5mu", dataset, {name: counts for name, (_, counts) in parts.items()})
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
        versions=folder / "versions.yml",
    )


def write_alignment(folder: Path, recipe: Recipe, frames: list[np.ndarray], truth: list[np.ndarray]) -> None:
    """Write the common frame of all sections, and pairs in which spot i belongs to spot i of the next section.

    Every fourth pair is not accepted; of method smart the first six lead to spots of another region.
    """
    barcodes = [f"{recipe.prefix}spot{index}" for index in range(len(frames[0]))]
    table = [(name, barcode, *xy) for name, frame in zip(recipe.sections, frames, strict=True)
             for barcode, xy in zip(barcodes, frame, strict=True)]  # fmt: skip
    COORDINATES.write(folder / "coordinates.csv", COORDINATES.frame(table))
    rows = [
        (name, f"{recipe.prefix}icp" if k else "", 0.9 if k else None, -30.0 * k, 1.0, False, 5.0 * k, 0.0,
         *(1.0, 0.0, 5.0 * k), *(0.0, 1.0, 0.0))
        for k, name in enumerate(recipe.sections)
    ]  # fmt: skip
    TRANSFORMS.write(folder / "transforms.csv", TRANSFORMS.frame(rows))
    for method in recipe.methods:
        for seed in recipe.seeds:
            quality = []
            for k, (a, b) in enumerate(zip(recipe.sections[:-1], recipe.sections[1:], strict=True)):
                partner = np.arange(len(barcodes))
                if method == "smart":
                    partner[:6] = np.flatnonzero(truth[k + 1] == recipe.n_domains - 1)[:6]
                spots = zip(barcodes, frames[k], partner, frames[k + 1][partner], strict=True)
                pairs = [
                    (a, barcode, *xy, b, barcodes[other], *other_xy, 0.5, 0.75, index % 4 > 0, 0.25)
                    for index, (barcode, xy, other, other_xy) in enumerate(spots)
                ]
                PAIRS.write(folder / f"{method}.seed{seed}.{k}--{k + 1}.pairs.csv", PAIRS.frame(pairs))
                values = {"matched_smaller": 0.75, "label_agreement": 0.9 - seed / 10 - 0.1 * (method == "smart")}
                values |= {"nearest_label_agreement": 0.25, f"{recipe.prefix}new metric": 7.5}
                quality += [(recipe.dataset, method, seed, a, b, metric, value) for metric, value in values.items()]
            ALIGNMENT.write(folder / f"{method}.seed{seed}.alignment.csv", ALIGNMENT.frame(quality))


def turned(frame: np.ndarray, k: int) -> np.ndarray:
    """The coordinates of section k as a scanner might have given them: turned by 30 degrees each, and apart."""
    angle = np.deg2rad(30 * k)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(frame @ matrix.T + 40 * k)


def write_rest(folder: Path, recipe: Recipe) -> None:
    """Write presets, graph statistics, failures, parameters and versions."""
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
    (folder / "versions.yml").write_text("python: 3.11.9\nscipy: 1.13.0\n")


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DatasetSources]:
    """A function that writes a made-up dataset (fields of `Recipe`) and returns where its files are."""

    def make(**changes: Any) -> DatasetSources:
        return write_dataset(tmp_path_factory.mktemp("dataset"), Recipe(**changes))

    return make
