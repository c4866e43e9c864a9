"""A training whose process is killed goes on from its checkpoint; tests/faults does the same through Nextflow."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.graphs.matrices import symmetrise
from spatialweave.io.contract import read_h5ad, stamp, write
from spatialweave.io.embeddings import training_record

from .conftest import TO_DOMAINS, Pipeline

SIDE = 12


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with the latents and the spatial graph of a square of spots."""
    rng = np.random.default_rng(0)
    rows, columns = np.divmod(np.arange(SIDE**2), SIDE)
    names = pd.Index([f"s{i}" for i in range(SIDE**2)])
    rna = ad.AnnData(obs=pd.DataFrame(index=names), var=pd.DataFrame({"mean": 1.0, "scale": 2.0}, index=list("abcd")))
    rna.varm["loadings"] = rng.normal(size=(4, 8)).astype(np.float32)
    rna.obsm["X_latent"] = (rng.normal(size=(SIDE**2, 8)) + (rows > SIDE / 2)[:, None]).astype(np.float32)
    md.set_options(pull_on_update=False)
    latents = md.MuData({"rna": rna})
    latents.obs["barcode"], latents.obs["section"] = names.to_numpy(), "one"
    latents.obsm["spatial"] = np.stack([columns, rows], axis=1).astype(float)
    latents.uns["spatialweave"] = stamp("latents", dataset="small", layout="square")
    write(latents, tmp_path / "latents.h5mu")
    line = sparse.diags([1.0, 1.0], [-1, 1], (SIDE, SIDE))
    graph = ad.AnnData(obs=pd.DataFrame(index=names))
    graph.obsp["spatial_distances"] = sparse.kronsum(line, line, format="csr")
    graph.obsp["spatial_connectivities"] = symmetrise(graph.obsp["spatial_distances"])
    graph.uns["spatialweave"] = stamp("graph", dataset="small", layout="square")
    write(graph, tmp_path / "graph.h5ad")
    return tmp_path


@pytest.fixture
def script(project: Path, tmp_path: Path) -> Path:
    """train.py of a copy of bin/ that writes a checkpoint after every epoch, not every 30 seconds."""
    shutil.copytree(project / "bin", tmp_path / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    settings = tmp_path / "bin" / "spatialweave" / "training" / "run.py"
    text = settings.read_text()
    assert text.count("checkpoint_seconds: float = 30.0") == 1
    settings.write_text(text.replace("checkpoint_seconds: float = 30.0", "checkpoint_seconds: float = 0.0"))
    return tmp_path / "bin" / "train.py"


def test_a_killed_process_goes_on_from_its_checkpoint(project: Path, inputs: Path, script: Path) -> None:
    def start(out: str, *arguments: object) -> subprocess.Popen[str]:
        command = ["--latents", inputs / "latents.h5mu", "--graph", inputs / "graph.h5ad", "--out", inputs / out]
        command += ["--method", project / "assets" / "methods" / "smart.yml", "--seed", 3, "--threads", 1]
        command += ["--device", "cpu", "--method-option", "epochs=200", "--record", inputs / f"{out}.json", *arguments]
        return subprocess.Popen([sys.executable, str(script), *map(str, command)], text=True, stderr=subprocess.PIPE)

    checkpoint = inputs / "checkpoints" / "small.smart.seed3.pt"
    undisturbed = start("undisturbed.h5ad")
    killed = start("resumed.h5ad", "--checkpoint-dir", checkpoint.parent)
    while not checkpoint.exists():
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    assert undisturbed.communicate() and undisturbed.returncode == 0
    resumed = start("resumed.h5ad", "--checkpoint-dir", checkpoint.parent)
    _, log = resumed.communicate()
    assert resumed.returncode == 0, log
    assert list(checkpoint.parent.iterdir()) == []
    gone_on = re.search(r"resuming after epoch (\d+) from", log)
    assert gone_on and 1 <= int(gone_on[1]) < 200
    one, other = (read_h5ad(inputs / name, "embedding") for name in ("undisturbed.h5ad", "resumed.h5ad"))
    np.testing.assert_array_equal(other.X, one.X)
    assert training_record(other)["losses"] == training_record(one)["losses"]


def test_what_a_killed_run_leaves_does_not_stand_in_the_way(pipeline: Pipeline) -> None:
    """Checkpoints in their folder do not have other methods trained again; a half-written text is written anew."""
    arguments = ("-profile", "test", "-stub-run", "--methods", "smart", "--checkpoint_dir", "checkpoints", *TO_DOMAINS)
    assert pipeline.run(*arguments).code == 0
    (pipeline.folder / "checkpoints" / "test.smart.seed1.pt").touch()
    texts = {path: path.read_text() for path in (pipeline.folder / "work" / "texts").glob("*/*")}
    assert {path.name for path in texts} == {
        "planned.json", "params.json", "failures.json", "left_out.json", "methods.json", "notices.json", "versions.yml",
        "written.json",
    }  # fmt: skip
    for path, text in texts.items():
        path.write_text(text[: len(text) // 2])
    resumed = pipeline.run(*arguments, "-resume")
    assert resumed.code == 0, resumed.text
    assert sum(name.startswith("TRAIN") for name in resumed.tasks("Cached")) == 6, resumed.text
    assert {path: path.read_text() for path in texts} == texts
