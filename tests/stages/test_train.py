"""train.py from the command line: a whole run, its record, and one clear line for each wrong input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy import sparse
from scipy.spatial import cKDTree

from spatialweave.io.contract import read_h5ad, stamp, write
from spatialweave.io.embeddings import training_record

from .conftest import script

SCRIPT = Path(__file__).resolve().parents[2] / "bin" / "train.py"


def run_here(*arguments: object) -> Result:
    """The same in this process: importing the libraries anew for every wrong input would take minutes."""
    return CliRunner().invoke(script(SCRIPT.parents[1], SCRIPT.stem), list(map(str, arguments)))


def run_train(
    *arguments: object, script: Path = SCRIPT, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A folder with latents.h5mu and graph.h5ad of 100 spots; the protein is missing in 30."""
    folder = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    names = pd.Index([f"s{i}" for i in range(100)])
    spatial = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
    parts = {}
    for name, n_spots, n_dims in (("rna", 100, 10), ("adt", 70, 6)):
        var = pd.DataFrame({"mean": 1.0, "scale": 2.0}, index=[f"{name}{j}" for j in range(40)])
        part = ad.AnnData(obs=pd.DataFrame(index=names[:n_spots]), var=var)
        part.varm["loadings"] = rng.normal(size=(40, n_dims)).astype(np.float32)
        part.obsm["X_latent"] = rng.normal(size=(n_spots, n_dims)).astype(np.float32)
        parts[name] = part
    md.set_options(pull_on_update=False)
    latents = md.MuData(parts)
    latents.obs["barcode"], latents.obs["section"] = names.to_numpy(), "one"
    latents.obsm["spatial"] = spatial
    latents.uns["spatialweave"] = stamp("latents", dataset="small", layout="square")
    write(latents, folder / "latents.h5mu")
    distance, neighbour = cKDTree(spatial).query(spatial, 5)
    directed = sparse.csr_matrix((distance[:, 1:].ravel(), (np.repeat(np.arange(100), 4), neighbour[:, 1:].ravel())))
    graph = ad.AnnData(obs=pd.DataFrame(index=names))
    graph.obsp["spatial_distances"] = directed
    graph.obsp["spatial_connectivities"] = ((directed + directed.T) > 0).astype(np.float32)
    graph.uns["spatialweave"] = stamp("graph", dataset="small", layout="square")
    write(graph, folder / "graph.h5ad")
    return folder


@pytest.fixture
def arguments(project, inputs, tmp_path) -> list[object]:
    """The options of a good, short run."""
    return [
        *("--latents", inputs / "latents.h5mu", "--graph", inputs / "graph.h5ad"),
        *("--method", project / "assets" / "methods" / "smart_paper.yml"),
        *("--seed", 4, "--device", "cpu", "--threads", 1, "--method-option", "epochs=6", "--out", tmp_path / "e.h5ad"),
    ]


def test_whole_run(arguments, tmp_path):
    done = run_train(
        *arguments,
        "--method-option",
        "n_dims=8",
        "--checkpoint-dir",
        tmp_path / "checkpoints",
        "--record",
        tmp_path / "r.json",
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "training on cpu (1 threads)" in done.stderr
    assert "epoch 6/6" in done.stderr
    embedding = read_h5ad(tmp_path / "e.h5ad", "embedding")
    assert embedding.shape == (100, 8)
    assert embedding.X.dtype == np.float32
    record = training_record(embedding)
    assert record["method"] == "smart_paper"
    assert record["config"]["variant"] == "paper"
    assert record["preset"] == "square"
    assert record["config"]["epochs"] == 6
    assert record["config"]["weight_decay"] == 1e-5
    assert record["seed"] == 4
    assert record["device"] == "cpu (1 threads)"
    assert record["epochs"] == len(record["losses"]["total"]) == 6
    assert {"stopped_by", "seconds", "peak_rss_mb", "peak_gpu_mb", "versions", "timings"} <= set(record)
    assert json.loads((tmp_path / "r.json").read_text()) == {"dataset": "small", **record}
    again = tmp_path / "again.h5ad"
    assert run_here(*arguments, "--method-option", "n_dims=8", "--out", again).exit_code == 0
    np.testing.assert_array_equal(read_h5ad(again, "embedding").X, embedding.X)


def test_what_the_method_rebuilds_is_written(project, arguments, inputs, tmp_path):
    done = run_here(*arguments, "--method", project / "assets" / "methods" / "smart.yml")
    assert done.exit_code == 0, done.stderr
    embedding = read_h5ad(tmp_path / "e.h5ad", "embedding")
    latents = md.read_h5mu(inputs / "latents.h5mu")
    for name, n_dims in (("rna", 10), ("adt", 6)):
        latent, features = embedding.obsm[f"denoised_latent_{name}"], embedding.obsm[f"denoised_{name}"]
        # Spots without the protein get a prediction from the rest.
        assert latent.shape == (100, n_dims) and latent.dtype == np.float32
        assert features.shape == (100, 24)
        rows = latents[name].var_names.get_indexer(features.columns)
        expected = (latent @ latents[name].varm["loadings"][rows].T + 1) * 2
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)


def test_control(project, arguments, tmp_path):
    method = project / "assets" / "methods" / "pca_smooth.yml"
    # One name of a preset may be meant for several methods; the control has none.
    options = [option for option in arguments if option not in ("--method-option", "epochs=6")]
    done = run_here(*options, "--method", method, "--preset", "visium")
    assert done.exit_code == 0, done.stderr
    record = training_record(read_h5ad(tmp_path / "e.h5ad", "embedding"))
    assert record["method"] == "pca_smooth"
    assert record["config"] == {"rounds": 2, "modality": "all"}
    assert record["losses"] == {"total": []}
    assert list(read_h5ad(tmp_path / "e.h5ad", "embedding").obsm) == ["spatial"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--method-option", "epoch=3"], "'epoch' is not a setting; expected 'epochs', perhaps"),
        (["--method-option", "learning_rate=fast"], "'fast' cannot be used; expected a finite number"),
        (["--method-option", "far_fraction=0"], "out of bounds"),
        (["--method-option", "stop_window=1"], "1 epoch has no slope"),
        (["--method-option", "learning_rate"], "no name and value"),
        (["--preset", "visum"], "'visum' is not a preset; expected 'visium', perhaps"),
        (["--device", "tpu"], "Invalid value for '--device'"),
        (["--threads", "0"], "Invalid value for '--threads'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--seed", str(2**31)], "Invalid value for '--seed'"),
        (["--latents", "nowhere.h5mu"], "Invalid value for '--latents'"),
        (["--method-option", "learning_rate=1e30"], "loss term"),
    ],
)
def test_malformed_options(arguments, tmp_path, extra, message):
    done = run_here(*arguments, *extra)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "e.h5ad").exists()


def test_graphs_that_do_not_fit(arguments, inputs, tmp_path):
    graph = ad.read_h5ad(inputs / "graph.h5ad")
    other = graph[::-1].copy()
    other.write(tmp_path / "other.h5ad")
    done = run_here(*arguments, "--graph", tmp_path / "other.h5ad")
    assert done.exit_code == 2
    assert "its spots are not those of" in done.stderr
    del graph.obsp["spatial_connectivities"]
    graph.write(tmp_path / "bare.h5ad")
    done = run_here(*arguments, "--graph", tmp_path / "bare.h5ad")
    assert done.exit_code == 2
    assert "has no obsp['spatial_connectivities']" in done.stderr


def test_gpu_requested_and_absent(arguments, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = run_here(*arguments, "--device", "cuda")
    assert done.exit_code == 2
    assert "no usable GPU was found" in done.stderr


TOY = '''"""Truncated singular value decomposition of all latents side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import TruncatedSVD

from spatialweave.method import Fitted
from spatialweave.settings import option


@dataclass(frozen=True)
class Config:
    """Settings."""

    n_dims: int = option(4, "Dimensions of the embedding.", low=1)


def fit(dataset, config, run):
    """Embed `dataset`."""
    latents = np.concatenate([one.latent for one in dataset.modalities], axis=1)
    model = TruncatedSVD(config.n_dims, random_state=run.seed)
    embedding = model.fit_transform(latents).astype(np.float32)
    run.log(f"{config.n_dims} dimensions")
    return Fitted(embedding, {"explained": model.explained_variance_ratio_.tolist()})
'''


@pytest.fixture
def without_torch(tmp_path) -> dict[str, str]:
    """The variables of an environment in which torch and faiss cannot be imported."""
    absent = tmp_path / "absent"
    absent.mkdir()
    for name in ("torch", "faiss"):
        (absent / f"{name}.py").write_text(f"raise ImportError('{name} is not installed here')\n")
    return {**os.environ, "PYTHONPATH": str(absent)}


def test_the_control_needs_neither_torch_nor_faiss(project, arguments, without_torch, tmp_path):
    options = [option for option in arguments if option not in ("--method-option", "epochs=6")]
    command = [*options, "--method", project / "assets" / "methods" / "pca_smooth.yml", "--device", "auto"]
    done = run_train(*command, env=without_torch)
    assert done.returncode == 0, done.stderr
    assert "training on cpu (1 threads)" in done.stderr
    assert training_record(read_h5ad(tmp_path / "e.h5ad", "embedding"))["device"] == "cpu (1 threads)"


def test_a_method_is_added_by_its_module_and_its_preset(project, arguments, inputs, without_torch, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(project / "bin", copy / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "bin" / "spatialweave" / "methods" / "toy.py").write_text(TOY)
    (copy / "toy.yml").write_text(
        "title: Toy\nsummary: For a test.\npreprocess: smart\ngraph: spatial\nenvironment: toy\ngpu: false\n"
        "presets:\n  square: {n_dims: 3}\n"
    )
    options = [option for option in arguments if option not in ("--method-option", "epochs=6")]
    command = [*options, "--method", copy / "toy.yml", "--record", tmp_path / "r.json"]
    done = run_train(*command, script=copy / "bin" / "train.py", env=without_torch)
    assert done.returncode == 0, done.stderr
    assert "3 dimensions" in done.stderr
    latents = md.read_h5mu(inputs / "latents.h5mu")
    table = np.zeros((100, 16))
    table[:, :10], table[:70, 10:] = (latents[name].obsm["X_latent"] for name in ("rna", "adt"))
    embedding = read_h5ad(tmp_path / "e.h5ad", "embedding").X
    # The columns are the largest singular vectors times their values, but for the signs.
    left, sizes, _ = np.linalg.svd(table, full_matrices=False)
    np.testing.assert_allclose(np.abs(embedding), np.abs(left[:, :3] * sizes[:3]), atol=1e-2)
    record = json.loads((tmp_path / "r.json").read_text())
    assert (record["dataset"], record["method"], record["preset"]) == ("small", "toy", "square")
    assert record["config"] == {"n_dims": 3} and len(record["explained"]) == 3
    assert record["losses"] == {"total": []} and record["stopped_by"] == "nothing to train"
