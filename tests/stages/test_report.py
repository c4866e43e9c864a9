"""The report scripts as a process calls them."""

from __future__ import annotations

import runpy
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from spatialweave.io import contract


def run(project: Path, script: str, *arguments: str | Path) -> SimpleNamespace:
    """Call a stage script in this process, for the imports of a new one take seconds."""
    module = runpy.run_path(str(project / "bin" / script))
    result = CliRunner().invoke(module["main"], [str(argument) for argument in arguments])
    return SimpleNamespace(returncode=result.exit_code, stdout=result.stdout, stderr=result.stderr)


def write_latents(path: Path) -> None:
    names = [f"s{index}" for index in range(10)]
    mudata.set_options(pull_on_update=False)
    part = anndata.AnnData(
        obs=pd.DataFrame(index=names), obsm={"X_latent": np.zeros((10, 2), np.float32)}, uns={"preprocess": "{}"}
    )
    data = mudata.MuData({"rna": part})
    data.obs = pd.DataFrame({"barcode": names, "section": "a"}, index=names)
    data.obsm["spatial"] = np.arange(20.0).reshape(10, 2)
    data.uns["spatialweave"] = contract.stamp("latents", dataset="d", platform="dbit", layout="square")
    contract.write(data, path)


@pytest.mark.parametrize("script", ["report_dataset.py", "report_run.py"])
def test_help_is_quick_and_complete(project: Path, script: str) -> None:
    times = []
    for _ in range(2):
        start = time.monotonic()
        command = [sys.executable, str(project / "bin" / script), "--help"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        times.append(time.monotonic() - start)
    assert result.returncode == 0
    assert "--presets" in result.stdout
    assert result.stderr == ""
    # Nothing heavy is imported; the bound is wide for busy machines.
    assert min(times) < 3


def test_dataset_report_of_latents_only(project: Path, tmp_path: Path) -> None:
    write_latents(tmp_path / "latents.h5mu")
    (tmp_path / "files").mkdir()
    for folder in ("files", "none"):
        arguments = ["--dataset", "d", "--latents", tmp_path / "latents.h5mu", "--files", tmp_path / folder]
        result = run(project, "report_dataset.py", *arguments, "--out", tmp_path / "r.html")
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert "No run of this dataset has domains" in (tmp_path / "r.html").read_text()


def test_run_report(project: Path, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(
        "dataset,method,seed,clustering,n_domains,metric,value\nd,smart,1,mclust,5,ari,0.875\n"
    )
    (tmp_path / "runs.csv").write_text(
        "dataset,method,seed,status,epochs,seconds,peak_rss_mb,peak_gpu_mb\nd,smart,1,completed,9,61,700,\n"
    )
    arguments = ["--metrics", tmp_path / "metrics.csv", "--runs", tmp_path / "runs.csv", "--out", tmp_path / "r.html"]
    result = run(project, "report_run.py", *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    page = (tmp_path / "r.html").read_text()
    assert "0.875" in page
    assert "1 min 1 s" in page


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("params.json", "{", "is not readable JSON"),
        ("params.json", "[]", "holds list; expected names and values"),
        ("failures.json", "{}", "holds dict; expected a list of failures"),
        ("files/smart.seed1.domains.csv", "barcode,domain\n", "has no column 'section'"),
        ("files/smart.seed1.metrics.csv", "dataset,method\n", "has no column 'seed'"),
        ("graph.csv", "a,b\n1,2\n", "has no column 'graph'"),
        ("latents.h5mu", "text", "is not a readable"),
        ("files/smart.seed1.h5ad", "text", "is not a readable"),
    ],
)
def test_unusable_input_is_one_line(project: Path, tmp_path: Path, name: str, content: str, message: str) -> None:
    write_latents(tmp_path / "latents.h5mu")
    defaults = {"params.json": "{}", "failures.json": "[]", "graph.csv": "graph,statistic,value\n"}
    for file, text in {**defaults, name: content}.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    options = {
        "--latents": "latents.h5mu",
        "--params": "params.json",
        "--graph-stats": "graph.csv",
        "--failures": "failures.json",
        "--files": "files",
    }
    arguments = [part for option, file in options.items() for part in (option, str(tmp_path / file))]
    result = run(project, "report_dataset.py", "--dataset", "d", *arguments, "--out", str(tmp_path / "r.html"))
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert name.split("/")[-1] in result.stderr
    assert not (tmp_path / "r.html").exists()
