"""bin/weave.py: the consensus of runs as files, and the refusals."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import adjusted_rand_score

from spatialweave.io.dataset import read_dataset
from spatialweave.io.result_tables import DOMAINS

from .conftest import script


@pytest.fixture(scope="module")
def command(project: Path):
    return script(project, "weave")


@pytest.fixture
def runs(toy_run, tmp_path) -> list[Path]:
    """Four runs of two methods: the quadrants with one spot in eight wrong, each time others."""
    obs = read_dataset(toy_run.latents).obs
    files = []
    for number, run in enumerate(["smart.seed1", "smart.seed2", "spamo.seed1", "spamo.seed2"]):
        domains = toy_run.quadrant.copy()
        domains[number::8] = (domains[number::8] + 1) % 4
        files.append(tmp_path / f"{run}.domains.csv")
        table = obs[["barcode", "section"]].assign(domain=(domains + number) % 4 + 1)
        DOMAINS.write(files[-1], table.sample(frac=1, random_state=number))
    return files


@pytest.fixture
def run(command, toy_run, tmp_path):
    def call(files: list[Path], *more: str):
        arguments = [word for path in files for word in ("--domains", str(path))]
        arguments += ["--latents", str(toy_run.latents), "--out", str(tmp_path / "weave.csv")]
        arguments += ["--embedding", str(tmp_path / "weave.h5ad"), "--record", str(tmp_path / "weave.json")]
        return CliRunner().invoke(command, [*arguments, *(more or ("--n-domains", "4"))])

    return call


def test_three_of_four_runs_outvote_the_fourth(run, runs, toy_run, tmp_path):
    result = run(runs)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "weave.csv", dtype={"domain": str, "next_domain": str})
    assert list(table.columns) == [
        "barcode", "section", "domain", "confidence", "agreement", "entropy", "next_domain",
    ]  # fmt: skip
    assert adjusted_rand_score(toy_run.quadrant, table["domain"]) == 1.0
    assert anndata.read_h5ad(tmp_path / "weave.h5ad").obs["domain"].tolist() == table["domain"].tolist()
    outvoted = np.arange(len(table)) % 8 < 4
    assert (table["agreement"] == np.where(outvoted, 0.75, 1.0)).all()
    for domain in "1234":
        sure = table.loc[(table["domain"] == domain) & ~outvoted, "confidence"]
        assert table.loc[(table["domain"] == domain) & outvoted, "confidence"].max() < sure.min()


def test_files_hold_the_runs_under_common_numbers(run, runs, toy_run, tmp_path):
    run(runs)
    data = anndata.read_h5ad(tmp_path / "weave.h5ad")
    table = pd.read_csv(tmp_path / "weave.csv")
    matched = data.obsm["matched_runs"]
    assert list(matched) == ["smart.seed1", "smart.seed2", "spamo.seed1", "spamo.seed2"]
    agreeing = matched.eq(table["domain"].to_numpy(), axis=0)
    for number, name in enumerate(matched):
        assert (agreeing[name].to_numpy() == (np.arange(len(table)) % 8 != number)).all()
    assert data.obsm["confidence"]["confidence"].to_numpy() == pytest.approx(table["confidence"], abs=1e-4)
    record = json.loads((tmp_path / "weave.json").read_text())
    assert record["method"] == "weave" and record["dataset"] == "toy" and record["seed"] == 0
    assert record["consensus_of"] == dict.fromkeys(matched, 0.875)
    assert json.loads(data.uns["training"])["consensus_of"] == record["consensus_of"]


def test_same_seed_gives_the_same_table(run, runs, tmp_path):
    run(runs, "--n-domains", "3", "--seed", "5")
    first = (tmp_path / "weave.csv").read_bytes()
    run(runs, "--n-domains", "3", "--seed", "5")
    assert (tmp_path / "weave.csv").read_bytes() == first


def test_what_cannot_be_joined_is_refused(run, runs, tmp_path):
    renamed, foreign = tmp_path / "mine.csv", tmp_path / "smart.seed9.domains.csv"
    renamed.write_bytes(runs[0].read_bytes())
    foreign.write_text("barcode,section,domain\nelsewhere,left,1\n")
    for files, message in [
        (runs[:2], "2 runs are given; expected three runs or more"),
        ([*runs, runs[0]], "run smart.seed1 is given more than once"),
        ([*runs, renamed], "mine.csv: its name does not contain the name of a run"),
        ([*runs, foreign], "smart.seed9.domains.csv, line 2: spot 'elsewhere' of section 'left' is not in the dataset"),
    ]:
        result = run(files)
        assert result.exit_code == 2, result.output
        assert message in result.stderr and "Traceback" not in result.output
    assert not list(tmp_path.glob("weave*"))
