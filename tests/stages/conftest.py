"""Files of a small dataset as the stages before GRAPH, CLUSTER and EVALUATE would have left them."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import click
import mudata as md
import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from spatialweave.graphs.build import build_graphs
from spatialweave.graphs.recipe import GraphRecipe, SpatialRecipe
from spatialweave.io import contract
from spatialweave.io.dataset import read_dataset
from spatialweave.io.embeddings import write_embedding

N_SIDE = 12


@dataclass
class ToyRun:
    """Two square sections of 12 x 12 spots in four quadrants, RNA everywhere, ADT on a part of the spots."""

    latents: Path
    embedding: Path
    quadrant: np.ndarray


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory) -> ToyRun:
    """Write latents and embedding; the embedding separates the quadrants clearly. Do not change these files."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(np.arange(float(N_SIDE)), np.arange(float(N_SIDE))), -1).reshape(-1, 2)
    points = np.tile(grid, (2, 1))
    n_spots = len(points)
    quadrant = (points[:, 0] >= 5).astype(int) + 2 * (points[:, 1] >= 4).astype(int)
    barcode = np.array([f"spot{i % len(grid)}" for i in range(n_spots)])
    section = np.repeat(["left", "right"], len(grid))
    label = np.array(["p", "q", "r", "s"])[quadrant]
    label[::10] = ""
    names = [f"{s}:{b}" for s, b in zip(section, barcode, strict=True)]
    obs = pd.DataFrame({"barcode": barcode, "section": section, "label": label}, index=names)
    parts = {}
    for name, n_dims, kept in (("rna", 8, np.ones(n_spots, bool)), ("adt", 5, np.arange(n_spots) % 7 > 0)):
        values = (rng.normal(size=(4, n_dims)) * 4)[quadrant] + rng.normal(size=(n_spots, n_dims))
        parts[name] = ad.AnnData(
            obs=pd.DataFrame(index=obs.index[kept]), obsm={"X_latent": values[kept].astype(np.float32)}
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = md.MuData(parts)
        data.obs = obs
        data.obsm["spatial"] = points
        data.uns["spatialweave"] = contract.stamp("latents", dataset="toy", layout="square")
        contract.write(data, folder / "latents.h5mu")
    dataset = read_dataset(folder / "latents.h5mu")
    embedding = (rng.normal(size=(4, 6)) * 5)[quadrant] + rng.normal(size=(n_spots, 6))
    record = {"method": "smart", "seed": 3}
    write_embedding(folder / "embedding.h5ad", dataset, embedding, record)
    return ToyRun(folder / "latents.h5mu", folder / "embedding.h5ad", quadrant)


def script(project: Path, name: str) -> click.Command:
    """The click command of a stage script."""
    spec = importlib.util.spec_from_file_location(f"{name}_script", project / "bin" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def assert_refused() -> Callable[..., None]:
    """Check that a result of click's runner is one clear line with exit code 2, that names `words`."""

    def check(result: Result, *words: str) -> None:
        assert result.exit_code == 2, result.output
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("ERROR: "), lines
        for word in words:
            assert word in lines[0]

    return check


@pytest.fixture(scope="session")
def graph(toy_run: ToyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spatial graph of the toy run. Do not change this file."""
    path = tmp_path_factory.mktemp("graph") / "graph.h5ad"
    contract.write(build_graphs(read_dataset(toy_run.latents), GraphRecipe(SpatialRecipe())), path)
    return path
