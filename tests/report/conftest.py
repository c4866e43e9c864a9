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
from spatialweave.report.dataset import Sources

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


def write_section(folder: Path, recipe: Recipe, section: str, tissue: SimpleNamespace) -> pd.DataFrame:
    """Write one filtered section with its QC files; return its obs."""
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
            obsm={"spatial": tissue.spatial},
        )
        for name, counts in tissue.counts.items()
    }
    data = mudata.MuData(parts)
    data.obs = obs
    data.obsm["spatial"] = tissue.spatial
    data.uns["spatialweave"] = contract.stamp(
        "section", dataset=recipe.dataset, section=section, platform="dbit", layout=recipe.layout
    )
    contract.write(data, folder / "sections" / f"{section}.h5mu")
    write_qc(folder / "qc", section, len(barcodes), list(parts))
    return obs


def write_qc(folder: Path, section: str, n_spots: int, modalities: list[str]) -> None:
    import matplotlib.pyplot as plt

    folder.mkdir(exist_ok=True)
    rows = [(section, name, "rna_min_counts", 1, n_spots + 3, 3) for name in modalities]
    table = pd.DataFrame(rows, columns=["section", "modality", "check", "threshold", "n_before", "n_failed"])
    table.to_csv(folder / f"{section}.qc_summary.csv", index=False)
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
    """What SMART of this made-up dataset says about every spot, all of it known from the spot's region."""
    names, spots = list(recipe.modalities), dataset.obs.index
    share = (truth + 1) / (recipe.n_domains + 1)
    entries = {
        "modality_weights": pd.DataFrame({name: share if k else 1 - share for k, name in enumerate(names)}, spots)
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
    """Write one run: domains are the truth, numbered anew, with some spots wrong; SMART says more of every spot."""
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
    write_embedding(folder / "embeddings" / f"{name}.h5ad", dataset, embedding, training, extras)
    table = dataset.obs[["barcode", "section"]].assign(domain=numbers[domains].astype(str))
    table.to_csv(folder / "domains" / f"{name}.domains.csv", index=False)
    (folder / "domains" / f"{name}.clustering.json").write_text(
        json.dumps({"clustering": "mclust", "n_domains": recipe.n_domains})
    )
    score = 1 - wrong.mean()
    values = {"silhouette": score / 2, "morans_i": score, "pas": 1 - score, "knn_overlap_rna": score / 3}
    if recipe.labels:
        values["ari"] = score
    rows = [(recipe.dataset, method, seed, "mclust", recipe.n_domains, metric, v) for metric, v in values.items()]
    pd.DataFrame(rows, columns=["dataset", "method", "seed", "clustering", "n_domains", "metric", "value"]).to_csv(
        folder / "metrics" / f"{name}.metrics.csv", index=False
    )


def write_dataset(folder: Path, recipe: Recipe) -> Sources:
    """Write all files of a made-up dataset."""
    rng = np.random.default_rng(7)
    for name in ("embeddings", "domains", "metrics", "presets"):
        (folder / name).mkdir(parents=True)
    tissues = [simulate(recipe, rng) for _ in recipe.sections]
    if recipe.alignment:
        frames = [tissue.spatial for tissue in tissues]
        write_alignment(folder / "alignment", recipe, frames, [tissue.truth for tissue in tissues])
        for k, tissue in enumerate(tissues):
            tissue.spatial = turned(tissue.spatial, k)
    tables = [
        write_section(folder, recipe, section, tissue) for section, tissue in zip(recipe.sections, tissues, strict=True)
    ]
    obs = pd.concat([table.assign(barcode=table.index) for table in tables])
    if len(tables) > 1:
        obs.index = pd.Index(obs["section"] + ":" + obs["barcode"])
    dataset = write_latents(folder, recipe, obs, np.concatenate([tissue.spatial for tissue in tissues]))
    truth = np.concatenate([tissue.truth for tissue in tissues])
    for method in recipe.methods:
        for seed in recipe.seeds:
            write_run(folder, recipe, dataset, truth, method, seed)
    write_rest(folder, recipe)
    return Sources(
        dataset=recipe.dataset,
        sections=sorted((folder / "sections").glob("*.h5mu")),
        latents=[folder / "latents.h5mu"],
        qc=folder / "qc",
        graph_stats=[folder / "smart.spatial.graph.csv"],
        embeddings=folder / "embeddings",
        domains=folder / "domains",
        metrics=folder / "metrics",
        alignment=folder / "alignment",
        presets=folder / "presets",
        failures=folder / "failures.json",
        params=folder / "params.json",
        versions=folder / "versions.yml",
    )


def write_alignment(folder: Path, recipe: Recipe, frames: list[np.ndarray], truth: list[np.ndarray]) -> None:
    """Write the common frame of all sections, and pairs in which spot i belongs to spot i of the next section.

    Every fourth pair is not accepted; of method smart the first six lead to spots of another region.
    """
    folder.mkdir()
    barcodes = [f"{recipe.prefix}spot{index}" for index in range(len(frames[0]))]
    table = [(name, barcode, *xy) for name, frame in zip(recipe.sections, frames, strict=True)
             for barcode, xy in zip(barcodes, frame, strict=True)]  # fmt: skip
    pd.DataFrame(table, columns=["section", "barcode", "x", "y"]).to_csv(folder / "coordinates.csv", index=False)
    rows = [
        (name, f"{recipe.prefix}icp" if k else "", -30.0 * k, 5.0 * k, 0.0, 1.0, False, 0.9 if k else "")
        for k, name in enumerate(recipe.sections)
    ]
    columns = ["section", "method", "angle", "shift_x", "shift_y", "scale", "reflected", "score"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "transforms.csv", index=False)
    for method in recipe.methods:
        for seed in recipe.seeds:
            quality = []
            for k, (a, b) in enumerate(zip(recipe.sections[:-1], recipe.sections[1:], strict=True)):
                partner = np.arange(len(barcodes))
                if method == "smart":
                    partner[:6] = np.flatnonzero(truth[k + 1] == recipe.n_domains - 1)[:6]
                pairs = pd.DataFrame({"section_a": a, "barcode_a": barcodes, "section_b": b})
                pairs["barcode_b"] = [barcodes[index] for index in partner]
                pairs["score"], pairs["accepted"], pairs["distance"] = 0.5, np.arange(len(barcodes)) % 4 > 0, 0.25
                pairs.to_csv(folder / f"{method}.seed{seed}.{k}--{k + 1}.pairs.csv", index=False)
                values = {"matched_smaller": 0.75, "label_agreement": 0.9 - seed / 10 - 0.1 * (method == "smart")}
                values |= {"nearest_label_agreement": 0.25, f"{recipe.prefix}new figure": 7.5}
                quality += [(recipe.dataset, method, seed, a, b, metric, value) for metric, value in values.items()]
            columns = ["dataset", "method", "seed", "section_a", "section_b", "metric", "value"]
            pd.DataFrame(quality, columns=columns).to_csv(folder / f"{method}.seed{seed}.alignment.csv", index=False)


def turned(frame: np.ndarray, k: int) -> np.ndarray:
    """The coordinates of section k as a scanner might have given them: turned by 30 degrees each, and apart."""
    angle = np.deg2rad(30 * k)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(frame @ matrix.T + 40 * k)


def write_rest(folder: Path, recipe: Recipe) -> None:
    """Write presets, graph statistics, failures, parameters and versions."""
    (folder / "presets" / "smart.yml").write_text(
        "title: SMART\nsummary: A graph network fuses the modalities\ncitation: Du et al. SMART. 2026.\n"
        "doi: 10.1000/example.1\nsettings: {epochs: 50}\n"
    )
    pd.DataFrame(
        [("spatial", "edges", 264), ("spatial", "degree_mean", 3.667), ("rna", "edges", 1000)],
        columns=["graph", "statistic", "value"],
    ).to_csv(folder / "smart.spatial.graph.csv", index=False)
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
def make_dataset(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Sources]:
    """A function that writes a made-up dataset (fields of `Recipe`) and returns where its files are."""

    def make(**changes: Any) -> Sources:
        return write_dataset(tmp_path_factory.mktemp("dataset"), Recipe(**changes))

    return make
