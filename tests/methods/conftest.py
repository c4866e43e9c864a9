"""Fixtures of the methods' tests: a small tissue of two modalities, and one that is divided into sections."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial import cKDTree
from sklearn.neighbors import NearestNeighbors

from spatialweave import simulate
from spatialweave.graphs.build import build_graphs, feature_distances
from spatialweave.graphs.matrices import from_edges, symmetrise
from spatialweave.graphs.recipe import FeatureRecipe, read_recipe
from spatialweave.io.contract import write
from spatialweave.io.dataset import Dataset, Modality, read_dataset
from spatialweave.io.section import SectionInput, read_section
from spatialweave.preprocess.dataset import preprocess
from spatialweave.training.run import Run


@pytest.fixture
def run() -> Run:
    return Run(seed=11, log=lambda line: None)


@pytest.fixture
def tissue():
    """(side, modalities, missing fraction) -> a square tissue in three layers, with noisy latents and all graphs."""

    def make(side: int = 12, names: tuple[str, ...] = ("rna", "adt"), missing: float = 0.0) -> Dataset:
        rng = np.random.default_rng(2)
        spatial = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2).astype(float)
        n_spots = len(spatial)
        layer = (3 * spatial[:, 1] / side).astype(int)
        distance, neighbour = cKDTree(spatial).query(spatial, 5)
        rows = np.repeat(np.arange(n_spots), 4)
        directed = sparse.csr_matrix((distance[:, 1:].ravel(), (rows, neighbour[:, 1:].ravel())), (n_spots, n_spots))
        modalities = []
        for m, name in enumerate(names):
            latent = rng.normal(0, 3, (3, 8 + m))[layer] + rng.normal(size=(n_spots, 8 + m))
            present = rng.random(n_spots) >= (missing if m else 0)
            modalities.append(Modality(name, (latent * present[:, None]).astype(np.float32), present))
        obs = pd.DataFrame({"barcode": [f"s{i}" for i in range(n_spots)], "section": "one", "label": layer.astype(str)})
        obs.index = pd.Index(obs["barcode"])
        graphs = {"spatial_distances": directed, "spatial_connectivities": symmetrise(directed)}
        recipe = FeatureRecipe(k=6, metric="correlation", rounds=1)
        for modality in modalities:
            graph = feature_distances(modality, recipe, graphs["spatial_connectivities"])
            graphs |= {f"{modality.name}_distances": graph, f"{modality.name}_connectivities": symmetrise(graph)}
        return Dataset("small", obs.rename_axis(None), spatial, modalities, graphs, "square")

    return make


@pytest.fixture
def split(tissue: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """A tissue whose spots are assigned to sections at random; each section keeps the modalities named for it."""

    def make(names: Sequence[tuple[str, ...]] = (("rna",), ("rna",)), side: int = 14, offset: float = 0.0) -> Dataset:
        whole = tissue(side=side, names=tuple(dict.fromkeys(name for own in names for name in own)))
        section = np.random.default_rng(6).permutation(np.arange(whole.n_spots) % len(names))
        order = np.argsort(section, kind="stable")
        section, spatial = section[order], whole.coordinates[order]
        modalities = []
        for one in whole.modalities:
            present = np.array([one.name in own for own in names])[section]
            latent = (one.latent[order] + offset * section[:, None]) * present[:, None]
            modalities.append(Modality(one.name, latent.astype(np.float32), present))
        rows, columns, values = [], [], []
        for number in range(len(names)):
            own = np.flatnonzero(section == number)
            distance, nearest = NearestNeighbors(n_neighbors=5).fit(spatial[own]).kneighbors(spatial[own])
            rows.append(own.repeat(4))
            columns.append(own[nearest[:, 1:].ravel()])
            values.append(distance[:, 1:].ravel())
        directed = from_edges(*map(np.concatenate, (rows, columns, values)), whole.n_spots)
        obs = whole.obs.iloc[order].assign(section=np.array(list("abcdef"))[section])
        obs.index = pd.Index(obs["section"] + ":" + obs["barcode"])
        graphs = {"spatial_distances": directed, "spatial_connectivities": symmetrise(directed)}
        # Every section has coordinates of its own; the aligned ones are common to all.
        return replace(
            whole,
            obs=obs,
            coordinates=spatial + 100 * section[:, None],
            modalities=modalities,
            graphs=graphs,
            aligned=spatial,
        )

    return make


@pytest.fixture(scope="session")
def demo(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dataset]:
    """The demo tissue as the pipeline prepares it, with the graphs of a recipe."""
    folder = tmp_path_factory.mktemp("demo")
    spec = simulate.PRESETS["demo"]
    simulate.write(simulate.simulate(spec, 2025), folder, "demo", spec.n_domains)
    files = {name: folder / f"demo_{name}.h5ad" for name in spec.modalities}
    latents = folder / "latents.h5mu"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        section = SectionInput("demo", "one", files=files, labels=simulate.LABEL, platform="square")
        write(read_section(section), folder / "section.h5mu")
        write(preprocess([folder / "section.h5mu"], project / "assets" / "preprocess" / "smart.yml", 0), latents)

    def with_graphs(recipe: str) -> Dataset:
        graphs = folder / f"{recipe}.h5ad"
        if not graphs.exists():
            found = read_recipe(project / "assets" / "graphs" / f"{recipe}.yml")
            write(build_graphs(read_dataset(latents), found), graphs)
        return read_dataset(latents, graphs)

    return with_graphs
